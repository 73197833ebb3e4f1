import { WRONG_ROUTES } from "./routes.ts";
import type { WrongWhole } from "./row.ts";

const SECURE = "is a SecureString, which the agent does not decrypt: make it a String";
const OVERLAP = "must not be the directory of another route, nor lie in it or around it";
const PERCENT = "must be a number from 0 to 100";
const HOSTS = "must be a whole number of hosts, or none";
const REQUIRED = "is required and not set";
const EVERYONE = { "canary/percent": "100" };

const many = (count: number, leaf: (index: number) => string, value = "x") =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [leaf(index), value]));

const HALF_WRITTEN: readonly WrongWhole[] = [
  {
    about: "a fleet without a bucket",
    written: { fleet: { bucket: undefined, prefix: "x/" } },
    names: "fleet/bucket",
    says: REQUIRED,
  },
  {
    about: "no parameters at all",
    written: { fleet: { bucket: undefined } },
    names: "fleet/bucket",
    says: REQUIRED,
  },
  {
    about: "a fleet whose bucket is the canaries' only, on another host",
    written: { fleet: { bucket: undefined, "canary/percent": "0", "canary/bucket": "data" } },
    names: "fleet/bucket",
    says: REQUIRED,
  },
  {
    about: "a route without a bucket, and none to inherit",
    written: { fleet: { bucket: undefined, "routes/raw/directory": "/data/raw" } },
    names: "fleet/routes/raw/bucket",
    says: REQUIRED,
  },
  {
    about: "one of two routes without a bucket",
    written: {
      fleet: {
        bucket: undefined,
        "routes/a/bucket": "data",
        "routes/a/directory": "/data/a",
        "routes/b/directory": "/data/b",
      },
    },
    names: "fleet/routes/b/bucket",
    says: REQUIRED,
  },
  {
    about: "a canary's route whose bucket is not written yet",
    written: {
      fleet: { ...EVERYONE, bucket: undefined, "canary/routes/raw/directory": "/data/raw" },
    },
    names: "fleet/routes/raw/bucket",
    says: REQUIRED,
  },
  {
    about: "a canary's route whose directory is not written yet",
    written: { fleet: { ...EVERYONE, "canary/routes/raw/prefix": "raw/" } },
    names: "fleet/routes/raw/directory",
    says: OVERLAP,
  },
  {
    about: "a route whose directory is not written yet",
    written: { fleet: { directory: "/data", "routes/raw/prefix": "raw/" } },
    names: "fleet/routes/raw/directory",
    says: OVERLAP,
  },
  {
    about: "a route that only a host has, without a directory",
    written: { host: { "routes/raw/prefix": "raw/" } },
    names: "fleet/routes/raw/directory",
    says: OVERLAP,
  },
  {
    about: "a top level with a directory of its own but no bucket, beside a whole route",
    written: {
      fleet: {
        bucket: undefined,
        directory: "/data/top",
        "routes/a/bucket": "data",
        "routes/a/directory": "/data/a",
      },
    },
    names: "fleet/bucket",
    says: REQUIRED,
  },
];

const LAYERS: readonly WrongWhole[] = [
  {
    about: "a host that breaks a good fleet",
    written: { fleet: { concurrency: "4" }, host: { concurrency: "four" } },
    names: "host/concurrency",
    says: "must be a whole number",
  },
  {
    about: "a canary that breaks a good fleet",
    written: { fleet: { ...EVERYONE, concurrency: "4", "canary/concurrency": "four" } },
    names: "fleet/canary/concurrency",
    says: "must be a whole number",
  },
  {
    about: "a route that breaks a good fleet",
    written: { fleet: { "routes/raw/directory": "/data/raw", "routes/raw/splay": "11m" } },
    names: "fleet/routes/raw/splay",
    says: 'does not go with the schedule "rate(10 minutes)"',
  },
  {
    about: "a host's schedule that is shorter than the fleet's splay",
    written: { fleet: { splay: "5m" }, host: { schedule: "rate(1 minute)" } },
    names: "fleet/splay",
    says: 'does not go with the schedule "rate(1 minute)"',
  },
  {
    about: "a fleet's value that nobody overrides, inherited by a route",
    written: { fleet: { "min-age": "1", "routes/raw/directory": "/data/raw" } },
    names: "fleet/min-age",
    says: "a number with a unit",
  },
  {
    about: "a bucket that the bootstrap file does not allow",
    written: { fleet: {} },
    guards: { allowedBuckets: ["other", "data2", "dat"] },
    names: "fleet/bucket",
    says: "is not among the bootstrap file's allowedBuckets",
  },
  {
    about: "a bucket of a route that the bootstrap file does not allow",
    written: {
      fleet: { "routes/raw/directory": "/data/raw", "routes/raw/bucket": "elsewhere" },
    },
    guards: { allowedBuckets: ["data"] },
    names: "fleet/routes/raw/bucket",
    says: "is not among the bootstrap file's allowedBuckets",
  },
  {
    about: "a min-age of a route below the floor of the bootstrap file",
    written: { fleet: { "routes/raw/directory": "/data/raw", "routes/raw/min-age": "59s" } },
    guards: { minAgeFloorMs: 60_000 },
    names: "fleet/routes/raw/min-age",
    says: "must be at least 1m, the bootstrap file's minAgeFloor",
  },
  ...["-1", "101", "100.5", "50%", "1e1", ".5", "0x10", "half", "1,5", '"10"', "5\u200b", " "].map(
    (value) => ({
      about: `canaries of ${JSON.stringify(value)} percent`,
      written: { fleet: { "canary/percent": value } },
      names: "fleet/canary/percent",
      says: PERCENT,
    }),
  ),
  ...["-1", "1.5", "1e3", "1,000", "many", "10000001", "123456789", "true"].map((value) => ({
    about: `${JSON.stringify(value)} expected hosts`,
    written: { fleet: { "expected-hosts": value } },
    names: "fleet/expected-hosts",
    says: HOSTS,
  })),
];

const TYPES: readonly WrongWhole[] = [
  {
    about: "a SecureString",
    written: { fleet: { prefix: "x/" }, types: { "fleet/prefix": "SecureString" } },
    names: "fleet/prefix",
    says: SECURE,
  },
  {
    about: "a SecureString below a host",
    written: { host: { prefix: "x/" }, types: { "host/prefix": "SecureString" } },
    names: "host/prefix",
    says: SECURE,
  },
  {
    about: "a SecureString of canaries",
    written: {
      fleet: { ...EVERYONE, "canary/prefix": "x/" },
      types: { "fleet/canary/prefix": "SecureString" },
    },
    names: "fleet/canary/prefix",
    says: SECURE,
  },
  {
    about: "a percent of canaries as a SecureString",
    written: {
      fleet: { "canary/percent": "5" },
      types: { "fleet/canary/percent": "SecureString" },
    },
    names: "fleet/canary/percent",
    says: SECURE,
  },
  {
    about: "a list of buckets",
    written: { fleet: { bucket: "data,other" }, types: { "fleet/bucket": "StringList" } },
    names: "fleet/bucket",
    says: "must be a bucket name",
  },
  {
    about: "a list of directories",
    written: {
      fleet: { directory: "/data,/srv\u0000" },
      types: { "fleet/directory": "StringList" },
    },
    names: "fleet/directory",
    says: "must not contain control characters",
  },
  {
    about: "braces in a StringList, which splits at every comma",
    written: { fleet: { include: "*.{log,csv}" }, types: { "fleet/include": "StringList" } },
    names: "fleet/include",
    says: "has a brace without a partner",
  },
  {
    about: "a list of globs with an empty one",
    written: { fleet: { include: "*.log, ,*.csv" }, types: { "fleet/include": "StringList" } },
    names: "fleet/include",
    says: "none of them empty",
  },
  {
    about: "none in a list of globs",
    written: { fleet: { exclude: "none,*.csv" }, types: { "fleet/exclude": "StringList" } },
    names: "fleet/exclude",
    says: "stands alone and means no globs",
  },
];

const CROWDS: readonly WrongWhole[] = [
  {
    about: "more parameters than a fleet may have",
    written: { fleet: many(1_000, (index) => `unknown-${index}`) },
    names: "fleet",
    says: "holds more than 1000 parameters",
  },
  {
    about: "more parameters than a host may have",
    written: { host: many(1_001, (index) => `unknown-${index}`) },
    names: "host",
    says: "holds more than 1000 parameters",
  },
  {
    about: "thousands of wrong parameters",
    written: {
      fleet: many(3_000, (index) => `routes/r${index}/min-age`, "y".repeat(64)),
      host: many(3_000, (index) => `routes/r${index}/prefix`, "\u0000".repeat(64)),
    },
    names: "fleet/routes",
    says: "must be at most 32 routes",
  },
  {
    about: "hundreds of wrong values of 8 KiB",
    written: { fleet: many(500, (index) => `routes/r${index}/min-age`, "\u0000".repeat(8_192)) },
    names: "fleet/routes/r0/min-age",
    says: "a number with a unit",
  },
  {
    about: "hundreds of routes of one directory",
    written: { fleet: many(900, (index) => `routes/r${index}/directory`, "/data/x") },
    names: "fleet/routes",
    says: "must be at most 32 routes: there are 900",
  },
];

/** What is wrong with layers, routes, types and numbers of parameters. */
export const WRONG_WHOLES = [...HALF_WRITTEN, ...WRONG_ROUTES, ...LAYERS, ...TYPES, ...CROWDS];
