import { Document } from "yaml";
import { CANARY, readKey } from "./keys.ts";
import { listOf, settingOf } from "./values.ts";

/**
 * Writes the fleet file that says what the values say, for a person to keep in git.
 * @param values by their keys. What is no setting goes into a comment: the file cannot say it.
 */
export function writeFleetFile(fleet: string, values: ReadonlyMap<string, string>): string {
  const content = makeLayer();
  content["fleet"] = fleet;
  const unknown: string[] = [];
  for (const [key, value] of [...values].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const { host, leaf } = readKey(key);
    if (host === undefined && leaf === `${CANARY}percent`) {
      below(content, "canary")["percent"] = value;
      continue;
    }
    if (host === undefined && leaf === "expected-hosts") {
      content["expected-hosts"] = value;
      continue;
    }
    const setting = settingOf(key);
    if (setting === undefined) {
      unknown.push(`${key}: ${JSON.stringify(value)}`);
      continue;
    }
    const layer = host === undefined ? content : below(below(content, "hosts"), host);
    const isCanary = leaf.startsWith(CANARY);
    const inner = isCanary ? below(layer, "canary") : layer;
    const [, route] = /^routes\/([^/]+)\//.exec(isCanary ? leaf.slice(CANARY.length) : leaf) ?? [];
    const place =
      route === undefined ? below(inner, "settings") : below(below(inner, "routes"), route);
    place[setting] = listOf(key, value) ?? value;
  }
  const ordered = Object.fromEntries(
    ORDER.filter((name) => content[name] !== undefined).map((name) => [name, content[name]]),
  );
  const text = new Document(ordered, { schema: "failsafe" }).toString({ lineWidth: 0 });
  const comments = unknown.map((one) => `#   ${one}\n`);
  return comments.length === 0 ? text : `${text}${UNKNOWN}${comments.join("")}`;
}

/** A part of the file: what a person reads first comes first. */
const ORDER = ["fleet", "settings", "routes", "canary", "expected-hosts", "hosts"] as const;

const UNKNOWN =
  "# In the Parameter Store, but of no meaning to this version, so not in this file:\n";

interface Layer {
  [name: string]: string | readonly string[] | Layer;
}

function below(layer: Layer, name: string): Layer {
  const found = layer[name];
  if (typeof found === "object" && !isList(found)) return found;
  const made = makeLayer();
  layer[name] = made;
  return made;
}

/** A host may have any name, `__proto__` too. */
function makeLayer(): Layer {
  return Object.create(null);
}

function isList(value: Layer[string]): value is readonly string[] {
  return Array.isArray(value);
}
