/**
 * A heartbeat, as far as an operator is told of it. What a version of the agent does not say is
 * undefined; texts that are times are ISO 8601.
 */
export interface Heartbeat {
  readonly version: string;
  readonly cohort: "stable" | "canary";
  /** Of the configuration in effect, see `configHash`. */
  readonly configHash: string;
  /** Of the parameters that the host read last. */
  readonly desiredHash: string;
  /** Why it refused them. */
  readonly refusal: string | undefined;
  readonly configReadAt: number | undefined;
  /** Why it could not read them when it tried last. */
  readonly unreachable: string | undefined;
  /** Of the last completed sweep of all routes. Wall-clock milliseconds. */
  readonly lastSweepAt: number | undefined;
  /** No sweep of some route has been completed since the last but one due time. */
  readonly isLate: boolean;
  /** Why the last sweep could not be done. */
  readonly sweepFailure: string | undefined;
  readonly filesWaiting: number;
  readonly filesFailed: number;
  /** Set aside in the last sweeps. */
  readonly filesQuarantined: number;
  readonly filesInQuarantine: number;
  readonly filesUndeletable: number;
  readonly backlogFiles: number;
  readonly backlogBytes: number;
  readonly oldestSettledAgeSeconds: number;
  readonly refreshIntervalSeconds: number | undefined;
  readonly credentialsSource: string | undefined;
  readonly credentialsExpireAt: number | undefined;
  /** Why others could not be read. */
  readonly credentialsFailure: string | undefined;
}

/**
 * Reads a heartbeat record. It is taken as it is: whoever may write to the log group may write
 * anything, so members of a wrong type count as missing.
 * @returns undefined if the line is no record at all
 */
export function parseHeartbeat(line: string): Heartbeat | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) return undefined;
  const members = new Map<string, unknown>(Object.entries(record));
  const text = (name: string): string | undefined => {
    const value = members.get(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const number = (name: string): number | undefined => {
    const value = members.get(name);
    return typeof value === "number" && Number.isFinite(value) ? value : undefined;
  };
  const time = (name: string): number | undefined => {
    const ms = Date.parse(text(name) ?? "");
    return Number.isNaN(ms) ? undefined : ms;
  };
  const configHash = text("configHash") ?? "";
  return {
    version: text("version") ?? "",
    cohort: text("cohort") === "canary" ? "canary" : "stable",
    configHash,
    desiredHash: text("desiredHash") ?? configHash,
    refusal: text("refusal"),
    configReadAt: time("configReadAt"),
    unreachable: text("unreachable"),
    lastSweepAt: time("lastSweepAt"),
    isLate: members.get("isLate") === true,
    sweepFailure: text("sweepFailure"),
    filesWaiting: number("filesWaiting") ?? 0,
    filesFailed: number("filesFailed") ?? 0,
    filesQuarantined: number("filesQuarantined") ?? 0,
    filesInQuarantine: number("filesInQuarantine") ?? 0,
    filesUndeletable: number("filesUndeletable") ?? 0,
    backlogFiles: number("backlogFiles") ?? 0,
    backlogBytes: number("backlogBytes") ?? 0,
    oldestSettledAgeSeconds: number("oldestSettledAgeSeconds") ?? 0,
    refreshIntervalSeconds: number("refreshIntervalSeconds"),
    credentialsSource: text("credentialsSource"),
    credentialsExpireAt: time("credentialsExpireAt"),
    credentialsFailure: text("credentialsFailure"),
  };
}
