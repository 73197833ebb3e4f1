/** One file that the producer closed. */
export interface Written {
  readonly name: string;
  /** Of its bytes, in hexadecimal, as the producer computed it. */
  readonly sha256: string;
}

export interface Evidence {
  readonly written: readonly Written[];
  /** SHA-256 of each object's bytes, read back, by key. */
  readonly objects: ReadonlyMap<string, string>;
  /** Names still in the watched directory. */
  readonly onDisk: readonly string[];
  /** Records read back from CloudWatch Logs. */
  readonly fileRecords: readonly Record<string, unknown>[];
  readonly stateRecords: readonly Record<string, unknown>[];
  readonly secondPrefix: string;
  readonly agentExitCode: number;
}

/** A row of the table at the end: what, how many, and how many it must be. */
export interface Row {
  readonly what: string;
  readonly count: number;
  /** Undefined: any number will do. */
  readonly expected: number | undefined;
}

/** Counts, independently of what the agent says of itself. */
export function judge(evidence: Evidence): readonly Row[] {
  const { written, objects, onDisk, fileRecords, stateRecords } = evidence;
  const stored = new Set(objects.values());
  const inBucket = written.filter(({ sha256 }) => stored.has(sha256));
  const lost = written.filter(({ name, sha256 }) => !stored.has(sha256) && !onDisk.includes(name));
  const told = fileRecords.filter(({ event }) => event === "file.removed");
  const metrics = stateRecords.filter((record) => "_aws" in record);
  const second = [...objects.keys()].filter((key) => key.startsWith(evidence.secondPrefix));
  return [
    { what: "files written", count: written.length, expected: undefined },
    { what: "in the bucket, same bytes", count: inBucket.length, expected: written.length },
    { what: "left on disk", count: onDisk.length, expected: 0 },
    { what: "objects nobody wrote", count: objects.size - inBucket.length, expected: 0 },
    {
      what: "keys below the new prefix",
      count: second.length,
      expected: Math.max(1, second.length),
    },
    { what: "file.removed in CloudWatch Logs", count: told.length, expected: written.length },
    {
      what: "records with metrics in the logs",
      count: metrics.length,
      expected: Math.max(1, metrics.length),
    },
    { what: "daemon's exit code", count: evidence.agentExitCode, expected: 0 },
    { what: "lost", count: lost.length, expected: 0 },
  ];
}

/** The table as text, a row a line, `lost: N` last. */
export function tableOf(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length)) + 1;
  return rows
    .map(({ what, count, expected }) => {
      const isWrong = expected !== undefined && expected !== count;
      return `  ${`${what}:`.padEnd(width)} ${count}${isWrong ? `   <- must be ${expected}` : ""}\n`;
    })
    .join("");
}

/** Whether every row is as it must be. */
export function addsUp(rows: readonly Row[]): boolean {
  return rows.every(({ count, expected }) => expected === undefined || count === expected);
}
