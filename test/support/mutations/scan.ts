import type { Mutation } from "./mutation.ts";

const DECIDE = "unit/sweep/decide.test.ts";
const SCAN = "unit/sweep/scan.test.ts";
const CLOCK = "unit/lib/steady-clock-safety.test.ts";
const DIRECTORY = "unit/sweep/directory-safety.test.ts";
const WATCHED = "unit/sweep/watched-directory.test.ts";
const LEFTOVERS = "unit/sweep/leftovers-safety.test.ts";
const QUARANTINE = "unit/sweep/quarantine-safety.test.ts";

/** What finds the files and decides on them, and what gives back or sets aside. */
export const SCAN_MUTATIONS: readonly Mutation[] = [
  {
    name: "the settle age is that of the mtime only",
    file: "sweep/decide.ts",
    edits: [["mtimeNs > ctimeNs ? mtimeNs : ctimeNs", "mtimeNs ?? ctimeNs"]],
    foundBy: [DECIDE, "decide"],
  },
  {
    name: "the settle age is that of the ctime only",
    file: "sweep/decide.ts",
    edits: [["mtimeNs > ctimeNs ? mtimeNs : ctimeNs", "ctimeNs ?? mtimeNs"]],
    foundBy: [DECIDE, "decide"],
  },
  {
    name: "young files are taken",
    file: "sweep/decide.ts",
    edits: [["now < settledAt", "false"]],
    // The property would shrink its counter-example for long.
    foundBy: [DECIDE, "one millisecond less"],
  },
  {
    name: "files of the future are taken",
    file: "sweep/decide.ts",
    edits: [
      ["changedAtMs > now", "false"],
      ["now < settledAt", "changedAtMs <= now && now < settledAt"],
    ],
    foundBy: [DECIDE, "decide"],
  },
  {
    name: "a clock that was set is trusted",
    file: "sweep/decide.ts",
    edits: [["now < provedAt", "false"]],
    foundBy: [DECIDE, "trusts no age"],
  },
  {
    name: "a try that is not due is made",
    file: "sweep/decide.ts",
    edits: [["now < failedBefore.dueAt", "false"]],
    foundBy: [DECIDE, "defers what failed"],
  },
  {
    name: "names of removed but open files are taken",
    file: "sweep/decide.ts",
    edits: [["RESERVED_NAME.test(path)", "false"]],
    foundBy: [DECIDE, "decide"],
  },
  {
    name: "the clock never notices a jump",
    file: "lib/steady-clock.ts",
    edits: [["> OFFSET_TOLERANCE_MS) {", "> Number.POSITIVE_INFINITY) {"]],
    foundBy: [CLOCK, "jumps"],
  },
  {
    name: "the clock believes in what was known in another boot",
    file: "lib/steady-clock.ts",
    edits: [["anchor?.bootId === bootId", "anchor !== undefined"]],
    foundBy: [CLOCK, "another boot"],
  },
  // Not listed: an anchor whose offset is not compared. The next look at the clocks compares it.
  {
    name: "the clock believes in a steady time that is yet to come",
    file: "lib/steady-clock.ts",
    edits: [["anchor.steadySinceBootMs <= bootMs", "true"]],
    foundBy: [CLOCK, "yet to come"],
  },
  {
    name: "links are followed by the scan",
    file: "sweep/scan.ts",
    edits: [['import { lstat } from "node:fs', 'import { stat as lstat } from "node:fs']],
    foundBy: [SCAN, "tells links"],
  },
  {
    name: "a directory is opened through a link",
    file: "sweep/directory.ts",
    edits: [["constants.O_DIRECTORY | constants.O_NOFOLLOW", "constants.O_DIRECTORY"]],
    foundBy: [DIRECTORY, "through a link"],
  },
  {
    name: "another mount is entered",
    file: "sweep/directory.ts",
    edits: [["mountId !== this.#mountId", "false"]],
    foundBy: [SCAN, "another filesystem"],
  },
  {
    name: "a directory that is kept open is not looked at again",
    file: "sweep/directory.ts",
    edits: [["    if (!isInPlace(cached)) {", "    if (cached === undefined) {"]],
    foundBy: [DIRECTORY, "another one"],
  },
  {
    name: "the watched directory is opened through a link",
    file: "sweep/watched-directory.ts",
    edits: [["constants.O_DIRECTORY | constants.O_NOFOLLOW", "constants.O_DIRECTORY"]],
    foundBy: [WATCHED, "swapped for a link"],
  },
  {
    name: "the watched directory is not locked",
    file: "sweep/watched-directory.ts",
    edits: [["!options.isReadOnly && !tryLock(file.fd)", "false"]],
    foundBy: [WATCHED, "one at a time"],
  },
  {
    name: "any directory may be watched",
    file: "sweep/watched-directory.ts",
    edits: [["  await assertAllowed(path, asked, options);\n", ""]],
    foundBy: [WATCHED, "is outside of"],
  },
  {
    name: "a file of this agent's that stands aside is taken for a leftover",
    file: "sweep/leftovers.ts",
    edits: [["context.asides.active.has(activeKey(name))", "activeKey(name) === undefined"]],
    foundBy: [LEFTOVERS, "has it stand aside at the moment"],
  },
  {
    name: "a leftover is removed instead of given its name back",
    file: "sweep/leftovers.ts",
    edits: [
      [
        "      renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });",
        '      await (await import("node:fs/promises")).unlink(home.at(from.name));',
      ],
    ],
    foundBy: [LEFTOVERS, "its name back"],
  },
  {
    name: "a leftover takes its name by force",
    file: "sweep/leftovers.ts",
    edits: [
      [
        "      renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });",
        '      await (await import("node:fs/promises")).rename(home.at(from.name), target.at(to.name));',
      ],
    ],
    foundBy: [LEFTOVERS, "whoever took its name"],
  },
  {
    name: "the quarantine replaces what is there",
    file: "sweep/quarantine.ts",
    edits: [
      [
        "    renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });\n    const stats",
        '    await (await import("node:fs/promises")).rename(home.at(from.name), target.at(to.name));\n    const stats',
      ],
    ],
    foundBy: [QUARANTINE, "replaces nothing that is there"],
  },
  {
    name: "what comes out of quarantine replaces what has its name",
    file: "sweep/quarantine.ts",
    edits: [
      [
        "    renameExclusive({ fd: home.fd, name: from.name }, { fd: target.fd, name: to.name });\n  } catch",
        '    await (await import("node:fs/promises")).rename(home.at(from.name), target.at(to.name));\n  } catch',
      ],
    ],
    foundBy: [QUARANTINE, "replaces nothing that is there"],
  },
  {
    name: "a file that has changed since it failed is set aside",
    file: "sweep/quarantine.ts",
    edits: [["!isSameContent(now, entry.fingerprint)", "false"]],
    foundBy: [QUARANTINE, "has changed since"],
  },
  {
    name: "files are set aside although nothing succeeds",
    file: "sweep/sweep.ts",
    edits: [["this.#tally.filesRemoved === 0", "false"]],
    foundBy: [QUARANTINE, "nothing else goes"],
  },
  {
    name: "a quarantined file that was mended stays there",
    file: "sweep/attempts.ts",
    edits: [["attempt?.state === stateOf(entry)", "attempt !== undefined"]],
    foundBy: [QUARANTINE, "was mended"],
  },
  {
    name: "a file that fails is tried again at once, whenever it failed",
    file: "sweep/attempts.ts",
    edits: [["failures === 1 ? 0 : Math.min(BACKOFF_CAP_MS, doubled)", "0"]],
    foundBy: [QUARANTINE, "a pause that doubles"],
  },
];
