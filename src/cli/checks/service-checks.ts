import type { Examination } from "../../agent/examination.ts";
import type { Bootstrap } from "../../config/bootstrap.ts";
import type { Config } from "../../config/config.ts";
import type { Clock } from "../../lib/clock.ts";
import { type Checked, checked, ok } from "./check.ts";
import { callerVerdict, credentialsVerdict } from "./credential-checks.ts";
import { logChecks } from "./log-checks.ts";
import {
  type KnownParameters,
  parameterStoreChecks,
  parametersVerdict,
} from "./parameter-checks.ts";
import type { PolicyPlace } from "./policy.ts";
import { offsetVerdict } from "./time-checks.ts";

/** Checks of services that are under way. None of the promises rejects. */
export interface ServiceChecks {
  readonly time: Promise<Checked>;
  /** Credentials, and what each service allows them, from the ground up. */
  readonly access: readonly Promise<Checked>[];
  readonly logs: readonly Promise<Checked>[];
  /** Undefined: doctor was stopped. */
  readonly parameters: Promise<KnownParameters | undefined>;
  readonly last: Promise<Config | undefined>;
  /** For policies. */
  place(): Promise<PolicyPlace>;
}

/** Asks all services at once what does not depend on each other: one that is silent holds up no other. */
export function beginServiceChecks(
  examination: Examination,
  { parameterRoot, fleet }: Bootstrap,
  clock: Clock,
): ServiceChecks {
  const calling = examination.caller();
  const place = async (): Promise<PolicyPlace> => {
    const caller = await calling;
    const account = caller.kind === "answered" ? caller.answer.account : undefined;
    return { region: await examination.region(), account };
  };
  const credentials = checked({
    name: "credentials",
    async run() {
      const found = await examination.credentials();
      return found === undefined ? ok("read") : credentialsVerdict(found, clock.now());
    },
  });
  const whose = checked({ name: "identity", run: async () => callerVerdict(await calling) });
  const store = parameterStoreChecks(examination, place).map(checked);
  const group = `${parameterRoot}/${fleet}`;
  const logs = logChecks(examination, [group, `${group}/files`], place).map(checked);
  const last = examination.lastConfig();
  const parameters = readParameters(examination, last, clock).catch(() => undefined);
  const access = [credentials, whose, ...store];
  // Every answer bears the time, so this waits for all of them.
  const time = Promise.all([...access, ...logs, parameters]).then(() =>
    checked({
      name: "time",
      about: "AWS",
      run: async () => offsetVerdict(examination.clockOffsetMs),
    }),
  );
  return { time, access, logs, parameters, last, place };
}

async function readParameters(
  examination: Examination,
  last: Promise<Config | undefined>,
  clock: Clock,
): Promise<KnownParameters> {
  const read = await examination.readParameters();
  const about = { path: examination.paths.fleet, now: clock.now() };
  if (read.kind === "failed") return parametersVerdict(read, await last, about);
  const resolved = examination.resolve(read.answer, clock.now());
  const answer = { resolved, isEmpty: read.answer.fleet.length === 0 };
  return parametersVerdict({ kind: "answered", answer }, await last, about);
}
