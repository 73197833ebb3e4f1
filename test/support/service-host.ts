import { fileURLToPath } from "node:url";
import type { LocalAws } from "../../tools/local-aws.ts";
import { type FaultPlan, HOOK_ARGUMENTS, planEnvironment } from "./fault-plan.ts";
import { makeHost, type RunningAgent, type RunOptions, type TestHost } from "./host.ts";
import { type NotifyReceiver, receiveNotices } from "./notify-receiver.ts";

const HURRIED_TIME = fileURLToPath(new URL("./hurried-time.ts", import.meta.url));

/** How fast the time of an agent runs that is to wait for minutes. */
const HURRY = 30;

/** What the unit says: WatchdogSec=30. */
export const WATCHDOG_MS = 30_000;

/** A host whose service manager listens. */
export interface ServiceHost extends AsyncDisposable {
  readonly host: TestHost;
  readonly manager: NotifyReceiver;
  /**
   * Starts the daemon as the service manager does.
   * @param options.isHurried its time runs fast; `plan`: what is to go wrong in it
   */
  start(
    options?: RunOptions & { readonly isHurried?: boolean; readonly plan?: Partial<FaultPlan> },
  ): RunningAgent;
  /** Resolves when a status comes that fits. */
  status(fits: RegExp): Promise<string>;
  /** Resolves when the watchdog of an agent in fast time has run out. */
  expired(): Promise<void>;
}

/** @param options.isAbstract the socket has an abstract name */
export async function makeServiceHost(
  aws: LocalAws,
  parameters: Readonly<Record<string, string | undefined>>,
  { isAbstract = false } = {},
): Promise<ServiceHost> {
  const host = await makeHost(aws, parameters);
  const manager = await receiveNotices(`${isAbstract ? "@" : ""}${host.folder}/notify`);
  return {
    host,
    manager,
    start({ isHurried = false, plan, ...options } = {}) {
      const whole = plan && { under: [host.watched], ...plan };
      return host.start({
        ...options,
        nodeArguments: [
          ...(whole ? HOOK_ARGUMENTS : []),
          ...(isHurried ? ["--import", HURRIED_TIME] : []),
        ],
        env: {
          NOTIFY_SOCKET: manager.address,
          WATCHDOG_USEC: `${WATCHDOG_MS * 1_000}`,
          ...(isHurried ? { HURRY: `${HURRY}` } : {}),
          ...(whole ? planEnvironment(whole) : {}),
          ...options.env,
        },
      });
    },
    async status(fits) {
      const { text } = await manager.next(
        (one) => one.startsWith("STATUS=") && fits.test(one.slice("STATUS=".length)),
      );
      return text.slice("STATUS=".length);
    },
    expired: () => manager.expired(WATCHDOG_MS / 1_000 / HURRY),
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}
