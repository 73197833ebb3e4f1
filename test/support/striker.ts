import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { PlannedStrike } from "./fault-plan.ts";
import type { Oracle } from "./oracle.ts";

/** What a hostile writer can do to a file. Times that are restored are those of the content. */
export const STRIKES = [
  "append",
  "append-restore-mtime",
  "rewrite-in-place",
  "mmap-write",
  "truncate",
  "delete",
  "delete-recreate",
  "replace-by-rename",
  /** Makes a new file under the name; misses if the name is taken. */
  "take-name",
  /** Makes a link at `to` and appends through it. */
  "hardlink",
  /** Moves the file to `to`; a link to a stranger's file takes its name. */
  "swap-for-symlink",
  /** The same with the directory of the file. */
  "swap-directory-for-symlink",
  "rename-away",
  "chmod-000",
  "touch-old",
  /** Opens for writing, to append and close at the order `write-and-close`. */
  "open",
  "write-and-close",
  /** Remembers the file at the path, for blows by descriptor. Is not noticed by a lease. */
  "watch",
] as const;

export interface Order {
  readonly kind: (typeof STRIKES)[number];
  /** The name that the producer gave the file: absolute. */
  readonly path: string;
  /** `descriptor`: at the file that was watched, whatever its name is now. */
  readonly via?: "path" | "descriptor";
  /** A path that is free, on the same filesystem, where a kind needs one. */
  readonly to?: string;
}

/** What became of an order. */
export interface Blow {
  readonly id: string;
  readonly kind: string;
  readonly path: string;
  readonly closed: readonly { readonly path: string; readonly content: Buffer }[];
  readonly abandoned: readonly { readonly path: string; readonly content: Buffer }[];
  /** Why it came to nothing: what it was aimed at is not there. */
  readonly missed: string | undefined;
}

/** The hostile writer: another process, which strikes when a test or a fault plan says so. */
export interface Striker extends AsyncDisposable {
  /** Strikes now. @throws Error if the blow itself fails otherwise than by a miss */
  strike(order: Order): Promise<Blow>;
  /** A strike for a `FaultPlan`, each time another one. */
  plan(order: Order): PlannedStrike;
  /** Resolves when a planned strike has happened; the same as `strike` otherwise. */
  blow(planned: PlannedStrike): Promise<Blow>;
}

const SCRIPT = fileURLToPath(new URL("./striker.py", import.meta.url));

/**
 * Starts a striker, which ends with this process.
 * @param folder an existing directory for its FIFOs, not below a watched one
 * @param oracle is told what each blow closes and takes away
 */
export async function startStriker(folder: string, oracle: Oracle): Promise<Striker> {
  const orders = join(folder, "striker-orders");
  const answers = join(folder, "striker-answers");
  await promisify(execFile)("mkfifo", [orders, answers]);
  const child = spawn("python3", ["-I", SCRIPT, orders, answers], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const blows = new Map<string, PromiseWithResolvers<Blow>>();
  const blowOf = (id: string) => {
    const blow = blows.get(id) ?? Promise.withResolvers<Blow>();
    blows.set(id, blow);
    return blow;
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { failed, ...report } = JSON.parse(line);
    const blow = readBlow(report);
    for (const { path, content } of blow.abandoned) oracle.abandoned(path, content);
    for (const { path, content } of blow.closed) oracle.closed(path, content);
    const waiting = blowOf(blow.id);
    if (failed === undefined) waiting.resolve(blow);
    else waiting.reject(new Error(`the blow ${blow.kind} failed: ${failed}`));
  });
  const ended = once(child, "close").then(() => {
    for (const { reject } of blows.values()) reject(new Error("the striker has ended"));
  });
  ended.catch(() => {});
  let count = 0;
  const withId = (order: Order) => {
    count += 1;
    const id = `${count}`;
    // Whoever waits for it gets the error; nobody has to.
    blowOf(id).promise.catch(() => {});
    return { id, ...order };
  };
  await blowOf("ready").promise;
  return {
    strike(order) {
      const numbered = withId(order);
      child.stdin.write(`${JSON.stringify(numbered)}\n`);
      return blowOf(numbered.id).promise;
    },
    plan: (order) => ({ orders, answers, order: withId(order) }),
    blow: ({ order }) => blowOf(order.id).promise,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

interface Report {
  readonly id: string;
  readonly kind: string;
  readonly path: string;
  readonly closed?: readonly { readonly path: string; readonly content: string }[];
  readonly abandoned?: readonly { readonly path: string; readonly content: string }[];
  readonly missed?: string;
}

function readBlow({ id, kind, path, closed = [], abandoned = [], missed }: Report): Blow {
  const decode = (all: NonNullable<Report["closed"]>) =>
    all.map((one) => ({ path: one.path, content: Buffer.from(one.content, "base64") }));
  return { id, kind, path, missed, closed: decode(closed), abandoned: decode(abandoned) };
}
