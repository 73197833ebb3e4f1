import type { TemplateFile } from "./check.ts";
import type { CheckedStack } from "./check-stack.ts";
import { SERVICES } from "./services.ts";

const HOW = {
  CloudFormation: "deployed, asked by its API",
  API: "made and asked by its API",
  schema: "by schema: the local AWS has none",
} as const;

/**
 * What was looked at of one template, for people: a table of its types, and the findings.
 * A resource counts once for each stack that makes it.
 */
export function reportOf(
  { name, bytes }: TemplateFile,
  stacks: ReadonlyMap<string, CheckedStack>,
): { readonly table: string; readonly findings: readonly string[] } {
  const resources = [...stacks.values()].flatMap((stack) => stack.resources);
  const types = [...new Set(resources.map(({ type }) => type))].sort();
  const rows = types.map((type) => {
    const ofType = resources.filter((one) => one.type === type);
    const service = SERVICES[type];
    const forgets = service !== undefined && "forgets" in service ? service.forgets : [];
    return [
      type,
      `${new Set(ofType.map(({ logicalId }) => logicalId)).size}`,
      `${ofType.length}`,
      service === undefined ? "not at all" : HOW[service.by],
      `${ofType.flatMap(({ findings }) => findings).length}`,
      forgets?.join(", ") ?? "",
    ];
  });
  const findings = [...stacks].flatMap(([set, stack]) => [
    ...stack.findings.map((finding) => `${name} (${set}): ${finding}`),
    ...stack.resources.flatMap(({ logicalId, findings }) =>
      findings.map((finding) => `${name} (${set}): ${logicalId}: ${finding}`),
    ),
  ]);
  const head = ["type", "declared", "in stacks", "how", "findings", "its schema alone checks"];
  const sets = [...stacks.keys()].join(", ");
  return {
    table: [`${name}.yaml, ${bytes} bytes, with ${sets}`, ...columns([head, ...rows])].join("\n"),
    findings,
  };
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widthOf = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widthOf(at)))
      .join("  ")
      .trimEnd(),
  );
}
