import { Readable, Writable } from "node:stream";
import { expect } from "chai";
import { makeSweepPrinter } from "../../../src/cli/sweep-printer.ts";
import type { Decision } from "../../../src/sweep/decide.ts";
import type { Entry } from "../../../src/sweep/entry.ts";
import type { Outcome } from "../../../src/sweep/outcome.ts";
import { type SweepReport, Tally } from "../../../src/sweep/report.ts";
import { laterClock } from "../../support/memory-store.ts";

const EMPTY = new Tally(() => 0).report({
  startedAt: 0,
  endedAt: 0,
  durationMs: 0,
  isInterrupted: false,
});

function makePlace({ isTerminal = false, isDryRun = false } = {}) {
  let text = "";
  let time = 0;
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const clock = { ...laterClock(), monotonic: () => time };
  const printer = makeSweepPrinter({
    context: {
      env: {},
      workingDirectory: "/",
      stdin: Readable.from([]),
      stdout,
      stderr: stdout,
      isTerminal,
      stop: new AbortController().signal,
      onReload: () => undefined,
    },
    clock,
    bucket: "b",
    keyOf: (entry) => `k/${entry.path.toString()}`,
    isDryRun,
  });
  return {
    printer,
    clock,
    pass: (ms: number) => {
      time += ms;
    },
    printed: () => text,
  };
}

const entry = (path: string | Buffer): Entry => ({
  path: Buffer.from(path as string),
  at: Buffer.from(path as string),
  type: "file",
  fingerprint: { device: 1n, inode: 1n, bytes: 1n, mtimeNs: 0n, ctimeNs: 0n, links: 1n },
});
const REMOVED: Outcome = {
  kind: "removed",
  key: "k/a",
  bytes: 2_048,
  sha256: "",
  attempts: 1,
  uploadMs: 1,
  wasStored: false,
  wasOpenedLate: false,
};
const FAILED: Outcome = {
  kind: "failed",
  reason: "SlowDown",
  scope: "service",
  message: "wait",
  key: "k",
  attempts: 3,
};

describe("the sweep printer", () => {
  it("tells each file's end on a line of its own", () => {
    const { printer, printed, clock } = makePlace();
    printer.onDecided(entry("a"), { action: "transfer", settledAt: 0 });
    printer.onOutcome(entry("a"), REMOVED);
    printer.onOutcome(entry("b"), { kind: "kept", reason: "changed", key: "k" });
    printer.onOutcome(entry("c"), FAILED);
    printer.onDecided(entry("d"), {
      action: "wait",
      reason: "young",
      settledAt: clock.now() + 12_000,
    });
    printer.onDecided(entry("e"), { action: "keep", reason: "too-large", settledAt: 0 });
    printer.onDecided(entry("f"), { action: "ignore", reason: "excluded" });
    printer.onUnreadable(Buffer.from("g"), new Error("EACCES: no"));
    expect(printed().split("\n")).to.deep.equal([
      "removed   a  -> s3://b/k/a  2.0 KiB",
      "stays     b  (it changed meanwhile)",
      "FAILED    c  (SlowDown: wait)",
      "waits     d  (changed too recently, 12s to go)",
      "stays     e  (larger than 50 TB, which is what S3 takes)",
      "FAILED    g  (cannot be read: EACCES: no)",
      "",
    ]);
  });

  it("tells in a dry run what would go, and why the rest would not", () => {
    const { printer, printed } = makePlace({ isDryRun: true });
    printer.onDecided(entry("a"), { action: "transfer", settledAt: 0 });
    printer.onDecided(entry("f"), { action: "ignore", reason: "excluded" });
    printer.finish({ ...EMPTY, backlogFiles: 3, filesKept: 1, filesIgnored: 1, durationMs: 20 });
    expect(printed().split("\n")).to.deep.equal([
      "would go  a  -> s3://b/k/a",
      "stays     f  (not selected by include and exclude)",
      "Dry run, nothing done: 2 would go, 0 waiting, 1 staying, 1 ignored in 20ms",
      "",
    ]);
  });

  it("sums up", () => {
    const table: readonly (readonly [Partial<SweepReport>, string])[] = [
      [{}, "0 removed (0 B), 0 failed, 0 waiting, 0 staying in 0s\n"],
      [
        {
          filesRemoved: 2,
          bytesRemoved: 3_072,
          filesFailed: 1,
          filesWaiting: 4,
          filesKept: 5,
          durationMs: 61_000,
        },
        "2 removed (3.0 KiB), 1 failed, 4 waiting, 5 staying in 1m 1s\n",
      ],
      [
        { filesIgnored: 6, directoriesUnreadable: 7 },
        "0 removed (0 B), 0 failed, 0 waiting, 0 staying, 6 ignored, 7 unreadable directories in 0s\n",
      ],
      [
        { stoppedEarly: "SlowDown: wait", isInterrupted: true },
        "stopped early: SlowDown: wait\ninterrupted before the end\n0 removed (0 B), 0 failed, 0 waiting, 0 staying in 0s\n",
      ],
    ];
    for (const [changes, expected] of table) {
      const { printer, printed } = makePlace();
      printer.finish({ ...EMPTY, ...changes });
      expect(printed()).to.equal(expected);
    }
  });

  it("draws progress on a terminal only, and at most ten times a second", () => {
    const decision: Decision = { action: "ignore", reason: "excluded" };
    const plain = makePlace();
    plain.printer.onDecided(entry("a"), decision);
    expect(plain.printed()).to.equal("");

    const { printer, printed, pass } = makePlace({ isTerminal: true });
    for (let index = 0; index < 10; index += 1) {
      printer.onDecided(entry("a"), decision);
      pass(25);
    }
    expect(printed().match(/files looked at/g)).to.have.length(3);
    printer.onOutcome(entry("a"), REMOVED);
    expect(printed().endsWith("\r\u001b[Kremoved   a  -> s3://b/k/a  2.0 KiB\n")).to.equal(true);
  });

  for (const code of [1, 7, 8, 9, 0x0a, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0x2028, 0x202e, 0x2066]) {
    it(`never gives a terminal the character ${code.toString(16)} of a name`, () => {
      const raw = String.fromCodePoint(code);
      const { printer, printed } = makePlace();
      printer.onDecided(entry(`a${raw}[2Jb`), {
        action: "keep",
        reason: "too-large",
        settledAt: 0,
      });
      printer.onOutcome(entry(`a${raw}[2Jb`), FAILED);
      printer.onUnreadable(Buffer.from(`a${raw}[2Jb`), new Error(`EACCES: '/r/a${raw}[2Jb'`));
      const lines = printed().split("\n");
      expect(lines).to.have.length(4);
      for (const line of lines) expect(line).not.to.match(/[\p{Cc}\u2028\u202e\u2066]/u);
    });
  }
});
