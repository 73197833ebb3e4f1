import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { endAtLast } from "../leftover-children.ts";
import { filesBelow } from "../tree.ts";
import { type Container, commandOn, startContainer, WANTS_REBOOT } from "./container.ts";
import { copyTree, RUNS, removeLeftovers } from "./host-folders.ts";
import { type ImageName, imageRoot } from "./images.ts";
import {
  type AgentRecord,
  endOf,
  JOURNAL_FIELDS,
  type JournalEntry,
  parseEntry,
} from "./journal.ts";

/** How a command on a host ended, and what it said. */
export interface Ran {
  /** Exit code, or the signal that killed it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Default: 120 s; then it is killed. */
  readonly timeoutMs?: number;
}

export interface WaitOptions {
  /** Default: 60 s. */
  readonly timeoutMs?: number;
}

export interface WrittenAs {
  /** Default: 0o644. */
  readonly mode?: number;
  /** Numeric user and group. Default: root. */
  readonly uid?: number;
}

const RUN_MS_MAX = 120_000;
const WAIT_MS_MAX = 60_000;
/** A condition that no entry of the journal tells of is looked at so often. */
const POLL_MS = 250;

let hosts = 0;

/**
 * A whole host with a systemd of its own, booted from a copy of an image. Several can run at once,
 * also in several processes. It shares the network with this machine: a server on 127.0.0.1 is
 * reachable from it, and nothing else. Paths are the host's own, absolute.
 */
export class SystemdHost implements AsyncDisposable {
  /** Its host name, unique on this machine. */
  readonly name: string;
  /** Its root directory, as this machine sees it; `/run` and `/tmp` of a booted host are not in it. */
  readonly root: string;
  readonly #entries: JournalEntry[] = [];
  #container: Container | undefined;
  #follower: ChildProcess | undefined;
  #onEntry = Promise.withResolvers<void>();
  #broken: unknown;
  #seen = 0;

  private constructor(name: string) {
    this.name = name;
    this.root = join(RUNS, name, "root");
  }

  /** Makes a host of an image, or of the root of a host that has been shut down. It is not booted. */
  static async make(from: ImageName | { readonly root: string }): Promise<SystemdHost> {
    await removeLeftovers();
    hosts += 1;
    const host = new SystemdHost(`s3oa-${process.pid}-${hosts}`);
    const source = typeof from === "string" ? await imageRoot(from) : from.root;
    await mkdir(dirname(host.root), { recursive: true });
    await copyTree(source, host.root);
    await host.write("/etc/hostname", `${host.name}\n`);
    await host.write("/etc/machine-id", `${randomUUID().replaceAll("-", "")}\n`);
    // What another host has written there is not this one's.
    await rm(host.path("/var/log/journal"), { recursive: true, force: true });
    await mkdir(host.path("/var/log/journal"));
    return host;
  }

  /** Makes a host and boots it. */
  static async start(from: ImageName | { readonly root: string }): Promise<SystemdHost> {
    const host = await SystemdHost.make(from);
    try {
      await host.boot();
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
    return host;
  }

  /** Process id of its systemd, as this machine sees it. @throws Error if it is not booted */
  get leader(): number {
    if (this.#container === undefined) throw new Error(`${this.name} is not booted`);
    return this.#container.leader;
  }

  /** Boots it. @returns `running` or `degraded`, when systemd has come to the end of its queue */
  async boot(): Promise<string> {
    this.#container = await startContainer(this.root, this.name);
    const { stdout } = await this.run(["systemctl", "is-system-running", "--wait"]);
    // Not before: whoever follows a journal that is not there yet never sees it come.
    this.#follow();
    return stdout.trim();
  }

  /** Stops all services in order, and waits until the host is off. */
  async shutDown(): Promise<void> {
    await this.#stop("poweroff");
  }

  /** Stops all services in order and boots again. */
  async reboot(): Promise<string> {
    const ended = await this.#stop("reboot");
    if (ended !== WANTS_REBOOT) throw new Error(`${this.name} ended with ${ended}, not rebooting`);
    return await this.boot();
  }

  /**
   * Kills all processes of the host at once, as a power cut does; `boot` boots it again. What was
   * written and not synced is still there then: the kernel below has not lost its power.
   */
  async cutPower(): Promise<void> {
    await this.#container?.kill();
    await this.#off();
  }

  /** Where a path of the host is on this machine; not below `/run` and `/tmp`. */
  path(path: string): string {
    return join(this.root, path);
  }

  /** Runs a command to its end, a text by the shell. */
  async run(command: readonly string[] | string, options: RunOptions = {}): Promise<Ran> {
    const child = commandOn(
      this.leader,
      typeof command === "string" ? ["sh", "-c", command] : command,
      options,
    );
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? RUN_MS_MAX);
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code, signal] = await once(child, "close");
    clearTimeout(timer);
    const [stdout, stderr] = await output;
    return { code: code ?? signal, stdout, stderr };
  }

  /** Runs a command that is to succeed. @returns its standard output @throws Error with all it said */
  async must(command: readonly string[] | string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, options);
    if (code === 0) return stdout;
    const told = typeof command === "string" ? command : command.join(" ");
    throw new Error(`${this.name}: ${told} ended with ${code}:\n${stdout}${stderr}`);
  }

  /** Writes a file, with the folders above it. */
  async write(path: string, content: string | Buffer, as: WrittenAs = {}): Promise<void> {
    const file = this.path(path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, as.mode ?? 0o644);
    if (as.uid !== undefined) await chown(file, as.uid, as.uid);
  }

  async read(path: string): Promise<string> {
    return await readFile(this.path(path), "utf8");
  }

  async exists(path: string): Promise<boolean> {
    return existsSync(this.path(path));
  }

  /** Names of all files below a folder, relative to it, sorted; none if it is not there. */
  async files(path: string): Promise<string[]> {
    const folder = this.path(path);
    if (!existsSync(folder)) return [];
    const names: string[] = [];
    for await (const file of filesBelow(folder)) names.push(relative(folder, file.path.toString()));
    return names.sort();
  }

  /** Properties of a unit, as `systemctl show` tells them. */
  async unit(unit: string, ...names: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const shown = await this.must(["systemctl", "show", `--property=${names.join(",")}`, unit]);
    const pairs = [...shown.matchAll(/^([^=\n]+)=(.*)$/gm)];
    return Object.fromEntries(pairs.map(([, name = "", value = ""]) => [name, value]));
  }

  /** Its journal so far, over all its boots. */
  get entries(): readonly JournalEntry[] {
    this.#assertWhole();
    return this.#entries;
  }

  /** The records of its agents so far. */
  get records(): readonly AgentRecord[] {
    return this.entries.map(({ record }) => record).filter((record) => record !== undefined);
  }

  /** The first record of all that fits, if need be one that is still to come. */
  async first(
    fits: (record: AgentRecord) => boolean,
    options: WaitOptions = {},
  ): Promise<AgentRecord> {
    const isIt = ({ record }: JournalEntry) => record !== undefined && fits(record);
    return (await this.#find(0, isIt, options)).record as AgentRecord;
  }

  /** The first record that fits after the one that `next` gave last. */
  async next(
    fits: (record: AgentRecord) => boolean,
    options: WaitOptions = {},
  ): Promise<AgentRecord> {
    const isIt = ({ record }: JournalEntry) => record !== undefined && fits(record);
    const entry = await this.#find(this.#seen, isIt, options);
    this.#seen = this.#entries.indexOf(entry) + 1;
    return entry.record as AgentRecord;
  }

  /** From now on `next` gives records that are still to come. */
  skip(): void {
    this.#seen = this.#entries.length;
  }

  /** The first entry of the journal that fits, whoever wrote it. */
  async entry(
    fits: (entry: JournalEntry) => boolean,
    options: WaitOptions = {},
  ): Promise<JournalEntry> {
    return await this.#find(0, fits, options);
  }

  /**
   * Waits until a check gives something else than undefined or false. It is asked again at every
   * entry of the journal, and a few times a second for what the journal does not tell.
   * @throws Error with `what` and the last entries, if that takes too long
   */
  async until<T>(
    what: string,
    check: () => Promise<T | undefined | false> | T | undefined | false,
    options: WaitOptions = {},
  ): Promise<T> {
    const giveUpAt = performance.now() + (options.timeoutMs ?? WAIT_MS_MAX);
    for (;;) {
      const arrived = this.#onEntry.promise;
      const found = await check();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > giveUpAt) throw this.#late(what);
      await Promise.race([arrived, delay(POLL_MS)]);
    }
  }

  /** Ends the host and removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    await rm(dirname(this.root), { recursive: true, force: true });
  }

  async #stop(verb: "poweroff" | "reboot"): Promise<number | string | undefined> {
    const container = this.#container;
    await this.run(["systemctl", "--no-block", verb]);
    const timer = setTimeout(() => void container?.kill(), RUN_MS_MAX);
    const ended = await container?.ended;
    clearTimeout(timer);
    await this.#off();
    return ended;
  }

  async #off(): Promise<void> {
    const follower = this.#follower;
    this.#container = undefined;
    this.#follower = undefined;
    if (follower === undefined || follower.exitCode !== null) return;
    const closed = once(follower, "close");
    follower.kill("SIGKILL");
    if (follower.signalCode === null) await closed;
  }

  /** Reads the journal from where it was read last. */
  #follow(): void {
    const last = this.#entries.at(-1)?.cursor;
    const from = last === undefined ? ["--no-tail"] : ["--no-tail", `--after-cursor=${last}`];
    // The tool of this machine: a process in the host would be one that its shutdown waits for.
    const child = endAtLast(
      spawn(
        "journalctl",
        [
          ...["--directory", this.path("/var/log/journal"), "--output=json", "--all", "--quiet"],
          ...["--follow", `--output-fields=${JOURNAL_FIELDS.join(",")}`, ...from],
        ],
        { stdio: ["ignore", "pipe", "inherit"] },
      ),
    );
    this.#follower = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      try {
        this.#entries.push(parseEntry(line));
      } catch (error) {
        this.#broken ??= error;
      }
      const { resolve } = this.#onEntry;
      this.#onEntry = Promise.withResolvers();
      resolve();
    });
  }

  async #find(
    from: number,
    fits: (entry: JournalEntry) => boolean,
    { timeoutMs = WAIT_MS_MAX }: WaitOptions,
  ): Promise<JournalEntry> {
    const giveUpAt = performance.now() + timeoutMs;
    for (let at = from; ; ) {
      const arrived = this.#onEntry.promise;
      this.#assertWhole();
      for (; at < this.#entries.length; at += 1) {
        const entry = this.#entries[at];
        if (entry !== undefined && fits(entry)) return entry;
      }
      const left = giveUpAt - performance.now();
      if (left <= 0) throw this.#late("an entry of the journal that fits");
      const giveUp = new AbortController();
      const late = delay(left, undefined, { signal: giveUp.signal }).catch(() => undefined);
      await Promise.race([arrived, late]);
      giveUp.abort();
    }
  }

  #assertWhole(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  #late(what: string): Error {
    return new Error(`${this.name}: waited in vain for ${what}; ${endOf(this.#entries)}`);
  }
}
