import { parametersOf } from "./parameters.ts";
import { asList, asMap, type Template, type Value, type ValueMap } from "./template.ts";

/** What a stack is deployed with and into. */
export interface Place {
  readonly stackName: string;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
  /** What `Ref` gives of a resource: its name or ARN. */
  readonly physicalId: (logicalId: string) => string;
  /** What `Fn::GetAtt` gives of a resource. */
  readonly attribute: (logicalId: string, name: string) => string;
}

export interface ResolvedResource {
  /** Its name in the template. */
  readonly id: string;
  readonly type: string;
  readonly properties: ValueMap;
}

/** A template with its parameters filled in and its conditions decided. */
export interface ResolvedStack {
  readonly parameters: Readonly<Record<string, Value>>;
  readonly conditions: Readonly<Record<string, boolean>>;
  /** The resources that the stack makes, by logical id. */
  readonly resources: Readonly<Record<string, ResolvedResource>>;
  readonly outputs: Readonly<Record<string, Value>>;
}

/**
 * Does what CloudFormation does with a template before it calls the services: checks the
 * parameters and the rules, decides the conditions and works out the intrinsic functions.
 * @param given the parameters that are not left to their defaults
 * @throws Error naming every parameter and rule that is not kept, or a function that is unknown here
 */
export function resolveTemplate(
  template: Template,
  given: Readonly<Record<string, string>>,
  place: Place,
): ResolvedStack {
  const parameters = parametersOf(template, given);
  const resolver = new Resolver(template, parameters, place);
  const broken = Object.values(template.Rules).flatMap((rule) =>
    rule.RuleCondition !== undefined && !resolver.decide(rule.RuleCondition)
      ? []
      : rule.Assertions.filter(({ Assert }) => !resolver.decide(Assert)),
  );
  if (broken.length > 0) {
    throw new Error(broken.map(({ AssertDescription }) => AssertDescription).join("\n"));
  }
  const isMade = ({ Condition }: { readonly Condition?: string }) =>
    Condition === undefined || resolver.condition(Condition);
  const resources = Object.entries(template.Resources).filter(([, one]) => isMade(one));
  const outputs = Object.entries(template.Outputs).filter(([, one]) => isMade(one));
  const names = Object.keys(template.Conditions);
  return {
    parameters,
    conditions: Object.fromEntries(names.map((name) => [name, resolver.condition(name)])),
    resources: Object.fromEntries(
      resources.map(([id, { Type, Properties = {} }]) => [
        id,
        { id, type: Type, properties: asMap(resolver.value(Properties) ?? {}) },
      ]),
    ),
    outputs: Object.fromEntries(
      outputs.map(([id, { Value: value }]) => [id, resolver.value(value) ?? ""]),
    ),
  };
}

/** Stands for a property that is left out: `AWS::NoValue`. */
const NOTHING = undefined;

class Resolver {
  readonly #template: Template;
  readonly #parameters: Readonly<Record<string, Value>>;
  readonly #place: Place;

  constructor(template: Template, parameters: Readonly<Record<string, Value>>, place: Place) {
    this.#template = template;
    this.#parameters = parameters;
    this.#place = place;
  }

  condition(name: string): boolean {
    const condition = this.#template.Conditions[name];
    if (condition === undefined) throw new Error(`there is no condition ${name}`);
    return this.decide(condition);
  }

  /** The truth of a condition or of a rule's assertion. */
  decide(test: Value): boolean {
    const [name, argument] = functionOf(test);
    const all = () => asList(argument);
    switch (name) {
      case "Condition":
        return this.condition(String(argument));
      case "Fn::Not":
        return !all().every((one) => this.decide(one));
      case "Fn::And":
        return all().every((one) => this.decide(one));
      case "Fn::Or":
        return all().some((one) => this.decide(one));
      case "Fn::Equals": {
        const [left, right] = all().map((one) => this.value(one));
        return String(left) === String(right);
      }
      case "Fn::Contains": {
        const [texts = [], text] = all().map((one) => this.value(one));
        return asList(texts).map(String).includes(String(text));
      }
      default:
        throw new Error(`unknown in a condition: ${JSON.stringify(test)}`);
    }
  }

  /** A value without its functions, or `NOTHING`. */
  value(value: Value): Value | undefined {
    if (Array.isArray(value)) {
      return value.map((one: Value) => this.value(one)).filter((one) => one !== NOTHING);
    }
    if (typeof value !== "object" || value === null) return value;
    const [name, argument] = functionOf(value);
    if (name === "Ref") return this.#ref(String(argument));
    if (name?.startsWith("Fn::") && argument !== undefined) return this.#call(name, argument);
    const members = Object.entries(value).map(([key, one]) => [key, this.value(one)] as const);
    const present = members.filter((member): member is [string, Value] => member[1] !== NOTHING);
    return Object.fromEntries(present);
  }

  #call(name: string, argument: Value): Value | undefined {
    const all = () => asList(argument);
    switch (name) {
      case "Fn::If": {
        const [condition, yes = null, no = null] = all();
        return this.value(this.condition(String(condition)) ? yes : no);
      }
      case "Fn::GetAtt": {
        const [id, attribute] = all();
        return this.#place.attribute(String(id), String(attribute));
      }
      case "Fn::Sub":
        return this.#substitute(argument);
      case "Fn::Join": {
        const [separator, parts = []] = all();
        return asList(this.value(parts) ?? [])
          .map(String)
          .join(String(separator));
      }
      case "Fn::Split": {
        const [separator, text = ""] = all();
        return String(this.value(text)).split(String(separator));
      }
      case "Fn::Select": {
        const [index, list = []] = all();
        return asList(this.value(list) ?? [])[Number(index)];
      }
      default:
        throw new Error(`${name} is unknown here: add it to tools/infra/resolve.ts`);
    }
  }

  #substitute(argument: Value): string {
    const [text, own = {}] = Array.isArray(argument) ? argument : [argument];
    const values = asMap(this.value(own) ?? {});
    return String(text).replace(/\$\{(!?)([^}]*)\}/g, (_, literal: string, name: string) => {
      if (literal === "!") return `\${${name}}`;
      if (Object.hasOwn(values, name)) return String(values[name]);
      const dot = name.indexOf(".");
      if (dot < 0) return String(this.#ref(name));
      return this.#place.attribute(name.slice(0, dot), name.slice(dot + 1));
    });
  }

  #ref(name: string): Value | undefined {
    const { stackName, region, account, physicalId } = this.#place;
    const known: Readonly<Record<string, Value | undefined>> = {
      ...this.#parameters,
      "AWS::AccountId": account,
      "AWS::NoValue": NOTHING,
      "AWS::Partition": "aws",
      "AWS::Region": region,
      "AWS::StackName": stackName,
      "AWS::URLSuffix": "amazonaws.com",
    };
    if (Object.hasOwn(known, name)) return known[name];
    if (!Object.hasOwn(this.#template.Resources, name)) throw new Error(`there is no ${name}`);
    return physicalId(name);
  }
}

/** The name and the argument of a value that is nothing but a function's call. */
function functionOf(value: Value): readonly [string | undefined, Value | undefined] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [undefined, ""];
  const entries = Object.entries(value);
  return entries.length === 1 && entries[0] !== undefined ? entries[0] : [undefined, undefined];
}
