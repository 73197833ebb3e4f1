import type { Host } from "../../src/config/config.ts";
import { settingsSchema } from "../../src/config/schema.ts";
import type { Leaves, Written } from "./parameter-sets.ts";
import { WRONG_WHOLES } from "./wrong-configurations/layers.ts";
import { WRONG_PATTERNS } from "./wrong-configurations/patterns.ts";
import { WRONG_QUANTITIES } from "./wrong-configurations/quantities.ts";
import { WRONG_TEXTS } from "./wrong-configurations/texts.ts";

/** A configuration that must be refused. */
export interface WrongConfiguration {
  /** The same for all layers. */
  readonly about: string;
  readonly written: Written;
  readonly guards: Partial<Host>;
  /** The parameter that must be named: `fleet/<leaf>` or `host/<leaf>`. */
  readonly names: string;
  /** What the reason must say. */
  readonly says: string;
}

export const WRONG_VALUES = [...WRONG_QUANTITIES, ...WRONG_TEXTS, ...WRONG_PATTERNS];

/** Every wrong value in every layer that could hold it, and what is wrong together. */
export const WRONG_CONFIGURATIONS: readonly WrongConfiguration[] = [
  ...WRONG_VALUES.flatMap(([leaf, value, says]) => {
    const shown = JSON.stringify(value);
    const about = `${leaf} = ${shown.length > 60 ? `${shown.slice(0, 60)}...` : shown}`;
    const row = (names: string, fleet: Leaves, host: Leaves = {}) => ({
      about,
      written: withBucket({ fleet, host }),
      guards: {},
      names,
      says,
    });
    const raw = { "routes/raw/directory": "/data/raw" };
    const ofRoute = `routes/raw/${leaf}`;
    return [
      row(`fleet/${leaf}`, { [leaf]: value }),
      row(`host/${leaf}`, {}, { [leaf]: value }),
      row(`fleet/canary/${leaf}`, {
        "canary/percent": "100",
        [`canary/${leaf}`]: value,
      }),
      ...(isOfRoutes(leaf) ? [row(`fleet/${ofRoute}`, { ...raw, [ofRoute]: value })] : []),
    ];
  }),
  ...WRONG_WHOLES.map(({ about, written, guards = {}, names, says }) => {
    return { about, written: withBucket(written), guards, names, says };
  }),
];

function withBucket(written: Written): Written {
  return { ...written, fleet: { bucket: "data", ...written.fleet } };
}

function isOfRoutes(leaf: string): boolean {
  return settingsSchema[leaf as keyof typeof settingsSchema].scope === "route";
}
