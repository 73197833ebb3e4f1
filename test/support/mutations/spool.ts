import type { Mutation } from "./mutation.ts";

const SPOOL = "unit/logs/spool.test.ts";
const DISK = "unit/logs/spool-disk.test.ts";
const OUTAGE = "unit/logs/spool-outage.test.ts";
const REFUSALS = "unit/logs/shipper-refusals.test.ts";

/** What keeps log records from being lost in silence, sent twice, or from filling memory and disk. */
export const SPOOL_MUTATIONS: readonly Mutation[] = [
  {
    name: "checksums of log records are ignored",
    file: "logs/segment.ts",
    edits: [
      ['if (line.toString("latin1", 0, 9) !==', "if (line.length < 9 && line.toString() !=="],
    ],
    foundBy: [SPOOL, "damaged segment only the damaged records"],
  },
  {
    name: "log records that are missing are not counted",
    file: "logs/spool-disk.ts",
    edits: [["          damaged += record.number - number;\n", ""]],
    foundBy: [SPOOL, "damaged segment only the damaged records"],
  },
  {
    name: "a missing segment is not counted",
    file: "logs/spool-disk.ts",
    edits: [
      ["      damaged += Math.max(0, segment.first - number);\n", ""],
      ["      damaged += Math.max(0, segment.end - number);\n", ""],
    ],
    foundBy: [SPOOL, "a segment that is missing"],
  },
  {
    name: "log records that were accepted are sent again after a restart",
    file: "logs/spool-disk.ts",
    edits: [["record.number >= number && ", ""]],
    foundBy: [SPOOL, "where the last accepted batch ended"],
  },
  {
    name: "log records of another segment are taken",
    file: "logs/spool-disk.ts",
    edits: [[" && record.number < segment.end", ""]],
    foundBy: [SPOOL, "with the numbers of others"],
  },
  {
    name: "an accepted batch is not written down",
    file: "logs/spool-disk.ts",
    edits: [["upTo.number);\n    await this.#saveCursor(false);\n", "upTo.number);\n"]],
    foundBy: [SPOOL, "where the last accepted batch ended"],
  },
  {
    name: "a segment is dropped without a word of it on disk",
    file: "logs/spool-disk.ts",
    edits: [
      [
        "    await this.#saveCursor(true);\n    await this.#remove(oldest);",
        "    await this.#remove(oldest);",
      ],
    ],
    foundBy: [SPOOL, "an earlier process has dropped"],
  },
  {
    name: "what was dropped on its way counts as lost though it arrived",
    file: "logs/spool-disk.ts",
    edits: [['    this.#losses.add("full", -this.#lentDropped);\n', ""]],
    foundBy: [SPOOL, "does not count as dropped what was under way"],
  },
  {
    name: "a segment of a newer agent is read, and deleted then",
    file: "logs/found-segments.ts",
    edits: [["header !== undefined && header.version > SEGMENT_VERSION", "header?.version === 0"]],
    foundBy: [SPOOL, "a segment of a newer version"],
  },
  {
    name: "anything with a segment's name is taken for one",
    file: "logs/found-segments.ts",
    edits: [["!stats.isFile() || ", ""]],
    foundBy: [SPOOL, "what is not its own"],
  },
  {
    name: "the cursor has one slot only",
    file: "logs/cursor.ts",
    edits: [["nth === this.#turn % SLOTS", "nth === 0"]],
    foundBy: [SPOOL, "in whichever slot"],
  },
  {
    name: "the cursor has no room of its own on a full disk",
    file: "logs/spool-disk.ts",
    edits: [["    // While there is room for it.\n    await spool.#saveCursor(false);\n", ""]],
    foundBy: [DISK, "on a disk without room"],
  },
  {
    name: "log records are written to a file that has no name any more",
    file: "logs/spool-disk.ts",
    edits: [["fits && (await current.hasName())", "fits"]],
    foundBy: [SPOOL, "still sends what was in it"],
  },
  {
    name: "log records take more of the disk than they may",
    file: "logs/spool-space.ts",
    edits: [["    await this.#dropTo(this.#limitBytes - bytes);\n", ""]],
    foundBy: [SPOOL, "takes no more than the limit"],
  },
  {
    name: "one spool takes the room of the other",
    file: "logs/spool-space.ts",
    edits: [["other.bytes - one.bytes", "one.bytes - other.bytes"]],
    foundBy: [SPOOL, "gives each of two spools its half"],
  },
  {
    name: "log records fill the disk",
    file: "logs/spool-space.ts",
    edits: [["< keepFree", "< 0"]],
    foundBy: [DISK, "leaves a tenth of it free"],
  },
  {
    name: "log records fill the memory",
    file: "logs/spool.ts",
    edits: [["    if (this.#memoryBytes > this.#memoryBytesMax) this.#dropFromMemory();\n", ""]],
    foundBy: [OUTAGE, "bounded memory where there is no disk"],
  },
  {
    name: "log records that are too old are sent",
    file: "logs/spool-disk.ts",
    edits: [["record.event.timestamp < oldBefore", "record.event.timestamp < 0"]],
    foundBy: [OUTAGE, "older than the service takes"],
  },
  {
    name: "log records that are too old are not counted",
    file: "logs/spool-disk.ts",
    edits: [['    this.#losses.add("old", upTo.old);\n', ""]],
    foundBy: [OUTAGE, "older than the service takes"],
  },
  {
    name: "one bad log record costs its batch",
    file: "logs/shipper.ts",
    edits: [["if (length > 1) {", "if (length > 10_000) {"]],
    foundBy: [REFUSALS, "costs the bad record only"],
  },
  {
    name: "a service that refuses everything costs the whole spool",
    file: "logs/shipper.ts",
    edits: [
      [
        'return this.#refusedInRow > REFUSED_IN_ROW_MAX ? trouble : "accepted"',
        'return "accepted"',
      ],
    ],
    foundBy: [REFUSALS, "the whole spool"],
  },
  {
    name: "a record of rejected records is the cause of the next one",
    file: "logs/shipper.ts",
    edits: [["(isHeard || !this.#isRejectionTold)", "sent > 0"]],
    foundBy: [REFUSALS, "counted and told once"],
  },
  {
    name: "a service that asks for patience is not heard",
    file: "logs/shipper.ts",
    edits: [["Math.max(backoffMs, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX))", "backoffMs"]],
    foundBy: [OUTAGE, "as long as the service asks"],
  },
  {
    name: "log records that another fleet's agent has left are sent",
    file: "logs/found-segments.ts",
    edits: [["header.owner !== ownerMark(owner)", "header.owner === ownerMark(owner).slice(1)"]],
    foundBy: ["unit/logs/spool-disturbed.test.ts", "dropped and counted"],
  },
  {
    name: "whoever sets the clock ahead makes all log records too old",
    file: "logs/spool.ts",
    edits: [["Math.min(clock.now(), this.#startedAt + clock.boottime())", "clock.now()"]],
    foundBy: [OUTAGE, "a month ahead by mistake"],
  },
  {
    name: "a batch of log records that took too long is sent again as it is",
    file: "logs/shipper.ts",
    edits: [["if (answer.isTimeout === true)", "if (answer.isTimeout === undefined)"]],
    foundBy: [OUTAGE, "too slow for a whole batch"],
  },
];
