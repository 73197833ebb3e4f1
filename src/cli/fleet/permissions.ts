import { type FleetPlace, fleetPath, hostsPath, partsPath, pathsOf } from "../../fleet/keys.ts";

/** The commands, by what their credentials must allow. */
export type FleetCommand =
  | "pull"
  | "plan"
  | "apply"
  | "canary status"
  | "canary promote"
  | "canary abort"
  | "history"
  | "hosts"
  | "logs"
  | "rollback"
  | "host show"
  | "host set"
  | "host unset";

/**
 * `paths`: what is asked for by path, which IAM knows by the path alone; `below`: single names;
 * `logs`: the log groups; `any`: what IAM knows no resource for.
 */
const RESOURCES = ["paths", "below", "logs", "any"] as const;
type Action = readonly [action: string, on: (typeof RESOURCES)[number]];

const READ: readonly Action[] = [["ssm:GetParametersByPath", "paths"]];
const HEARTBEATS: readonly Action[] = [
  ["logs:StartQuery", "logs"],
  ["logs:GetQueryResults", "any"],
  ["logs:StopQuery", "any"],
];
const HISTORY: readonly Action[] = [["ssm:GetParameterHistory", "below"]];
const WRITE: readonly Action[] = [
  ...READ,
  ["ssm:GetParameters", "below"],
  ["ssm:PutParameter", "below"],
  ["ssm:DeleteParameters", "below"],
  ...HISTORY,
];

const ACTIONS: Readonly<Record<FleetCommand, readonly Action[]>> = {
  pull: [...READ, ...HEARTBEATS],
  plan: [...READ, ...HEARTBEATS],
  apply: [...WRITE, ...HEARTBEATS],
  "canary status": [...READ, ...HEARTBEATS],
  "canary promote": [...WRITE, ...HEARTBEATS],
  "canary abort": [...WRITE, ...HEARTBEATS],
  history: HISTORY,
  hosts: [
    ...HEARTBEATS,
    ...READ,
    ["ec2:DescribeInstances", "any"],
    ["ssm:DescribeInstanceInformation", "any"],
  ],
  logs: [["logs:GetLogEvents", "logs"], ...HEARTBEATS],
  rollback: [...WRITE, ...HEARTBEATS],
  "host show": READ,
  "host set": WRITE,
  "host unset": WRITE,
};

/** All IAM actions of a command with their resources, in one sentence. */
export function permissionsText(
  command: FleetCommand,
  about: {
    readonly place: FleetPlace;
    /** The one host that it is about. */
    readonly host: string | undefined;
    readonly region: string;
  },
): string {
  const { place, host, region } = about;
  const arn = (path: string) => `arn:aws:ssm:${region}:*:parameter${path}`;
  const hosts = host === undefined ? hostsPath(place) : pathsOf(place, host).host;
  const parts = host === undefined ? [partsPath(place)] : [];
  const paths = [fleetPath(place), hosts, ...parts];
  const resources = {
    paths: paths.map(arn).join(", "),
    below: paths.map((path) => arn(`${path}/*`)).join(", "),
    logs: `arn:aws:logs:${region}:*:log-group:${place.parameterRoot}/${place.fleet}*`,
    any: "*",
  };
  const told = RESOURCES.flatMap((on) => {
    const actions = ACTIONS[command].flatMap(([action, of]) => (of === on ? action : []));
    return actions.length === 0 ? [] : [`${actions.join(", ")} on ${resources[on]}`];
  });
  return `\`fleet ${command}\` takes ${told.join("; ")}.`;
}
