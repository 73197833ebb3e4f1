import type { Parameter, Template, Value } from "./template.ts";

/**
 * The values of a template's parameters, as CloudFormation would take them.
 * @param given the parameters that are not left to their defaults
 * @throws Error with one line for each that it would refuse
 */
export function parametersOf(
  { Parameters }: Template,
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, Value>> {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(Parameters, name));
  const entries = Object.entries(Parameters).map(([name, parameter]) => {
    const text = given[name] ?? parameter.Default?.toString();
    return { name, parameter, text, problem: problemOf(parameter, text) };
  });
  const problems = [
    ...unknown.map((name) => `${name}: there is no such parameter`),
    ...entries.flatMap(({ name, problem }) => (problem === undefined ? [] : `${name}: ${problem}`)),
  ];
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return Object.fromEntries(
    entries.map(({ name, parameter, text = "" }) => [name, typed(parameter, text)]),
  );
}

/** What CloudFormation would refuse a parameter for, or undefined. */
export function problemOf(parameter: Parameter, text: string | undefined): string | undefined {
  if (text === undefined) return "is required";
  const { AllowedPattern, AllowedValues, MinLength = 0, MaxLength = 4_096 } = parameter;
  const { MinValue = -Infinity, MaxValue = Infinity } = parameter;
  if (AllowedValues !== undefined && !AllowedValues.map(String).includes(text)) {
    return `"${text}" is none of ${AllowedValues.join(", ")}`;
  }
  // The pattern holds for the whole text ("Parameters" in the CloudFormation User Guide).
  if (AllowedPattern !== undefined && !new RegExp(`^(?:${AllowedPattern})$`).test(text)) {
    return `"${text}" does not match ${AllowedPattern}`;
  }
  if (text.length < MinLength || text.length > MaxLength) return `"${text}" has a wrong length`;
  if (parameter.Type !== "Number") return undefined;
  const number = text.trim() === "" ? Number.NaN : Number(text);
  return number >= MinValue && number <= MaxValue ? undefined : `${text} is out of range`;
}

function typed({ Type }: Parameter, text: string): Value {
  if (Type === "Number") return Number(text);
  return Type === "CommaDelimitedList" || Type.startsWith("List<") ? text.split(",") : text;
}
