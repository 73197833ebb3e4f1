import type { Config, RouteConfig } from "../config/config.ts";
import { HOST_SETTING_NAMES, ROUTE_SETTING_NAMES, type SettingName } from "../config/schema.ts";
import { settingText } from "./config.ts";

/** One thing that a configuration would change. */
export interface ConfigChange {
  /** Undefined: a setting of the whole host. */
  readonly route: string | undefined;
  readonly setting: SettingName;
  /** As a person would write it; undefined: the route is not there. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Where the new value comes from; undefined: the default. */
  readonly parameter: string | undefined;
}

/** Everything that differs between two configurations, the whole host's first, then by route. Pure. */
export function changesBetween(before: Config, after: Config): readonly ConfigChange[] {
  const changes: ConfigChange[] = HOST_SETTING_NAMES.flatMap((setting) =>
    differenceOf(undefined, setting, before, after),
  );
  const names = new Set([...before.routes, ...after.routes].map(({ name }) => name));
  for (const route of [...names].toSorted()) {
    const [old, young] = [before, after].map(({ routes }) => {
      return routes.find(({ name }) => name === route);
    });
    for (const setting of ROUTE_SETTING_NAMES) {
      changes.push(...differenceOf(route, setting, old, young));
    }
  }
  return changes;
}

interface Place {
  readonly settings: Readonly<Partial<Record<SettingName, unknown>>>;
  readonly origins: Readonly<
    Partial<Record<SettingName, { readonly parameter: string | undefined }>>
  >;
}

function differenceOf(
  route: string | undefined,
  setting: SettingName,
  before: Place | undefined,
  after: Place | undefined,
): readonly ConfigChange[] {
  const text = (place: Place | undefined) =>
    place === undefined ? undefined : settingText(setting, place.settings[setting]);
  const [from, to] = [text(before), text(after)];
  if (from === to) return [];
  return [{ route, setting, from, to, parameter: after?.origins[setting]?.parameter }];
}

/** Routes that are in one of two configurations only. Pure. */
export function routeChanges(
  before: Config,
  after: Config,
): { readonly added: readonly RouteConfig[]; readonly ended: readonly RouteConfig[] } {
  const missingIn = ({ routes }: Config) => {
    const names = routes.map(({ name }) => name);
    return ({ name }: RouteConfig) => !names.includes(name);
  };
  return {
    added: after.routes.filter(missingIn(before)),
    ended: before.routes.filter(missingIn(after)),
  };
}
