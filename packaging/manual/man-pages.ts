import type { CommandFacts } from "./command-tree.ts";
import { agentPage } from "./pages/agent-page.ts";
import { bootstrapPage } from "./pages/bootstrap-page.ts";
import { fleetPage } from "./pages/fleet-page.ts";
import { parametersPage } from "./pages/parameters-page.ts";
import { title } from "./roff.ts";

/**
 * The manual pages in roff, by file name. The program's own is in section 1, not 8: it is in
 * /usr/bin, and much of it is for people who are not root, some of it for other machines.
 * @param about.version as the pages shall name it
 * @param about.date the day on the pages
 */
export function manPages(
  program: CommandFacts,
  about: { readonly version: string; readonly date: Date },
): ReadonlyMap<string, string> {
  const fleet = program.commands.find(({ name }) => name === "fleet");
  if (fleet === undefined) throw new Error("the program has no command fleet");
  const pages: readonly (readonly [name: string, section: number, text: string])[] = [
    ["s3-offload-agent", 1, agentPage(program)],
    ["s3-offload-agent-fleet", 1, fleetPage(fleet)],
    ["s3-offload-agent.yaml", 5, bootstrapPage()],
    ["s3-offload-agent-parameters", 7, parametersPage()],
  ];
  return new Map(
    pages.map(([name, section, text]) => [
      `${name}.${section}`,
      `${title({ name, section, ...about })}${text}`,
    ]),
  );
}
