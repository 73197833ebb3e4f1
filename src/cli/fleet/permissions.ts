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
  | "rollback"
  | "host show"
  | "host set"
  | "host unset";

/** `paths`: what is asked for by path, which IAM knows by the path alone; `below`: single names. */
type Action = readonly [action: string, on: "paths" | "below"];

const READ: readonly Action[] = [["ssm:GetParametersByPath", "paths"]];
const HISTORY: readonly Action[] = [["ssm:GetParameterHistory", "below"]];
const WRITE: readonly Action[] = [
  ...READ,
  ["ssm:GetParameters", "below"],
  ["ssm:PutParameter", "below"],
  ["ssm:DeleteParameters", "below"],
  ...HISTORY,
];

const ACTIONS: Readonly<Record<FleetCommand, readonly Action[]>> = {
  pull: READ,
  plan: READ,
  apply: WRITE,
  "canary status": READ,
  "canary promote": WRITE,
  "canary abort": WRITE,
  history: HISTORY,
  rollback: WRITE,
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
  };
  const told = (["paths", "below"] as const).flatMap((on) => {
    const actions = ACTIONS[command].flatMap(([action, of]) => (of === on ? action : []));
    return actions.length === 0 ? [] : [`${actions.join(", ")} on ${resources[on]}`];
  });
  return `\`fleet ${command}\` takes ${told.join("; ")}.`;
}
