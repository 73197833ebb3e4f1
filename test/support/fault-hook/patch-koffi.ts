import { constants } from "node:os";
import koffi from "koffi";
import { operandsOfKernelCall, textOf } from "./operands.ts";
import { type Call, type Calls, patch } from "./patch-fs.ts";
import type { Steps } from "./steps.ts";

/** Makes the kernel calls that touch the plan's directories steps, named `kernel:NAME`. */
export function patchKoffi(steps: Steps): void {
  /** The errno of the last call if that was made to fail. */
  let planned: number | undefined;

  const wrap = (name: string, call: Call): Call =>
    function (...args) {
      planned = undefined;
      const operands = operandsOfKernelCall(name, args);
      const step = steps.begin(`kernel:${name}`, operands);
      if (step === undefined) return call.apply(this, args);
      if (step.failsWith !== undefined) {
        step.done(Object.assign(new Error("planned"), { code: step.failsWith }));
        planned = constants.errno[step.failsWith];
        return -1;
      }
      const result = call.apply(this, args);
      // Read before anything else can change it.
      const errno = koffi.errno();
      if (result !== -1) remember(steps, name, args, operands);
      const code = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0];
      step.done(result === -1 ? Object.assign(new Error("kernel"), { code }) : undefined);
      koffi.errno(errno);
      return result;
    };

  const library = koffi as unknown as Calls;
  patch(
    library,
    "errno",
    (errno) =>
      (...args) =>
        args.length === 0 && planned !== undefined ? planned : errno(...args),
  );
  patch(library, "load", (load) => (...args) => {
    const loaded = load(...args) as Calls;
    const define = loaded["func"];
    if (define === undefined) throw new Error("koffi has no func() any more");
    Object.defineProperty(loaded, "func", {
      value: (...definition: unknown[]) => {
        const functions: Calls = { call: define.apply(loaded, definition) as Call };
        patch(functions, "call", (call) => wrap(nameOf(definition), call));
        return functions["call"];
      },
    });
    return loaded;
  });
}

/** The name in `func("int flock(int, int)")`, `func(name, result, arguments)` and its long form. */
function nameOf(definition: readonly unknown[]): string {
  const [first, second] = definition;
  if (definition.length === 1) return /(\w+)\s*\(/.exec(String(first))?.[1] ?? String(first);
  return String(definition.length === 4 ? second : first);
}

function remember(
  steps: Steps,
  name: string,
  [first]: readonly unknown[],
  [, to]: readonly (string | undefined)[],
): void {
  if (/^f(data)?sync$/.test(name) && typeof first === "number") steps.power?.synced(first);
  if (/^renameat2?$/.test(name) && to !== undefined) steps.power?.renamed(textOf(to));
}
