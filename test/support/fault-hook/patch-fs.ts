import fs from "node:fs";
import fsPromises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { never } from "./hang.ts";
import { type Operand, operandOf, operandOfFd, textOf } from "./operands.ts";
import { type Step, type Steps, systemError } from "./steps.ts";

/** Any function, for code that puts one in the place of another. */
export type Call = (this: unknown, ...args: unknown[]) => unknown;

/** Functions by name, for the same. */
export type Calls = Record<string, Call>;

/** The functions of `node:fs` whose first argument is a path. */
const BY_PATH = [
  ...["access", "appendFile", "chmod", "chown", "exists", "lchown", "lutimes", "lstat"],
  ...["mkdir", "mkdtemp", "open", "opendir", "readFile", "readdir", "readlink", "realpath"],
  ...["rm", "rmdir", "stat", "statfs", "truncate", "unlink", "utimes", "writeFile"],
];

/** Those with a path in the first two arguments. */
const BY_TWO_PATHS = ["copyFile", "link", "rename", "symlink"];

/** Those that work on a descriptor. A step is named as that of a FileHandle is. */
const BY_FD: Readonly<Record<string, string>> = {
  close: "close",
  fchmod: "chmod",
  fchown: "chown",
  fdatasync: "datasync",
  fstat: "stat",
  fsync: "sync",
  ftruncate: "truncate",
  futimes: "utimes",
  read: "read",
  readv: "readv",
  write: "write",
  writev: "writev",
};

/** Methods of a FileHandle; `close` is a property of each handle. */
const HANDLE_METHODS = [
  ...["appendFile", "chmod", "chown", "datasync", "read", "readFile", "readv", "stat", "sync"],
  ...["truncate", "utimes", "write", "writeFile", "writev"],
];

/** Makes every call of Node's file functions that touches the plan's directories a step. */
export async function patchFs(steps: Steps): Promise<void> {
  const sync = fs as unknown as Calls;
  const promises = fsPromises as unknown as Calls;
  const names = [...BY_PATH, ...BY_TWO_PATHS, ...Object.keys(BY_FD)];
  for (const name of names) {
    const op = BY_FD[name] ?? name;
    const operands = (args: readonly unknown[]) =>
      args.slice(0, BY_TWO_PATHS.includes(name) ? 2 : 1).map((one) => operandOf(one));
    patch(sync, `${name}Sync`, (call) => syncStep(steps, op, operands, call));
    patch(sync, name, (call) => callbackStep(steps, op, operands, call));
    if (!(name in BY_FD)) patch(promises, name, (call) => promiseStep(steps, op, operands, call));
  }
  await patchHandles(steps, promises);
  // Makes the named imports of ES modules, which were bound already, follow.
  syncBuiltinESMExports();
}

/** Puts a function in the place of another, with whatever properties that one has. */
export function patch(owner: Calls, name: string, wrap: (call: Call) => Call): void {
  const call = owner[name];
  if (call === undefined) return;
  const wrapped = wrap(call);
  for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(call))) {
    if (Object.hasOwn(wrapped, key)) continue;
    Object.defineProperty(wrapped, key, property);
  }
  for (const key of Object.getOwnPropertySymbols(call)) {
    const property = Object.getOwnPropertyDescriptor(call, key);
    if (property !== undefined) Object.defineProperty(wrapped, key, property);
  }
  owner[name] = wrapped;
}

type OperandsOf = (args: readonly unknown[], self: unknown) => (Operand | undefined)[];

function syncStep(steps: Steps, op: string, operandsOf: OperandsOf, call: Call): Call {
  return function (...args) {
    const operands = operandsOf(args, this);
    const step = steps.begin(op, operands);
    if (step === undefined) return call.apply(this, args);
    if (step.failsWith !== undefined) {
      // A failed close(2) has closed: there is no way to try it again.
      if (op === "close") call.apply(this, args);
      return fail(step, args);
    }
    let result: unknown;
    try {
      result = call.apply(this, args);
    } catch (error) {
      step.done(error);
      throw error;
    }
    remember(steps, op, args, operands);
    step.done();
    return result;
  };
}

function callbackStep(steps: Steps, op: string, operandsOf: OperandsOf, call: Call): Call {
  return function (...args) {
    const callback = args.at(-1);
    const operands = operandsOf(args, this);
    const step = typeof callback === "function" ? steps.begin(op, operands) : undefined;
    if (step === undefined || typeof callback !== "function") return call.apply(this, args);
    const { failsWith } = step;
    const finish = (error: unknown, ...results: unknown[]) => {
      if (!(error instanceof Error)) remember(steps, op, args, operands);
      step.done(error);
      const given = failsWith === undefined ? error : systemError(failsWith, op, args[0]);
      callback(given, ...results);
    };
    if (step.hangs) return undefined;
    if (failsWith !== undefined && op !== "close") {
      process.nextTick(finish);
      return undefined;
    }
    return call.apply(this, [...args.slice(0, -1), finish]);
  };
}

function promiseStep(steps: Steps, op: string, operandsOf: OperandsOf, call: Call): Call {
  return async function (...args) {
    const operands = operandsOf(args, this);
    const step = steps.begin(op, operands);
    if (step === undefined) return await call.apply(this, args);
    if (step.hangs) return await never();
    if (step.failsWith !== undefined) {
      if (op === "close") await call.apply(this, args);
      return fail(step, args);
    }
    let result: unknown;
    try {
      result = await call.apply(this, args);
    } catch (error) {
      step.done(error);
      throw error;
    }
    remember(steps, op, [fdOf(this) ?? args[0], ...args], operands);
    step.done();
    return result;
  };
}

async function patchHandles(steps: Steps, promises: Calls): Promise<void> {
  const operands: OperandsOf = (_, self) => [operandOfFd(fdOf(self) ?? -1)];
  const handle = await fsPromises.open("/dev/null");
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of HANDLE_METHODS) {
    patch(prototype, name, (call) => promiseStep(steps, name, operands, call));
  }
  patch(promises, "open", (open) => async (...args) => {
    const opened = (await open(...args)) as Calls;
    patch(opened, "close", (close) => promiseStep(steps, "close", operands, close));
    return opened;
  });
}

function fdOf(handle: unknown): number | undefined {
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" ? handle.fd : undefined;
}

function fail({ op, failsWith = "EIO", done }: Step, [path]: readonly unknown[]): never {
  const error = systemError(failsWith, op, path);
  done(error);
  throw error;
}

/** Tells the power loss what has become durable, or has another name. */
function remember(
  { power }: Steps,
  op: string,
  args: readonly unknown[],
  [operand, to]: readonly (Operand | undefined)[],
): void {
  if (power === undefined) return;
  const [fd] = args;
  if ((op === "sync" || op === "datasync") && typeof fd === "number") power.synced(fd);
  if (op === "rename" && to !== undefined) power.renamed(textOf(to));
  // The option `flush` of writeFile and appendFile.
  const isFlushed = args.some((one) => typeof one === "object" && one !== null && "flush" in one);
  if (isFlushed && operand !== undefined) power.syncedFile(textOf(operand));
}
