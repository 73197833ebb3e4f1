import { EVENT_NAMES, eventRule } from "../../src/logs/events.ts";
import type { ResolvedResource } from "../infra/resolve.ts";

/** What of the stack is paid for, whatever hosts there are. */
export interface StackCounts {
  /** Metrics of standard alarms; one that computes with several has as many. */
  readonly alarmMetrics: number;
  readonly compositeAlarms: number;
  readonly dashboards: number;
  /** Queries of log alarms in a month, and over how many hours of the state's log each goes. */
  readonly logAlarms: readonly { readonly runsPerMonth: number; readonly hours: number }[];
  /** Metrics that metric filters make. */
  readonly filterMetrics: number;
}

/** The custom metrics of a fleet: names by their dimensions, as the tables of events have them. */
export function declaredMetrics(): { readonly ofFleet: number; readonly ofRoute: number } {
  const sets = EVENT_NAMES.flatMap((name) => eventRule(name)?.metrics ?? []);
  const names = (by: string) => {
    const fitting = sets.filter(({ dimensions }) => dimensions.some((set) => set.join() === by));
    return new Set(fitting.flatMap((set) => set.names)).size;
  };
  return { ofFleet: names("Fleet"), ofRoute: names("Fleet,Route") };
}

/** A cohort is stable or canary. */
const COHORTS = 2;
const MONTH_MINUTES = 730 * 60;

/** Counts the resources of a stack. @throws Error about a log alarm that it does not understand */
export function countStack(resources: readonly ResolvedResource[]): StackCounts {
  const ofType = (type: string) => resources.filter((one) => one.type === type);
  return {
    alarmMetrics: ofType("AWS::CloudWatch::Alarm")
      .map(({ properties }) => JSON.stringify(properties["Metrics"] ?? "").split('"MetricStat"'))
      .reduce((sum, parts) => sum + Math.max(1, parts.length - 1), 0),
    compositeAlarms: ofType("AWS::CloudWatch::CompositeAlarm").length,
    dashboards: ofType("AWS::CloudWatch::Dashboard").length,
    logAlarms: ofType("AWS::CloudWatch::LogAlarm").map(({ properties }) => {
      const text = JSON.stringify(properties["ScheduledQueryConfiguration"]);
      const minutes = /"rate\((\d+) minutes?\)"/.exec(text)?.[1];
      const seconds = /"StartTimeOffset":(\d+)/.exec(text)?.[1];
      if (minutes === undefined || seconds === undefined) throw new Error(`log alarm ${text}`);
      return { runsPerMonth: MONTH_MINUTES / Number(minutes), hours: Number(seconds) / 3_600 };
    }),
    filterMetrics: ofType("AWS::Logs::MetricFilter")
      .map(({ properties }) => JSON.stringify(properties["MetricTransformations"]))
      .reduce((sum, text) => sum + (text.includes('"Dimensions"') ? COHORTS : 1), 0),
  };
}
