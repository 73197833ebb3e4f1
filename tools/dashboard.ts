import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dashboardOf, dataOf } from "./dashboard/data.ts";
import { drawDashboard } from "./dashboard/picture.ts";
import { STORY, tellStory } from "./dashboard/story.ts";
import { fleetResources } from "./infra/fleet-resources.ts";

/**
 * `npm run dashboard`: draws the dashboard of infra/fleet.yaml with twelve hours of a fleet that
 * does not exist, into docs/dashboard.svg. A test holds the picture against the template.
 */
export const PICTURE = fileURLToPath(new URL("../docs/dashboard.svg", import.meta.url));

/** The alarms that would be on at the end of the story. */
const IN_ALARM = new Set(["hosts-missing", "host-silent", "quarantine-not-empty", "fleet-health"]);

/** The picture, as SVG. */
export async function dashboardPicture(): Promise<string> {
  const resources = await fleetResources({ ExpectedHosts: String(STORY.hosts) });
  const data = dataOf(tellStory(), STORY, IN_ALARM);
  return drawDashboard(dashboardOf(resources), data);
}

if (process.argv.includes("--write")) await writeFile(PICTURE, await dashboardPicture());
