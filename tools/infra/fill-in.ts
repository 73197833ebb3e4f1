import type { ResolvedStack } from "./resolve.ts";
import type { Template, Value, ValueMap } from "./template.ts";

/**
 * The body of a template for the CloudFormation of moto, which falls short of AWS's in three ways:
 *
 * - In a list it keeps what `AWS::NoValue` leaves out. So `Fn::If` is decided here.
 * - It knows no names and attributes of resources that it skips, and fails. So they are filled in.
 * - What a substitution brings in, it substitutes again. So texts are brought in here, escaped.
 *
 * All else it works out by itself: parameters, references, substitutions.
 * @param stack the template's conditions, decided
 * @param skipped what stands for a resource that it skips; undefined for the others
 * @returns JSON, which CloudFormation takes as well
 */
export function bodyForLocalAws(
  template: Template,
  stack: Pick<ResolvedStack, "conditions">,
  skipped: (logicalId: string) => Skipped | undefined,
): string {
  const walk = (value: Value): Value | undefined => {
    if (Array.isArray(value)) return value.map(walk).filter((one) => one !== undefined);
    if (typeof value !== "object" || value === null) return value;
    const { Ref, "Fn::If": choice, "Fn::GetAtt": attribute, "Fn::Sub": text } = value as Functions;
    if (Ref === "AWS::NoValue") return undefined;
    if (Ref !== undefined) return skipped(Ref)?.physicalId ?? value;
    if (choice !== undefined) return walk(stack.conditions[choice[0]] ? choice[1] : choice[2]);
    if (attribute !== undefined) return skipped(attribute[0])?.attribute(attribute[1]) ?? value;
    if (typeof text === "string") return { "Fn::Sub": filled(text) };
    if (text !== undefined) return withOwn(text[0], walk(text[1]) as ValueMap);
    const members = Object.entries(value).map(([name, one]) => [name, walk(one)] as const);
    return Object.fromEntries(
      members.filter((member): member is [string, Value] => member[1] !== undefined),
    );
  };
  const filled = (text: string) =>
    text.replace(/\$\{([A-Za-z0-9]+)(?:\.([^}]+))?\}/g, (whole, id: string, attribute?: string) => {
      const one = skipped(id);
      return (attribute === undefined ? one?.physicalId : one?.attribute(attribute)) ?? whole;
    });
  const withOwn = (text: string, own: ValueMap): Value => {
    const isText = (name: string) => typeof own[name] === "string";
    const kept = Object.entries(own).filter(([name]) => !isText(name));
    const brought = filled(text).replace(/\$\{(\w+)\}/g, (whole, name: string) =>
      isText(name) ? String(own[name]).replaceAll("${", "${!") : whole,
    );
    return { "Fn::Sub": kept.length === 0 ? brought : [brought, Object.fromEntries(kept)] };
  };
  const { Resources, Outputs, ...others } = template;
  return JSON.stringify({
    ...others,
    Resources: walk(Resources as unknown as Value),
    Outputs: walk(Outputs),
  });
}

/** What stands for a resource that is skipped. */
export interface Skipped {
  readonly physicalId: string;
  readonly attribute: (name: string) => string;
}

interface Functions {
  readonly Ref?: string;
  readonly "Fn::If"?: readonly [string, Value, Value];
  readonly "Fn::GetAtt"?: readonly [string, string];
  readonly "Fn::Sub"?: string | readonly [string, ValueMap];
}
