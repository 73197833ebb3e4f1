import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type AllowOptions, allow } from "../../src/cli/allow.ts";
import { DROP_IN_FILE } from "../../src/host/unit-drop-in.ts";
import { type CommandResult, inContext } from "./command.ts";

/**
 * A machine for `allow`, in a directory: bootstrap file, drop-in, and a `systemctl` that writes
 * down what it was told. The directories that are allowed are real ones of this machine.
 */
export class AllowPlace implements AsyncDisposable {
  readonly path: string;
  readonly file: string;
  readonly dropInFile: string;
  #env: Record<string, string> = {};

  private constructor(path: string) {
    this.path = path;
    this.file = join(path, "etc/agent.yaml");
    this.dropInFile = join(path, DROP_IN_FILE);
  }

  static async make(text?: string): Promise<AllowPlace> {
    const place = new AllowPlace(await mkdtemp(join(tmpdir(), "allow-")));
    for (const name of ["bin", "etc"]) await mkdir(join(place.path, name));
    if (text !== undefined) await writeFile(place.file, text);
    await place.systemctl("exit 0");
    return place;
  }

  /** What systemctl does once it has written down its arguments. */
  async systemctl(script: string): Promise<void> {
    const file = join(this.path, "bin/systemctl");
    await writeFile(file, `#!/bin/sh\necho "$*" >> ${this.path}/told\n${script}\n`);
    await chmod(file, 0o755);
  }

  /** Lets systemd run here (sd_booted(3)). */
  async boot(): Promise<void> {
    await this.write("run/systemd/system/.keep", "");
  }

  setEnv(env: Record<string, string>): void {
    this.#env = env;
  }

  at(name: string): string {
    return join(this.path, name);
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.at(name)), { recursive: true });
    await writeFile(this.at(name), text);
  }

  /** Makes a directory below this one. @returns its absolute path */
  async folder(name: string): Promise<string> {
    await mkdir(this.at(name), { recursive: true });
    return this.at(name);
  }

  async text(): Promise<string> {
    return await readFile(this.file, "utf8");
  }

  /** The lines of the drop-in below its section; undefined: there is no drop-in. */
  async binds(): Promise<readonly string[] | undefined> {
    const text = await readFile(this.dropInFile, "utf8").catch(() => undefined);
    return text?.split("\n").slice(2, -1);
  }

  /** What systemctl was told so far. */
  async told(): Promise<readonly string[]> {
    return (await readFile(this.at("told"), "utf8").catch(() => "")).split("\n").slice(0, -1);
  }

  async allow(
    directories: readonly string[],
    options: AllowOptions = {},
    euid = 0,
  ): Promise<CommandResult> {
    const given = { config: this.file, ...options };
    const host = { systemRoot: this.path, euid };
    return await inContext((context) => allow(directories, given, context, host), {
      env: { PATH: join(this.path, "bin"), ...this.#env },
      workingDirectory: this.path,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
