// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

export type AlarmState = "OK" | "ALARM" | "INSUFFICIENT_DATA";

export type MissingData = "missing" | "ignore" | "breaching" | "notBreaching";

export interface Judgement {
  /** The evaluation range, oldest first: is it breaching; undefined: no data. */
  readonly range: readonly (boolean | undefined)[];
  /** N: so many of them are needed. */
  readonly evaluationPeriods: number;
  /** M: so many of those must be breaching. */
  readonly datapointsToAlarm: number;
  readonly treatMissingData: MissingData;
  readonly state: AlarmState;
}

/**
 * More data points are looked at than are needed, in case that some are missing. How many is not
 * said; the page's examples have 5 for 3.
 */
export const EXTRA_PERIODS = 2;

/**
 * The state of an alarm by the page's rules:
 *
 * - With N real points in the range, the newest N decide, and how missing data is treated does not
 *   matter.
 * - With fewer, all of them count, and the missing ones are filled in, as few as possible.
 * - `missing`, and only breaching points: in ALARM if the oldest of them is M periods old, as the
 *   others may be breaching too; else it is not known yet ("premature alarm state").
 */
export function judge(judgement: Judgement): AlarmState {
  const { range, evaluationPeriods, datapointsToAlarm, treatMissingData, state } = judgement;
  const real = range.filter((isBreaching) => isBreaching !== undefined);
  const newest = real.slice(-evaluationPeriods);
  const breaching = newest.filter(Boolean).length;
  const isOver = (count: number): AlarmState => (count >= datapointsToAlarm ? "ALARM" : "OK");
  const filled = evaluationPeriods - newest.length;
  if (filled <= 0 || treatMissingData === "notBreaching") return isOver(breaching);
  if (treatMissingData === "breaching") return isOver(breaching + filled);
  if (breaching >= datapointsToAlarm) return "ALARM";
  if (breaching < newest.length) return "OK";
  if (treatMissingData === "ignore") return state;
  const age = range.length - range.indexOf(true);
  return breaching > 0 && age >= datapointsToAlarm ? "ALARM" : "INSUFFICIENT_DATA";
}

const COMPARISONS: Readonly<Record<string, (value: number, threshold: number) => boolean>> = {
  GreaterThanThreshold: (value, threshold) => value > threshold,
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
};

/** Whether a value is on the wrong side of the threshold; undefined: there is no value. */
export function breaches(
  value: number | undefined,
  operator: string,
  threshold: number,
): boolean | undefined {
  const compare = COMPARISONS[operator];
  if (compare === undefined) throw new Error(`unknown comparison ${operator}`);
  return value === undefined ? undefined : compare(value, threshold);
}
