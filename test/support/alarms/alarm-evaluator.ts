import {
  type LogRecord,
  MetricPoints,
  MINUTE_MS,
} from "../../../tools/cloudwatch/metric-points.ts";
import { madeUpResources } from "../../../tools/infra/made-up.ts";
import type { ResolvedResource } from "../../../tools/infra/resolve.ts";
import { readTemplate } from "../../../tools/infra/template.ts";
import type { AlarmState } from "./alarm-state.ts";
import { CompositeAlarm } from "./composite-alarm.ts";
import { LogAlarm } from "./log-alarm.ts";
import { MetricAlarm } from "./metric-alarm.ts";

/** An alarm goes to a state. */
export interface Change {
  readonly at: number;
  /** Logical id of the alarm. */
  readonly alarm: string;
  readonly state: AlarmState;
  /** Of a log alarm: who is in ALARM, such as hosts. */
  readonly contributors: readonly string[];
}

/** What alarms did over a time. */
export interface AlarmHistory {
  readonly changes: readonly Change[];
  /** The logical ids of all that were ever in ALARM, in the order in which they went there. */
  readonly fired: readonly string[];
  /** The state at a moment. */
  stateAt(alarm: string, at: number): AlarmState;
}

/**
 * CloudWatch, as far as a template's alarms need it: takes the records that hosts wrote, makes the
 * metrics of them, and evaluates every alarm at the end of each minute. What it does not model:
 * that CloudWatch itself is late or down, and actions.
 */
export class AlarmEvaluator {
  readonly alarms: readonly (MetricAlarm | LogAlarm)[];
  readonly #composites: readonly CompositeAlarm[];

  /** @throws Error if CloudWatch would refuse an alarm */
  constructor(resources: readonly ResolvedResource[]) {
    this.alarms = resources.flatMap((resource) => {
      if (resource.type === "AWS::CloudWatch::Alarm") return new MetricAlarm(resource);
      return resource.type === "AWS::CloudWatch::LogAlarm" ? new LogAlarm(resource) : [];
    });
    this.#composites = resources.flatMap((resource) => {
      return resource.type === "AWS::CloudWatch::CompositeAlarm"
        ? new CompositeAlarm(resource)
        : [];
    });
  }

  /**
   * @param parameters of the stack
   * @throws Error if the template or an alarm is wrong
   */
  static of(template: string, parameters: Readonly<Record<string, string>>): AlarmEvaluator {
    return new AlarmEvaluator(madeUpResources(readTemplate(template), parameters));
  }

  /** Plays a time. @param records in any order @param from whole minutes, as `to` */
  play(
    records: readonly LogRecord[],
    { from, to }: { readonly from: number; readonly to: number },
  ): AlarmHistory {
    const points = new MetricPoints();
    const arrivals = records
      .map((record) => ({ record, at: record.arrivedAt ?? record.at }))
      .sort((one, other) => one.at - other.at);
    const arrived: LogRecord[] = [];
    const changes: Change[] = [];
    let next = 0;
    for (let now = from; now <= to; now += MINUTE_MS) {
      for (; (arrivals[next]?.at ?? to + 1) < now; next += 1) {
        const { record } = arrivals[next] as { record: LogRecord };
        points.add(record);
        arrived.push(record);
      }
      changes.push(...this.#evaluate(points, arrived, now));
    }
    return historyOf(changes);
  }

  #evaluate(points: MetricPoints, arrived: readonly LogRecord[], now: number): readonly Change[] {
    const changes: Change[] = [];
    const watch = (alarm: MetricAlarm | LogAlarm | CompositeAlarm, evaluate: () => void): void => {
      const of = () => (alarm instanceof LogAlarm ? alarm.inAlarm : []);
      const before = `${alarm.state} ${of()}`;
      evaluate();
      const { id, state } = alarm;
      if (`${state} ${of()}` !== before) {
        changes.push({ at: now, alarm: id, state, contributors: of() });
      }
    };
    for (const alarm of this.alarms) {
      watch(alarm, () => {
        if (alarm instanceof LogAlarm) alarm.evaluate(arrived, now);
        else alarm.evaluate(points, now);
      });
    }
    const states = new Map(this.alarms.map(({ name, state }) => [name, state]));
    for (const composite of this.#composites) watch(composite, () => composite.evaluate(states));
    return changes;
  }
}

function historyOf(changes: readonly Change[]): AlarmHistory {
  const fired = changes.filter(({ state }) => state === "ALARM").map(({ alarm }) => alarm);
  return {
    changes,
    fired: [...new Set(fired)],
    stateAt: (alarm, at) => {
      const before = changes.filter((change) => change.alarm === alarm && change.at <= at);
      return before.at(-1)?.state ?? "INSUFFICIENT_DATA";
    },
  };
}
