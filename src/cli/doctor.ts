import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import { BOOTSTRAP_FILE_DEFAULT, type Bootstrap } from "../config/bootstrap.ts";
import type { Finding } from "../host/finding.ts";
import { systemClock } from "../lib/clock.ts";
import { AgentError, ExitCode, messageOf } from "../lib/errors.ts";
import { openWatchedDirectory } from "../sweep/watched-directory.ts";
import { type Check, ok, problem, type Verdict, verdictOf, warning } from "./checks/check.ts";
import { directoryChecks } from "./checks/directory-checks.ts";
import { stateChecks } from "./checks/state-checks.ts";
import type { CommandContext, CommonOptions } from "./context.ts";
import { readHost } from "./read-host.ts";
import { startAgent } from "./start-agent.ts";
import { printable } from "./text.ts";

/** The parameters are waited for so long; the other checks do not need them. */
const PARAMETERS_MS_MAX = 20_000;

type Checked = Omit<Check, "run"> & Verdict;

/**
 * `doctor`: checks what the agent needs of this host, and says what to do about what is missing.
 * It leaves everything as it was and may run beside an agent.
 * @returns 1 if there is a problem; warnings are none
 */
export async function doctor(options: CommonOptions, context: CommandContext): Promise<ExitCode> {
  const checked: Checked[] = [];
  const isJson = options.json === true;
  for await (const one of runChecks(options, context)) {
    checked.push(one);
    if (!isJson) context.stdout.write(printableLines(one));
  }
  const isWell = checked.every(({ verdict }) => verdict !== "problem");
  if (isJson) {
    const answer = { isWell, uid: process.geteuid?.(), checks: checked };
    context.stdout.write(`${JSON.stringify(answer)}\n`);
  } else {
    const count = (kind: Verdict["verdict"]) =>
      checked.filter(({ verdict }) => verdict === kind).length;
    const counts = `${count("ok")} ok, ${count("warning")} warnings, ${count("problem")} problems`;
    context.stdout.write(`${counts}, as user ${process.geteuid?.()}\n`);
  }
  return isWell ? ExitCode.done : ExitCode.failed;
}

/** Each check is done when the one before it has been told. */
async function* runChecks(
  options: CommonOptions,
  context: CommandContext,
): AsyncGenerator<Checked> {
  const run = async (check: Check): Promise<Checked> => {
    const { name, about } = check;
    return { name, ...(about === undefined ? {} : { about }), ...(await verdictOf(check)) };
  };
  let bootstrap: Bootstrap | undefined;
  let findings: readonly Finding[] = [];
  yield await run({
    name: "bootstrap file",
    about: options.config ?? BOOTSTRAP_FILE_DEFAULT,
    async run() {
      const read = await readHost(options, context);
      bootstrap = read.bootstrap;
      findings = read.host.findings;
      return ok(`fleet ${bootstrap.fleet}, host ${bootstrap.hostId} (${read.host.idSource})`);
    },
  });
  // Without it nobody knows what else to look at.
  if (bootstrap === undefined) return;
  for (const { kind, message, wayOut } of findings) {
    yield await run({ name: "host id", about: kind, run: async () => warning(message, wayOut) });
  }
  const { workingDirectory, stop } = context;
  for (const check of await stateChecks(
    resolve(workingDirectory, bootstrap.stateDirectory),
    systemClock,
  )) {
    yield await run(check);
  }

  let configured: readonly string[] | undefined;
  yield await run({
    name: "parameters",
    about: `${bootstrap.parameterRoot}/fleets/${bootstrap.fleet}`,
    async run() {
      const read = await readDirectories(options, context);
      if (!Array.isArray(read)) return read as Verdict;
      configured = read;
      return ok(`watched: ${read.join(", ")}`);
    },
  });
  const places = await placesOf(bootstrap, configured, workingDirectory);
  for (const { path, isWatched } of places) {
    let checks: readonly Check[] = [];
    await using opened = new AsyncDisposableStack();
    const opening = await run({
      name: "directory",
      about: path,
      async run() {
        const directory = await openWatchedDirectory({
          directory: path,
          allowedRoots: bootstrap?.allowedRoots ?? [],
          workingDirectory,
          isReadOnly: true,
        });
        opened.use(directory);
        if (isWatched) checks = directoryChecks(directory, { clock: systemClock, stop });
        return ok(isWatched ? "there and readable" : "an allowed root, and not watched");
      },
    });
    // A root that holds no watched directory is nobody's need.
    yield isWatched || opening.verdict !== "problem" ? opening : { ...opening, verdict: "warning" };
    for (const check of checks) {
      if (stop.aborted) return;
      yield await run(check);
    }
  }
}

/** The directories that the parameters name; else the verdict on them. */
async function readDirectories(
  options: CommonOptions,
  context: CommandContext,
): Promise<readonly string[] | Verdict> {
  let agent: Agent | undefined;
  try {
    ({ agent } = await startAgent(options, context, []));
    const signal = AbortSignal.any([context.stop, AbortSignal.timeout(PARAMETERS_MS_MAX)]);
    const { routes } = await agent.readConfig(signal);
    return routes.map(({ settings }) => settings.directory);
  } catch (error) {
    if (error instanceof AgentError && error.exitCode === ExitCode.configuration) {
      return problem(error.message, error.hint);
    }
    const hint =
      error instanceof AgentError ? error.hint : "See whether the network lets SSM answer.";
    return warning(`${messageOf(error)} The allowed roots are looked at instead.`, hint);
  } finally {
    await agent?.stop();
  }
}

/**
 * The directories to look at. Those that are watched are looked at thoroughly, and the allowed
 * roots beside them only for being there: they may hold anything. While nobody knows which ones are
 * watched, any root may be.
 */
async function placesOf(
  { allowedRoots }: Bootstrap,
  configured: readonly string[] | undefined,
  workingDirectory: string,
): Promise<readonly { readonly path: string; readonly isWatched: boolean }[]> {
  const asked = (path: string) => resolve(workingDirectory, path);
  if (configured === undefined) {
    return allowedRoots.map((path) => ({ path: asked(path), isWatched: true }));
  }
  const real = async (path: string) => await realpath(asked(path)).catch(() => asked(path));
  const watched = await Promise.all(configured.map(real));
  const others: { path: string; isWatched: boolean }[] = [];
  for (const root of allowedRoots) {
    if (!watched.includes(await real(root))) others.push({ path: asked(root), isWatched: false });
  }
  return [...configured.map((path) => ({ path: asked(path), isWatched: true })), ...others];
}

function printableLines(checked: Checked): string {
  const { name, about, verdict } = checked;
  const what = about === undefined ? name : `${name}, ${about}`;
  const word = verdict === "ok" ? "ok" : verdict.toUpperCase();
  if (checked.verdict === "ok")
    return `${printable(`${word.padEnd(8)} ${what}: ${checked.detail}`)}\n`;
  return `${printable(`${word.padEnd(8)} ${what}: ${checked.reason}`)}\n  way out: ${printable(checked.wayOut)}\n`;
}
