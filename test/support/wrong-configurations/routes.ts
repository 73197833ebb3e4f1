import { HOST_SETTING_NAMES } from "../../../src/config/schema.ts";
import type { WrongWhole } from "./row.ts";

const ROUTE_NAME = "1 to 32 lower-case letters, digits and hyphens";
const OVERLAP = "must not be the directory of another route, nor lie in it or around it";
const EVERYONE = { "canary/percent": "100" };

/** Names of routes, what is no route's, and directories that overlap. */
export const WRONG_ROUTES: readonly WrongWhole[] = [
  ...["Raw", "raw_data", "-raw", "raw.data", "r".repeat(33), "__proto__", "toString", ""].map(
    (route) => ({
      about: `a route of the name ${JSON.stringify(route)}`,
      written: { fleet: { [`routes/${route}/directory`]: "/data/raw" } },
      names: `fleet/routes/${route}/directory`,
      says: ROUTE_NAME,
    }),
  ),
  {
    about: "a route of the name that the top level has",
    written: { fleet: { "routes/default/directory": "/data/raw" } },
    names: "fleet/routes/default/directory",
    says: "`default` is the top level's",
  },
  {
    about: "a wrong name of a route of canaries, on a canary",
    written: { fleet: { ...EVERYONE, "canary/routes/Raw/directory": "/data/raw" } },
    names: "fleet/canary/routes/Raw/directory",
    says: ROUTE_NAME,
  },
  {
    about: "a wrong name of a route below a host",
    written: { host: { "routes/Raw/directory": "/data/raw" } },
    names: "host/routes/Raw/directory",
    says: ROUTE_NAME,
  },
  ...HOST_SETTING_NAMES.map((leaf) => ({
    about: `${leaf} in a route`,
    written: { fleet: { "routes/raw/directory": "/data/raw", [`routes/raw/${leaf}`]: "x" } },
    names: `fleet/routes/raw/${leaf}`,
    says: `is of the whole host: set ${leaf} without routes/raw/`,
  })),
  {
    about: "two routes of one directory",
    written: { fleet: { "routes/a/directory": "/data/x", "routes/b/directory": "/data/x" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "two routes of one directory, written differently",
    written: { fleet: { "routes/a/directory": "/data/x", "routes/b/directory": "/data//./x/" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a route within another",
    written: { fleet: { "routes/a/directory": "/data", "routes/b/directory": "/data/b/c" } },
    names: "fleet/routes/b/directory",
    says: '"/data/b/c" of b and "/data" of a',
  },
  {
    about: "a route around another",
    written: { fleet: { "routes/a/directory": "/data/b/c", "routes/b/directory": "/data" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a route of everything",
    written: { fleet: { "routes/a/directory": "/data", "routes/b/directory": "/" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a relative route within the working directory, which is another's",
    written: { fleet: { directory: ".", "routes/b/directory": "data" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a route within the top level's directory, which is written down",
    written: { fleet: { directory: "/data", "routes/b/directory": "/data/b" } },
    names: "fleet/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a host that moves a route into another",
    written: {
      fleet: { "routes/a/directory": "/data/a", "routes/b/directory": "/data/b" },
      host: { "routes/b/directory": "/data/a/b" },
    },
    names: "host/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "a canary that moves a route into another",
    written: {
      fleet: {
        ...EVERYONE,
        "routes/a/directory": "/data/a",
        "routes/b/directory": "/data/b",
        "canary/routes/b/directory": "/data/a",
      },
    },
    names: "fleet/canary/routes/b/directory",
    says: OVERLAP,
  },
  {
    about: "thirty-three routes",
    written: {
      fleet: Object.fromEntries(
        Array.from({ length: 33 }, (_, index) => [`routes/r${index}/directory`, `/data/${index}`]),
      ),
    },
    names: "fleet/routes",
    says: "must be at most 32 routes: there are 33",
  },
];
