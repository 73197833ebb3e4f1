import type { Mutation } from "./mutation.ts";

const TRUSTED = "unit/lib/trusted-path.test.ts";
const FILE = "unit/config/bootstrap-file.test.ts";
const BOOTSTRAP = "unit/config/bootstrap.test.ts";
const WATCHED = "unit/sweep/watched-directory.test.ts";
const HOST = "unit/host/resolve-host.test.ts";
const METADATA = "unit/host/instance-metadata.test.ts";

/** What keeps the host out of reach of its remote configuration, and one host from being another. */
export const GUARD_MUTATIONS: readonly Mutation[] = [
  {
    name: "anybody's file is trusted",
    file: "lib/trusted-path.ts",
    edits: [['  if (!trusted.has(stats.uid)) return "owner";\n', ""]],
    foundBy: [FILE, "belongs to somebody"],
  },
  {
    name: "a group that may write is trusted",
    file: "lib/trusted-path.ts",
    edits: [['  if ((stats.mode & 0o020) !== 0) return "group";\n', ""]],
    foundBy: [FILE, "access control list"],
  },
  {
    name: "everybody who may write is trusted",
    file: "lib/trusted-path.ts",
    edits: [['  if ((stats.mode & 0o002) !== 0) return "others";\n', ""]],
    foundBy: [FILE, "writable by everybody is refused"],
  },
  {
    name: "a sticky file is taken for a sticky folder",
    file: "lib/trusted-path.ts",
    edits: [["stats.isDirectory() && (stats.mode & 0o1000)", "(stats.mode & 0o1000)"]],
    foundBy: [TRUSTED, "mode 1666"],
  },
  {
    name: "the folders of a link's target are not looked at",
    file: "lib/trusted-path.ts",
    edits: [
      ["    links.push(end);\n", "    links.push(end);\n    steps.set(dirname(end.path), end);\n"],
    ],
    foundBy: [TRUSTED, "passes the folder of"],
  },
  {
    name: "the folders above the bootstrap file are not looked at",
    file: "config/bootstrap-file.ts",
    edits: [['    ["folder", folders],\n', ""]],
    foundBy: [FILE, "two folders below"],
  },
  {
    name: "the links to the bootstrap file are not looked at",
    file: "config/bootstrap-file.ts",
    edits: [['    ["link", links],\n', ""]],
    foundBy: [FILE, "somebody's link in a sticky folder"],
  },
  {
    name: "another bootstrap file is read than was checked",
    file: "config/bootstrap-file.ts",
    edits: [["end.stats.dev !== opened.dev || end.stats.ino !== opened.ino", "false"]],
    foundBy: [FILE, "between the check and the reading"],
  },
  {
    name: "the bootstrap file is not guarded from root's terminal",
    file: "config/bootstrap-file.ts",
    edits: [["process.geteuid?.() === 0 || ", ""]],
    foundBy: [FILE, "read as root"],
  },
  {
    name: "the bootstrap file of a service is not guarded",
    file: "config/bootstrap-file.ts",
    edits: [[' || (env["INVOCATION_ID"] ?? "") !== ""', ""]],
    foundBy: [FILE, "is guarded when systemd starts the agent"],
  },
  {
    name: "the bootstrap file may be a device",
    file: "config/bootstrap-file.ts",
    edits: [["!stats.isFile()", "stats.isDirectory()"]],
    foundBy: [FILE, "a device is not waited for"],
  },
  {
    name: "a name may be one that leads elsewhere",
    file: "host/names.ts",
    edits: [["(?!\\.{1,2}$)", ""]],
    foundBy: [BOOTSTRAP, 'takes ".." for no'],
  },
  {
    name: "an allowed root is whatever somebody's link makes of it",
    file: "sweep/watched-directory.ts",
    edits: [["exposureOf(step, trusted) !== undefined", "exposureOf(step, trusted) === null"]],
    foundBy: [WATCHED, "somebody's link stands for"],
  },
  {
    name: "an id is taken over that another machine has saved",
    file: "host/resolve-host.ts",
    edits: [["saved?.machine === machine.digest ? saved : undefined", "saved"]],
    foundBy: [HOST, "another machine saved"],
  },
  {
    name: "a clone saves itself as the original",
    file: "host/resolve-host.ts",
    edits: [[' || changed?.kind === "host.cloned"', ""]],
    foundBy: [HOST, "are told apart"],
  },
  {
    name: "a source that is silent makes another host",
    file: "host/host-id.ts",
    edits: [['saved?.idSource === "ec2"', "saved === null"]],
    foundBy: [HOST, "is the one saved before"],
  },
  {
    name: "the metadata are asked without a token",
    file: "host/instance-metadata.ts",
    edits: [["await this.#token;", 'await this.#token.catch(() => "");']],
    foundBy: [METADATA, "never asked without a token"],
  },
];
