import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { type ToolResult, tryTool } from "../../packaging/repository/tool.ts";
import { listenOnLoopback } from "./local-server.ts";

/** A repository over http on loopback, with somebody in the middle. */
export interface ServedRepository extends AsyncDisposable {
  readonly url: string;
  /** All paths that were asked for. */
  readonly asked: readonly string[];
  /** What is done before a file is read for an answer. */
  before: (path: string) => Promise<void>;
  /** What becomes of a file on its way. */
  change: (path: string, content: Buffer) => Buffer;
}

/** @param state.root the directory; another one may take its place at any time */
export async function serveRepository(state: { root: string }): Promise<ServedRepository> {
  const asked: string[] = [];
  const served = {
    before: async (_path: string): Promise<void> => undefined,
    change: (_path: string, content: Buffer): Buffer => content,
  };
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(request.url ?? "/")).slice(1);
    asked.push(path);
    await served.before(path);
    const content = await readFile(join(state.root, path)).catch(() => undefined);
    response.statusCode = content === undefined ? 404 : 200;
    response.end(content === undefined ? "" : served.change(path, content));
  });
  const { endpoint, ...listening } = await listenOnLoopback(server);
  return Object.assign(served, { url: endpoint, asked, ...listening });
}

/** A package manager in a root of its own; each call is a command of it. */
export type Client = (...args: readonly string[]) => Promise<ToolResult>;

const NO_PROXY = { http_proxy: "", https_proxy: "", no_proxy: "127.0.0.1" };

/**
 * apt of this machine, with nothing of its settings, lists and keys.
 * @param keyring public keys that it trusts
 */
export async function makeApt(root: string, url: string, keyring: string): Promise<Client> {
  const folders = ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/trusted.gpg.d"];
  folders.push("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg");
  folders.push("downloads");
  for (const one of folders) await mkdir(join(root, one), { recursive: true });
  await writeFile(join(root, "var/lib/dpkg/status"), "");
  const list = `deb [signed-by=${keyring}] ${url}/apt stable main\n`;
  await writeFile(join(root, "etc/apt/sources.list"), list);
  const config = join(root, "etc/apt/apt.conf");
  const settings = {
    Dir: root,
    "Dir::State::status": join(root, "var/lib/dpkg/status"),
    "Dir::Bin::methods": "/usr/lib/apt/methods",
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    "APT::Sandbox::User": "",
    "APT::Update::Error-Mode": "any",
    "Acquire::Languages": "none",
    "Acquire::Retries": "0",
    "Acquire::http::Proxy": "false",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`);
  await writeFile(config, lines.join(""));
  const env = { ...NO_PROXY, APT_CONFIG: config };
  return (...args) => tryTool("apt-get", args, { env, cwd: join(root, "downloads") });
}

/** dnf of this machine, which installs into a root of its own. @param keys files with public keys */
export async function makeDnf(
  root: string,
  url: string,
  keys: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Client> {
  await mkdir(join(root, "repos"), { recursive: true });
  const repo = {
    name: "test",
    baseurl: `${url}/yum/$basearch`,
    gpgcheck: "1",
    repo_gpgcheck: "1",
    gpgkey: keys.map((one) => (one.includes("://") ? one : `file://${one}`)).join(" "),
    retries: "1",
    ...settings,
  };
  const lines = Object.entries(repo).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(root, "repos/test.repo"), `[test]\n${lines.join("")}`);
  const main = {
    reposdir: join(root, "repos"),
    cachedir: join(root, "cache"),
    logdir: join(root, "log"),
    persistdir: join(root, "persist"),
    plugins: "0",
    module_platform_id: "platform:el9",
  };
  const config = join(root, "dnf.conf");
  const text = Object.entries(main).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(config, `[main]\n${text.join("")}`);
  const common = ["--config", config, "--installroot", join(root, "host"), "--releasever", "9"];
  // Not `metadata_expire=0`: within a second of the last look that is none.
  common.push("--refresh");
  return (...args) => tryTool("dnf", ["--assumeyes", ...common, ...args], { env: NO_PROXY });
}
