import type { Mutation } from "./mutation.ts";

const ASIDE = "unit/sweep/aside.test.ts";
const TRANSFER = "unit/sweep/transfer.test.ts";
const RESCUE = "unit/sweep/rescue.test.ts";
const REMOVAL = "unit/sweep/removal.test.ts";
const LEASES = "unit/lib/leases-safety.test.ts";

/** Steps between the proof and the end of the removal, and the leases that they rely on. */
export const REMOVAL_MUTATIONS: readonly Mutation[] = [
  {
    name: "no lease is taken",
    file: "sweep/open-file.ts",
    edits: [["context.leases?.take(file.fd)", "undefined"]],
    foundBy: [TRANSFER, "a writer ends the upload"],
  },
  {
    name: "a busy lease is ignored",
    file: "sweep/open-file.ts",
    edits: [['wish?.kind === "busy"', "false"]],
    foundBy: [TRANSFER, "still open for writing"],
  },
  {
    name: "a lease that is only a hint is taken for a proof",
    file: "sweep/open-file.ts",
    edits: [["lease !== undefined && context.isLeaseProof", "lease !== undefined"]],
    foundBy: [ASIDE, "a hint only"],
  },
  {
    name: "the lease is given up before the unlink",
    file: "sweep/removal.ts",
    edits: [
      ["    unlinkSync(aside.directory", "    lease?.release();\n    unlinkSync(aside.directory"],
    ],
    foundBy: [REMOVAL, "until it has no name"],
  },
  {
    name: "nobody listens when a lease breaks",
    file: "lib/leases.ts",
    edits: [['    process.on("SIGIO", this.#onSignal);', ""]],
    foundBy: [LEASES, "a lease"],
  },
  {
    name: "the writer goes on before the file has its name back",
    file: "lib/leases.ts",
    edits: [
      ["      try {\n        held", "      try {\n        releaseLease(held.fd);\n        held"],
    ],
    foundBy: [LEASES, "before the writer goes on"],
  },
  {
    name: "the writer waits for ever if the name cannot be given back",
    file: "lib/leases.ts",
    edits: [["        cause = error;\n", "        throw error;\n"]],
    foundBy: [LEASES, "whatever its action does"],
  },
  {
    name: "a lease is believed in without asking the kernel",
    file: "lib/leases.ts",
    edits: [["isMine() && holdsReadLease(fd)", "isMine()"]],
    foundBy: [LEASES, "before its signal"],
  },
  {
    name: "a breaking lease is taken for one that is held",
    file: "lib/kernel.ts",
    edits: [["fcntl(fd, F_GETLEASE, 0) === F_RDLCK", "fcntl(fd, F_GETLEASE, 0) >= 0"]],
    foundBy: [LEASES, "before its signal"],
  },
  {
    name: "a lease that breaks gives the file no name back",
    file: "sweep/removal.ts",
    edits: [["    lease?.setBeforeWriter(putBack);", ""]],
    foundBy: [REMOVAL, "has its name back when the writer goes on"],
  },
  {
    name: "the lease is not asked for before the rename",
    file: "sweep/removal.ts",
    edits: [
      [
        '    if (!isUnwritten(opened)) return kept("busy", key);\n    const found',
        "    const found",
      ],
    ],
    foundBy: [REMOVAL, "asks for the lease"],
  },
  {
    name: "the lease is not asked for after the wait",
    file: "sweep/removal.ts",
    edits: [["aside === undefined || !isUnwritten(opened)", "aside === undefined"]],
    foundBy: [REMOVAL, "asks for the lease"],
  },
  {
    name: "the lease is not asked for right before the unlink",
    file: "sweep/removal.ts",
    edits: [['    if (!isUnwritten(opened)) return kept("busy", key);\n    unlink', "    unlink"]],
    foundBy: [REMOVAL, "asks for the lease"],
  },
  {
    name: "the facts are not compared before the unlink",
    file: "sweep/removal.ts",
    edits: [["!isSameContent(now, fingerprint) || ", ""]],
    foundBy: [REMOVAL, "a fact changed during the upload"],
  },
  {
    name: "the number of names is not compared",
    file: "sweep/fingerprint.ts",
    edits: [["one.links === other.links", "true"]],
    foundBy: [REMOVAL, "a fact changed during the upload"],
  },
  {
    name: "the mtime is not compared",
    file: "sweep/fingerprint.ts",
    edits: [["one.mtimeNs === other.mtimeNs", "true"]],
    foundBy: [REMOVAL, "a fact changed during the upload"],
  },
  {
    name: "the size is not compared",
    file: "sweep/fingerprint.ts",
    edits: [["one.bytes === other.bytes", "true"]],
    foundBy: ["unit/sweep/fingerprint.test.ts", "each of them"],
  },
  {
    name: "the device is not compared",
    file: "sweep/fingerprint.ts",
    edits: [["one.device === other.device", "true"]],
    foundBy: ["unit/sweep/fingerprint.test.ts", "each of them"],
  },
  {
    name: "the name is not compared before the rename",
    file: "sweep/removal.ts",
    edits: [['found !== "it" || ', ""]],
    foundBy: [REMOVAL, "is not even renamed"],
  },
  {
    name: "what stands aside is not compared after the rename",
    file: "sweep/removal.ts",
    edits: [
      ['    if (whatIsAt(at.aside, fingerprint) !== "it") return kept("changed", key);\n', ""],
    ],
    foundBy: [REMOVAL, "at the last moment"],
  },
  {
    name: "what stands aside is compared at no time",
    file: "sweep/removal.ts",
    edits: [
      ['    if (whatIsAt(at.aside, fingerprint) !== "it") return kept("changed", key);\n', ""],
      [' || whatIsAt(aside, fingerprint) !== "it"', ""],
    ],
    foundBy: [REMOVAL, "at the last moment"],
  },
  {
    // The ctime alone tells as well, but where a tick of its clock is longer than this wait.
    name: "what stands aside is not compared before the unlink, nor its ctime",
    file: "sweep/removal.ts",
    edits: [
      [' || whatIsAt(aside, fingerprint) !== "it"', ""],
      ["now.ctimeNs !== ctimeNs", "false"],
    ],
    foundBy: [REMOVAL, "takes the place of what stands aside"],
  },
  {
    name: "the ctime is not compared while it stands aside",
    file: "sweep/removal.ts",
    edits: [["now.ctimeNs !== ctimeNs", "false"]],
    foundBy: [ASIDE, "stays, if"],
  },
  {
    name: "the way to the file is not compared",
    file: "sweep/removal.ts",
    edits: [[" || !home.directory.isInPlace()", ""]],
    foundBy: [TRANSFER, "during the upload reached through a link"],
  },
  {
    name: "there is no wait",
    file: "sweep/removal.ts",
    edits: [["  await clock.sleep(ASIDE_MS, signal);", ""]],
    foundBy: [ASIDE, "stays, if"],
  },
  {
    name: "what is kept stays aside",
    file: "sweep/removal.ts",
    edits: [["  } finally {\n    putBack();\n", "  } finally {\n"]],
    foundBy: [ASIDE, "stays, if"],
  },
  {
    name: "the bytes are not looked at again where a lease is no proof",
    file: "sweep/removal.ts",
    edits: [["opened.weakness !== undefined && !(await", "false && !(await"]],
    foundBy: [REMOVAL, "no lease tells"],
  },
  {
    name: "renames replace what has the name",
    file: "lib/kernel.ts",
    edits: [["RENAME_NOREPLACE = 1", "RENAME_NOREPLACE = 0"]],
    foundBy: [RESCUE, "whoever took its name"],
  },
  {
    name: "going aside replaces what has that name",
    file: "sweep/removal.ts",
    edits: [
      [
        "    move(home, aside);\n    return aside;",
        "    renameSync(home.directory.at(home.name), aside.directory.at(aside.name));\n    return aside;",
      ],
    ],
    foundBy: [REMOVAL, "never replaces anything"],
  },
  {
    name: "putting back replaces what has the name",
    file: "sweep/removal.ts",
    edits: [
      [
        "    move(aside, home);",
        "    renameSync(aside.directory.at(aside.name), home.directory.at(home.name));",
      ],
    ],
    foundBy: [REMOVAL, "never replaces anything"],
  },
  {
    name: "a name that only the ledger could tell goes aside without it",
    file: "sweep/removal.ts",
    edits: [["isTooLongForAside(home.name) && !isOnLedger", "false"]],
    foundBy: [REMOVAL, "too long"],
  },
  {
    name: "nobody watches over what has lost its name",
    file: "sweep/removal.ts",
    edits: [["...(await watchRemoved(opened, proof, context))", "wasOpenedLate: false"]],
    foundBy: [RESCUE, "is in a file of its name again"],
  },
  {
    name: "the lease is not held on to after the unlink",
    file: "sweep/rescue.ts",
    edits: [["  if (lease?.isHeld() !== false) await linger(lease, context);\n", ""]],
    foundBy: [RESCUE, "is in a file of its name again"],
  },
  {
    name: "one who comes while another one's writing is copied is not waited for",
    file: "sweep/rescue.ts",
    edits: [["const isLast = isWhole || ", "const isLast = copy !== undefined || isWhole || "]],
    foundBy: [RESCUE, "another one comes while"],
  },
  {
    name: "a lease that was given up takes the next one's of its descriptor",
    file: "lib/leases.ts",
    edits: [["        if (!isMine()) return;\n", ""]],
    foundBy: [LEASES, "is nobody's"],
  },
  {
    name: "what is saved is not waited for until its writer has closed it",
    file: "sweep/rescue.ts",
    edits: [['    if (wish?.kind !== "busy" && ', "    if ("]],
    foundBy: [RESCUE, "takes his time"],
  },
  {
    name: "what is saved takes its name by force",
    file: "sweep/rescue.ts",
    edits: [
      [
        "    renameExclusive({ fd, name: copy.name }, { fd, name });",
        '    const { renameSync } = await import("node:fs");\n    renameSync(directory.at(copy.name), directory.at(name), fd);',
      ],
    ],
    foundBy: [RESCUE, "whoever took its name"],
  },
  {
    name: "a copy of what is saved is not synced",
    file: "sweep/rescue.ts",
    edits: [["    await copy.sync();\n", ""]],
    foundBy: ["unit/lib/power-cut.test.ts", "what was saved"],
  },
  {
    name: "a file is opened through a link",
    file: "sweep/open-file.ts",
    edits: [["constants.O_RDONLY | constants.O_NOFOLLOW |", "constants.O_RDONLY |"]],
    foundBy: [TRANSFER, "a link is never followed"],
  },
  {
    name: "a FIFO is waited for",
    file: "sweep/open-file.ts",
    edits: [["constants.O_NOFOLLOW | constants.O_NONBLOCK;", "constants.O_NOFOLLOW;"]],
    foundBy: [TRANSFER, "a FIFO without a writer"],
  },
  {
    name: "the facts of the open file are not decided on",
    file: "sweep/transfer.ts",
    edits: [['  if (decision.action !== "transfer") return kept("changed", key);\n', ""]],
    foundBy: [TRANSFER, "young again"],
  },
];
