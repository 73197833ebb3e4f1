import { openDatagramSender } from "./kernel.ts";

/**
 * The service manager that started this process, as systemd does (sd_notify(3)): what it is told.
 * Without one, as on a terminal, telling does nothing. INVARIANTS:
 *
 * - Nothing here throws or waits: a manager that does not listen is no reason to move no files.
 * - What changes the state (ready, reloading, stopping) and the last status arrive in order, and
 *   are kept and sent again with whatever is said next, as long as the manager's queue is full.
 */
export interface ServiceManager extends Disposable {
  /** Whether there is a service manager that listens. */
  readonly isThere: boolean;
  /** It kills a service that it has not heard of for so many milliseconds; undefined: never. */
  readonly watchdogMs: number | undefined;
  /** The service has started, or has ended its reload. */
  ready(): void;
  /** How the service is, in one line for people; cut at STATUS_LENGTH_MAX. */
  status(text: string): void;
  /** The service is alive. */
  watchdog(): void;
  /** The service reads its configuration again; `ready` ends that. */
  reloading(): void;
  /** The service is about to end. */
  stopping(): void;
  /** Starting, reloading or stopping takes so many milliseconds more, from now on. */
  extendTimeout(ms: number): void;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The longest status; `systemctl status` shows a line, and a message may hold 4 KiB. */
export const STATUS_LENGTH_MAX = 200;

/** What the service manager tells a service, and nobody else is to know. */
const VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const;

/** The environment for this process's children: they have nothing to say to the service manager. */
export function withoutServiceManager(env: Environment): Environment {
  const rest: Record<string, string | undefined> = { ...env };
  for (const name of VARIABLES) delete rest[name];
  return rest;
}

/**
 * The service manager that the environment names by `NOTIFY_SOCKET` (sd_notify(3)), and how often
 * it wants to hear by `WATCHDOG_USEC`, if `WATCHDOG_PID` is this process or nobody in particular
 * (sd_watchdog_enabled(3)).
 * @param options for tests: what sends, this process's id, microseconds of CLOCK_MONOTONIC
 */
export function findServiceManager(
  env: Environment,
  options: {
    readonly open?: (address: string) => { send(text: string): void } & Disposable;
    readonly pid?: number;
    readonly monotonicUs?: () => bigint;
  } = {},
): ServiceManager {
  const {
    open = openDatagramSender,
    pid = process.pid,
    // Node's own clock of the monotonic kind is the kernel's, from its start.
    monotonicUs = () => process.hrtime.bigint() / 1_000n,
  } = options;
  const address = env["NOTIFY_SOCKET"];
  if (!address) return NOBODY;
  try {
    const watchdogMs = watchdogMsOf(env, pid);
    return new Notifier(open(address), { watchdogMs, monotonicUs });
  } catch {
    // An address of a kind that is not known here (vsock), or no descriptor: nobody to be told.
    return NOBODY;
  }
}

/** @returns undefined: the manager does not watch, or another process */
function watchdogMsOf(env: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
  if (watched !== undefined && watched !== "" && watched !== String(pid)) return undefined;
  if (usec === undefined || !/^\d+$/.test(usec)) return undefined;
  const ms = Number(usec) / 1_000;
  return ms > 0 && Number.isSafeInteger(Number(usec)) ? ms : undefined;
}

const NOBODY: ServiceManager = {
  isThere: false,
  watchdogMs: undefined,
  ready() {},
  status() {},
  watchdog() {},
  reloading() {},
  stopping() {},
  extendTimeout() {},
  [Symbol.dispose]() {},
};

/** A state that did not get through stays for the next message; there are few of them. */
const UNSENT_MAX = 16;

class Notifier implements ServiceManager {
  readonly isThere = true;
  readonly watchdogMs: number | undefined;
  readonly #sender: { send(text: string): void } & Disposable;
  readonly #monotonicUs: () => bigint;
  /** States that the manager's queue had no room for, in order. */
  #unsent: readonly string[] = [];
  #unsentStatus: string | undefined;

  constructor(
    sender: { send(text: string): void } & Disposable,
    options: { readonly watchdogMs: number | undefined; readonly monotonicUs: () => bigint },
  ) {
    this.#sender = sender;
    this.watchdogMs = options.watchdogMs;
    this.#monotonicUs = options.monotonicUs;
  }

  ready(): void {
    this.#state("READY=1");
  }

  status(text: string): void {
    this.#unsentStatus = `STATUS=${oneLine(text)}`;
    this.#flush();
  }

  watchdog(): void {
    this.#passing("WATCHDOG=1");
  }

  reloading(): void {
    // The time is that of the beginning, wherever the message waits (sd_notify(3)).
    this.#state(`RELOADING=1\nMONOTONIC_USEC=${this.#monotonicUs()}`);
  }

  stopping(): void {
    this.#state("STOPPING=1");
  }

  extendTimeout(ms: number): void {
    this.#passing(`EXTEND_TIMEOUT_USEC=${Math.max(1, Math.round(ms * 1_000))}`);
  }

  [Symbol.dispose](): void {
    this.#flush();
    this.#sender[Symbol.dispose]();
  }

  #state(text: string): void {
    this.#unsent = [...this.#unsent, text].slice(-UNSENT_MAX);
    this.#flush();
  }

  /** What is said again and again need not be kept. */
  #passing(text: string): void {
    if (this.#flush()) this.#send(text);
  }

  /** @returns whether nothing is left to be sent */
  #flush(): boolean {
    while (this.#unsent[0] !== undefined) {
      if (!this.#send(this.#unsent[0])) return false;
      this.#unsent = this.#unsent.slice(1);
    }
    if (this.#unsentStatus !== undefined) {
      if (!this.#send(this.#unsentStatus)) return false;
      this.#unsentStatus = undefined;
    }
    return true;
  }

  #send(text: string): boolean {
    try {
      this.#sender.send(text);
      return true;
    } catch {
      return false;
    }
  }
}

/** A line that a terminal can show, of STATUS_LENGTH_MAX characters at the most. */
function oneLine(text: string): string {
  const line = text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .toWellFormed();
  const characters = [...line];
  if (characters.length <= STATUS_LENGTH_MAX) return line;
  return `${characters.slice(0, STATUS_LENGTH_MAX - 1).join("")}…`;
}
