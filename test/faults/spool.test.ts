import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { runSideBySide } from "../support/fault-cases.ts";
import {
  type FaultPlan,
  HOOK_ARGUMENTS,
  planEnvironment,
  type TracedStep,
} from "../support/fault-plan.ts";

const SUBJECT = fileURLToPath(new URL("../support/spool-subject.ts", import.meta.url));
const TIMEOUT_MS = 300_000;
/** So many records does the process append that meets the fault. */
const RECORDS = 9;

const CHANGES = "^(open|write|truncate|datasync|sync|mkdir|rename|unlink)$";

type Fault = Omit<FaultPlan, "under" | "powerLoss"> & {
  readonly state?: "up" | "down";
  readonly powerLoss?: "kept" | "lost";
};

const FAMILIES: readonly { readonly what: string; readonly fault: Fault }[] = [
  { what: "killed after", fault: { action: "kill-after" } },
  { what: "killed in an outage after", fault: { action: "kill-after", state: "down" } },
  { what: "power cut after", fault: { action: "kill-after", powerLoss: "kept", op: CHANGES } },
  {
    what: "power cut, names lost, after",
    fault: { action: "kill-after", powerLoss: "lost", op: CHANGES },
  },
  { what: "EIO at", fault: { action: "error", errno: "EIO" } },
  { what: "EIO in an outage at", fault: { action: "error", errno: "EIO", state: "down" } },
  { what: "ENOSPC at", fault: { action: "error", errno: "ENOSPC", op: CHANGES } },
  { what: "ENOSPC from", fault: { action: "error", errno: "ENOSPC", op: CHANGES, every: true } },
  { what: "EROFS from", fault: { action: "error", errno: "EROFS", op: CHANGES, every: true } },
  { what: "EACCES from", fault: { action: "error", errno: "EACCES", op: "^open$", every: true } },
  { what: "EMFILE at", fault: { action: "error", errno: "EMFILE", op: "^(open|readdir)$" } },
];

describe("a spool that meets a fault at its n-th step", function () {
  this.timeout(TIMEOUT_MS);
  for (const { what, fault } of FAMILIES) {
    it(`loses nothing in silence and repeats one batch at most when ${what} each step`, async () => {
      const steps = await countSteps(fault);
      expect(steps).to.be.above(0);
      const cases = Array.from({ length: steps }, (_, nth) => ({ ...fault, at: nth + 1 }));
      const problems = await runSideBySide(cases, runCase);
      expect(problems, problems.join("\n")).to.deep.equal([]);
    });
  }
});

/** What the world outside has heard of the processes of one directory. */
interface Heard {
  /** Every record that was accepted, as often as it was. */
  readonly accepted: readonly string[];
  readonly batches: readonly (readonly string[])[];
  /** Those that the disk had. */
  readonly written: ReadonlySet<string>;
  readonly synced: ReadonlySet<string>;
  readonly counted: number;
  readonly refusals: number;
  readonly end: number | undefined;
}

async function runCase(fault: Fault): Promise<string[]> {
  await using place = await makePlace();
  const { action, powerLoss, state = "up" } = fault;
  const struck = await place.run(RECORDS, state, fault);
  const isKill = action !== "error";
  const problems: string[] = [];
  if (isKill && struck.killedBy !== "SIGKILL") problems.push("the plan did not come true");
  if (!isKill && struck.exitCode !== 0)
    problems.push(`it ended with ${struck.exitCode}: ${struck.stderr}`);
  const before = await place.heard();
  const clean = await place.run(1, "up");
  if (clean.exitCode !== 0)
    problems.push(`the next one ended with ${clean.exitCode}: ${clean.stderr}`);
  const after = await place.heard();

  const isAccepted = new Set(after.accepted);
  // A power cut may take what was not synced; nothing else may take what was once on disk.
  const kept = powerLoss === undefined ? after.written : after.synced;
  const lost = kept.difference(isAccepted).size;
  if (lost > after.counted) {
    problems.push(`${lost} records are gone, ${after.counted} of them counted`);
  }
  // Without a fault of the disk's own, nothing is lost at all.
  if (isKill && powerLoss === undefined && after.counted > 1) {
    problems.push(`${after.counted} records counted as lost by a mere kill`);
  }
  const repeated = after.accepted.length - isAccepted.size;
  const largest = Math.max(0, ...before.batches.map((batch) => batch.length));
  // A disk that does not let the cursor be written makes a restart repeat what it accepted.
  if (isKill && powerLoss === undefined && repeated > largest) {
    problems.push(`${repeated} records repeated, a batch had ${largest} at most`);
  }
  if (after.end !== 0) problems.push(`${after.end} records wait at the end`);
  if (!isOrdered(after.batches)) problems.push("a batch is out of order");
  return problems.map((one) => `${JSON.stringify(fault)}: ${one}`);
}

/** Within a batch each process's records stand in the order of writing. */
function isOrdered(batches: readonly (readonly string[])[]): boolean {
  return batches.every((batch) => {
    const byProcess = Map.groupBy(batch, (record) => record.split(".")[0]);
    return [...byProcess.values()].every((records) => {
      const numbers = records.map((record) => Number(record.split(".")[1]));
      return numbers.every((number, nth) => nth === 0 || number > (numbers[nth - 1] ?? 0));
    });
  });
}

async function countSteps({ op, state }: Fault): Promise<number> {
  await using place = await makePlace();
  const trace = join(place.folder, "trace");
  await place.run(RECORDS, state ?? "up", { trace, ...(op === undefined ? {} : { op }) });
  const lines = (await readFile(trace, "utf8")).trim().split("\n");
  const steps = lines.map((line): TracedStep => JSON.parse(line));
  return Math.max(...steps.map(({ n }) => n));
}

async function makePlace() {
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-spool-"));
  const folder = await realpath(temporary.path);
  const directory = join(folder, "state", "spool");
  const world = join(folder, "world");
  return {
    folder,
    /** One process to its end. */
    async run(records: number, state: string, fault?: Fault) {
      const { powerLoss: names, state: _, ...plan } = fault ?? {};
      const under = [join(folder, "state")];
      const powerLoss = names && { powerLoss: { directory: join(folder, "state"), names } };
      const hook = fault === undefined ? [] : HOOK_ARGUMENTS;
      const child = spawn(
        process.execPath,
        [...hook, SUBJECT, directory, world, String(records), state],
        {
          env: { ...process.env, ...planEnvironment({ under, ...plan, ...powerLoss }) },
          stdio: ["ignore", "ignore", "pipe"],
        },
      );
      let stderr = "";
      child.stderr.on("data", (text) => {
        stderr += String(text);
      });
      const [exitCode, killedBy] = await once(child, "close");
      return { exitCode, killedBy, stderr };
    },
    async heard(): Promise<Heard> {
      const text = await readFile(world, "utf8").catch(() => "");
      const lines = text.split("\n").map((line) => line.split(" "));
      const of = (word: string) => lines.filter(([first]) => first === word);
      const below = (word: string) =>
        new Set(
          of(word).flatMap(([, pid, count]) =>
            Array.from({ length: Number(count) }, (_, nth) => `${pid}.${nth}`),
          ),
        );
      const batches = of("batch").map(([, ...records]) => records);
      const end = of("end").at(-1)?.[1];
      return {
        accepted: batches.flat(),
        batches,
        written: below("written"),
        synced: below("synced"),
        counted: of("counted").reduce((sum, [, count]) => sum + Number(count), 0),
        refusals: of("refused").length,
        end: end === undefined ? undefined : Number(end),
      };
    },
    async [Symbol.asyncDispose]() {
      await temporary.remove();
    },
  };
}
