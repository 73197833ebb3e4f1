import type { Mutation } from "./mutation.ts";

const LOG = "unit/lib/record-log.test.ts";
const POWER = "unit/lib/power-cut.test.ts";
const LEDGER = "unit/sweep/ledger-safety.test.ts";
const LEDGER_FILE = "unit/sweep/ledger.test.ts";
const SHARED = "unit/sweep/shared-state.test.ts";

/** What is written down, so that it is there after a crash and never believed too much. */
export const STATE_MUTATIONS: readonly Mutation[] = [
  {
    name: "a file is written anew without a sync",
    file: "lib/atomic-file.ts",
    edits: [["      await file.datasync();\n", ""]],
    foundBy: [POWER, "a file that was written as a whole"],
  },
  {
    name: "a file is written anew without a rename",
    file: "lib/atomic-file.ts",
    edits: [["const beside = ", "const beside = path;\n  void "]],
    foundBy: [POWER, "its old or its new content (no"],
  },
  {
    name: "a rename is not synced",
    file: "lib/atomic-file.ts",
    edits: [["    await directory.sync();\n", ""]],
    foundBy: [POWER, "a file that was written as a whole"],
  },
  {
    name: "a record is acknowledged without a sync",
    file: "lib/record-log.ts",
    edits: [["        await this.#file.datasync();\n", ""]],
    foundBy: [POWER, "a record"],
  },
  {
    name: "a record is acknowledged before it is written",
    file: "lib/record-log.ts",
    // By so much that a thread that writes in the very moment of the power cut cannot hide it.
    edits: [
      ["    return promise;\n", "    resolve();\n    return promise;\n"],
      [
        "this.#busy.then(() => this.#flush())",
        "this.#busy.then(() => new Promise((go) => setTimeout(go, 50))).then(() => this.#flush())",
      ],
    ],
    foundBy: [POWER, "a record"],
  },
  {
    name: "checksums of records are ignored",
    file: "lib/record-log.ts",
    edits: [["if (line.slice(0, 9) !==", "if (line === json && line !=="]],
    foundBy: [LOG, "single byte"],
  },
  {
    name: "a torn last record is not cut off",
    file: "lib/record-log.ts",
    edits: [
      [
        "read ? read.bytes : (await file.stat()).size",
        "read ? (await file.stat()).size : (await file.stat()).size",
      ],
    ],
    foundBy: [LOG, "cut anywhere"],
  },
  {
    name: "what a failed write left behind stays in the middle",
    file: "lib/record-log.ts",
    edits: [
      [
        "await writeAll(this.#file, bytes, this.#bytes);",
        "await writeAll(this.#file, bytes, (await this.#file.stat()).size);",
      ],
    ],
    foundBy: [LOG, "failed write"],
  },
  {
    name: "a damaged log is overwritten, not set aside",
    file: "lib/record-log.ts",
    edits: [["setAsideAs: await setAside(path)", "setAsideAs: path"]],
    foundBy: [LOG, "set aside"],
  },
  {
    name: "a log of a newer agent is read",
    file: "lib/record-log.ts",
    edits: [["header.version !== format.version", "false"]],
    foundBy: [LOG, "newer version"],
  },
  {
    name: "a rewrite leaves out what comes while it waits for its turn",
    file: "lib/record-log.ts",
    edits: [
      [
        "async rewrite(records: () => readonly unknown[])",
        "async rewrite(asked: () => readonly unknown[])",
      ],
      [
        "const done = this.#busy.then(async () => {",
        "const known = [...asked()];\n    const records = () => known;\n    const done = this.#busy.then(async () => {",
      ],
    ],
    foundBy: [LEDGER_FILE, "whoever compacts it"],
  },
  {
    name: "a sweep forgets what a sweep of another root has seen",
    file: "sweep/attempts.ts",
    edits: [["    this.#seen.set(root, new Set());\n", "    this.#seen.clear();\n"]],
    foundBy: [SHARED, "saw meanwhile"],
  },
  {
    name: "what changes while another sweep ends is never written",
    file: "sweep/attempts.ts",
    edits: [["this.#changesWritten = changes;", "this.#changesWritten = this.#changes;"]],
    foundBy: [SHARED, "while the end of another"],
  },
  {
    name: "a file in quarantine is forgotten when nobody watches its root",
    file: "sweep/attempts.ts",
    edits: [["if (attempt.isQuarantined && (await isThere(attempt))) continue;\n", ""]],
    foundBy: [SHARED, "but for those in quarantine"],
  },
  {
    name: "the removal begins before the ledger has the file",
    file: "sweep/transfer.ts",
    edits: [["    await ledger.add(uploaded);", "    void ledger.add(uploaded);"]],
    foundBy: [LEDGER, "before the file goes"],
  },
  {
    name: "what the ledger says is believed without a look at the bytes",
    file: "sweep/transfer.ts",
    edits: [["(await hashContent(opened.file, bytes, signal, onPiece)) === known.sha256", "true"]],
    foundBy: [LEDGER, "only the same content"],
  },
  {
    name: "what is in another bucket is taken for proof",
    file: "sweep/transfer.ts",
    edits: [["known?.bucket === destination.bucket && known.path", "known?.path"]],
    foundBy: [LEDGER, "another bucket"],
  },
  {
    name: "what was uploaded under another name is taken for this one's",
    file: "sweep/transfer.ts",
    edits: [[" && known.path.equals(entry.path)", ""]],
    foundBy: [LEDGER, "another name"],
  },
  {
    name: "the ledger forgets what it wrote down",
    file: "sweep/ledger.ts",
    edits: [["    for (const record of records) ledger.#read(record);\n", ""]],
    foundBy: [LEDGER, "after a restart"],
  },
];
