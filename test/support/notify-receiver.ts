import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";

const RECEIVER = fileURLToPath(new URL("./notify-receiver.py", import.meta.url));

/** One datagram of sd_notify(3), and the process that sent it. */
export interface Notice {
  readonly pid: number;
  readonly text: string;
}

/** A service manager that only listens. */
export interface NotifyReceiver extends AsyncDisposable {
  /** What NOTIFY_SOCKET is to be. */
  readonly address: string;
  /** All that came so far. */
  readonly notices: readonly Notice[];
  /** The texts of all that came so far. */
  readonly texts: readonly string[];
  /** The next notice that fits, from those that nobody awaited yet on. @throws Error if it ends before */
  next(fits: (text: string) => boolean): Promise<Notice>;
  /** Reads nothing, so that the kernel's queue of it runs full, or reads on. */
  order(what: "pause" | "resume"): Promise<void>;
  /** Resolves when the process has not fed the watchdog for so many seconds, from now on. */
  expired(seconds: number): Promise<void>;
}

/** Listens at a path, or at `@` and an abstract name. */
export async function receiveNotices(address: string): Promise<NotifyReceiver> {
  const child = startChild("python3", ["-u", RECEIVER, address]);
  const notices: Notice[] = [];
  const orders: string[] = [];
  let isEnded = false;
  let woken = Promise.withResolvers<void>();
  const wake = () => {
    const { resolve } = woken;
    woken = Promise.withResolvers();
    resolve();
  };
  const bound = await child.line();
  if (bound === undefined) throw new Error(`nobody can listen at ${address}`);
  const reading = (async () => {
    for (let line = await child.line(); line !== undefined; line = await child.line()) {
      const said = JSON.parse(line);
      if ("order" in said) orders.push(said.order);
      else notices.push(said);
      wake();
    }
    isEnded = true;
    wake();
  })();
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (isEnded) throw new Error("the receiver of notices has ended");
      await woken.promise;
    }
  };
  let seen = 0;
  return {
    address,
    notices,
    get texts() {
      return notices.map(({ text }) => text);
    },
    async next(fits) {
      return await until(() => {
        for (; seen < notices.length; ) {
          const notice = notices[seen];
          seen += 1;
          if (notice !== undefined && fits(notice.text)) return notice;
        }
        return undefined;
      });
    },
    async order(what) {
      const before = orders.length;
      child.say(what);
      await until(() => (orders.length > before ? true : undefined));
    },
    async expired(seconds) {
      child.say(`watch ${seconds}`);
      await until(() => (orders.at(-1) === "expired" ? true : undefined));
    },
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]();
      await reading;
    },
  };
}
