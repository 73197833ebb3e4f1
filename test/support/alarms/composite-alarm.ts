import type { ResolvedResource } from "../../../tools/infra/resolve.ts";
import type { AlarmState } from "./alarm-state.ts";

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
const RULE_LENGTH_MAX = 10_240;
const CHILDREN_MAX = 100;

/** An `AWS::CloudWatch::CompositeAlarm`: a rule over the states of other alarms. */
export class CompositeAlarm {
  readonly id: string;
  readonly name: string;
  readonly #rule: string;
  state: AlarmState = "INSUFFICIENT_DATA";

  /** @throws Error if CloudWatch would refuse it */
  constructor({ id, properties }: ResolvedResource) {
    this.id = id;
    this.name = String(properties["AlarmName"]);
    this.#rule = String(properties["AlarmRule"]);
    if (this.#rule.length > RULE_LENGTH_MAX) throw new Error(`${id}: long rule`);
    const children = new Set(this.#rule.match(/\("[^"]*"\)/g));
    if (children.size > CHILDREN_MAX) throw new Error(`${id}: too many alarms`);
  }

  /** @param states of all other alarms, by name */
  evaluate(states: ReadonlyMap<string, AlarmState>): void {
    this.state = isTrue(this.#rule, states) ? "ALARM" : "OK";
  }
}

/**
 * The rule's value: `ALARM("name")`, `OK(…)`, `INSUFFICIENT_DATA(…)`, `TRUE`, `FALSE`, `NOT`, `AND`,
 * `OR` and parentheses. `AND` binds closer than `OR`.
 * @throws Error about an alarm that is not there, or what it does not know
 */
export function isTrue(rule: string, states: ReadonlyMap<string, AlarmState>): boolean {
  const tokens = rule.match(/"[^"]*"|[A-Za-z_]+|[()]|\S/g) ?? [];
  const take = (wanted: string): void => {
    const token = tokens.shift();
    if (token !== wanted) throw new Error(`expected ${wanted}, found ${token}`);
  };
  const atom = (): boolean => {
    const token = tokens.shift() ?? "";
    if (token === "NOT") return !atom();
    if (token === "TRUE" || token === "FALSE") return token === "TRUE";
    if (token === "(") {
      const value = either();
      take(")");
      return value;
    }
    if (!["ALARM", "OK", "INSUFFICIENT_DATA"].includes(token)) {
      throw new Error(`unexpected ${token}`);
    }
    take("(");
    const name = (tokens.shift() ?? "").replaceAll('"', "");
    take(")");
    const state = states.get(name);
    if (state === undefined) throw new Error(`no alarm ${name}`);
    return state === token;
  };
  const both = (): boolean => {
    let value = atom();
    while (tokens[0] === "AND") {
      tokens.shift();
      value = atom() && value;
    }
    return value;
  };
  const either = (): boolean => {
    let value = both();
    while (tokens[0] === "OR") {
      tokens.shift();
      value = both() || value;
    }
    return value;
  };
  const value = either();
  if (tokens.length > 0) throw new Error(`unexpected ${tokens.join(" ")}`);
  return value;
}
