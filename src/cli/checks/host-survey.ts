import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BeatFile } from "../../agent/beat-file.ts";
import { Examination } from "../../agent/examination.ts";
import {
  BOOTSTRAP_FILE_DEFAULT,
  type Bootstrap,
  type LocalBootstrap,
  readBootstrap,
} from "../../config/bootstrap.ts";
import type { Config } from "../../config/config.ts";
import type { Host } from "../../host/resolve-host.ts";
import { systemClock } from "../../lib/clock.ts";
import { isErrno } from "../../lib/errors.ts";
import type { CommandContext, CommonOptions } from "../context.ts";
import { findDaemon } from "../daemon-status.ts";
import { readHost } from "../read-host.ts";
import { bucketVerdict } from "./bucket-checks.ts";
import { writeVerdict } from "./bucket-write.ts";
import { type Check, type Checked, checked, checkedFor, ok } from "./check.ts";
import { daemonVerdict, heartbeatVerdict, recordsVerdict } from "./daemon-checks.ts";
import { findingChecks, hostDetail, regionCheck, regionOrigin } from "./host-checks.ts";
import { inEffectVerdict } from "./parameter-checks.ts";
import { placeChecks } from "./place-checks.ts";
import { beginServiceChecks, type ServiceChecks } from "./service-checks.ts";
import { stateChecks } from "./state-checks.ts";
import { ntpCheck } from "./time-checks.ts";
import { unitCheck } from "./unit-check.ts";
import { unitUid } from "./unit-facts.ts";
import { bootstrapAgeVerdict, writeAccessChecks } from "./write-access-checks.ts";

export interface DoctorOptions extends CommonOptions {
  /** Put a tiny object where each route's objects go. */
  readonly write?: boolean;
}

/** Who the host is, as far as that could be found out. */
interface Known {
  readonly bootstrap: Bootstrap;
  readonly host: Host;
}

/**
 * All checks, from the ground up: the host, its state, its clock, AWS, the directories, the
 * buckets, the daemon. What one of them does not find out keeps only those from being done that
 * could ask nothing without it. Each is done when the one before it has been told.
 */
export async function* surveyHost(
  options: DoctorOptions,
  context: CommandContext,
): AsyncGenerator<Checked> {
  const { env, workingDirectory, stop } = context;
  const file = options.config ?? BOOTSTRAP_FILE_DEFAULT;
  const { done: read, found: local } = await checkedFor({
    name: "bootstrap file",
    about: file,
    async run() {
      return { found: readBootstrap({ file: options.config, env }), verdict: ok("as it must be") };
    },
  });
  yield read;
  // Without it nobody knows what else to look at.
  if (local === undefined) return;

  const { done: asked, found: known } = await checkedFor<Known>({
    name: "host",
    async run() {
      const found = await readHost(options, context);
      return { found, verdict: ok(hostDetail(found.host)) };
    },
  });
  yield asked;
  for (const check of findingChecks(known?.host.findings ?? [])) yield await checked(check);

  const stateDirectory = resolve(workingDirectory, local.stateDirectory);
  await using opened = new AsyncDisposableStack();
  const { region, examination } = await startExamination(context, { local, known, stateDirectory });
  if (examination !== undefined) opened.use(examination);
  const services =
    examination === undefined || known === undefined
      ? undefined
      : beginServiceChecks(examination, known.bootstrap, systemClock);

  for (const check of await stateChecks(stateDirectory, systemClock, () => unitUid(env)))
    yield await checked(check);
  yield await checked(ntpCheck(env));
  if (region !== undefined) yield region;
  if (services !== undefined) yield* accessChecks(services);
  const parameters = await services?.parameters;
  if (stop.aborted) return;
  const fleet = known?.bootstrap.fleet ?? local.fleet;
  const daemon = await findDaemon({ stateDirectory, fleet, env });
  if (parameters !== undefined) {
    yield await checked({
      name: "parameters",
      about: `${local.parameterRoot}/fleets/${fleet}`,
      run: async () => parameters.verdict,
    });
  }
  const config = parameters?.config;
  const now = systemClock.now();
  yield await checked({
    name: "configuration",
    run: async () => inEffectVerdict(daemon, parameters?.resolved, await services?.last, now),
  });
  for (const log of services?.logs ?? []) yield await log;
  const { allowedRoots } = local;
  yield* placeChecks({ allowedRoots, config, workingDirectory, stateDirectory, stop });
  if (stop.aborted) return;
  if (examination !== undefined && services !== undefined && known !== undefined) {
    const about = { config, isWrite: options.write === true, stop };
    yield* bucketChecks(examination, services, { ...about, bootstrap: known.bootstrap });
  }
  yield await checked(unitCheck(stateDirectory, env));
  const absolute = resolve(workingDirectory, file);
  const unitHost = { systemRoot: "/", env };
  for (const check of await writeAccessChecks(local, absolute, unitHost))
    yield await checked(check);
  yield await checked({ name: "daemon", run: async () => daemonVerdict(daemon, now) });
  yield await checked({
    name: "bootstrap file in effect",
    about: file,
    async run() {
      const stats = await stat(absolute).catch(() => undefined);
      return bootstrapAgeVerdict(daemon, stats?.mtimeMs);
    },
  });
  yield await checked({ name: "log records", run: async () => recordsVerdict(daemon) });
  yield await checked({
    name: "heartbeat",
    async run() {
      // Who may not enter it would be told that there was none.
      await stat(`${stateDirectory}/.`).catch((error: unknown) => {
        if (!isErrno(error, "ENOENT")) throw error;
      });
      return heartbeatVerdict(daemon, (await new BeatFile(stateDirectory).read())?.slot, now);
    },
  });
}

async function startExamination(
  { env, stop }: CommandContext,
  about: {
    readonly local: LocalBootstrap;
    readonly known: Known | undefined;
    readonly stateDirectory: string;
  },
): Promise<{
  readonly region: Checked | undefined;
  readonly examination: Examination | undefined;
}> {
  const { known, local, stateDirectory } = about;
  if (known === undefined) return { region: undefined, examination: undefined };
  const { bootstrap, host } = known;
  const { done, found } = await checkedFor({
    name: "region",
    async run() {
      const clock = systemClock;
      const random = Math.random;
      const place = { bootstrap, stateDirectory, env, clock, random, stop };
      const examination = await Examination.start(place);
      const check = regionCheck(() => examination.region(), regionOrigin(env, local, host));
      return { found: examination, verdict: await check.run() };
    },
  });
  return { region: done, examination: found };
}

async function* accessChecks({ time, access }: ServiceChecks): AsyncGenerator<Checked> {
  yield await time;
  for (const check of access) yield await check;
}

/** All at once: a network that is silent is waited for once. */
async function* bucketChecks(
  examination: Examination,
  { place }: ServiceChecks,
  about: {
    readonly config: Config | undefined;
    readonly bootstrap: Bootstrap;
    readonly isWrite: boolean;
    readonly stop: AbortSignal;
  },
): AsyncGenerator<Checked> {
  const { config, bootstrap, isWrite, stop } = about;
  const routes = config?.routes ?? [];
  const buckets = new Set(routes.map(({ settings }) => settings.bucket));
  const { hostId: host, fleet } = bootstrap;
  const looks: readonly Check[] = [...buckets].map((bucket) => ({
    name: "bucket",
    about: bucket,
    run: () => bucketVerdict(examination, bucket, stop),
  }));
  const writes: readonly Check[] = routes.map((route) => ({
    name: "bucket write",
    about: `route ${route.name}`,
    run: () => writeVerdict(examination, route, { host, fleet, now: systemClock.now(), place }),
  }));
  const begun = [...looks, ...(isWrite ? writes : [])].map(checked);
  for (const check of begun) yield await check;
}
