/**
 * Where what a service tells differs from what a template declares. Only what is declared counts;
 * a service tells more, such as dates and its own defaults.
 * @param forgets paths such as `/Rules/Id`, without the places in lists, that are left out
 * @returns one line for each difference
 */
export function differences(
  declared: unknown,
  told: unknown,
  forgets: readonly string[] = [],
  path = "",
): readonly string[] {
  if (forgets.includes(path.replace(/\/\d+(?=\/|$)/g, ""))) return [];
  if (Array.isArray(declared)) {
    if (!Array.isArray(told) || told.length !== declared.length)
      return [line(path, declared, told)];
    return declared.flatMap((one, index) =>
      differences(one, told[index], forgets, `${path}/${index}`),
    );
  }
  if (typeof declared === "object" && declared !== null) {
    if (typeof told !== "object" || told === null) return [line(path, declared, told)];
    const members: Readonly<Record<string, unknown>> = { ...told };
    return Object.entries(declared).flatMap(([name, one]) =>
      differences(one, members[name], forgets, `${path}/${name}`),
    );
  }
  // CloudFormation takes "14" for 14.
  return told !== undefined && String(declared) === String(told)
    ? []
    : [line(path, declared, told)];
}

function line(path: string, declared: unknown, told: unknown): string {
  const is = told === undefined ? "is not told" : `is ${JSON.stringify(told)}`;
  return `${path} ${is}, declared ${JSON.stringify(declared)}`;
}
