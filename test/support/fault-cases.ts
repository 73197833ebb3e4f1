import { CONTENT_MARK } from "../../tools/marks.ts";
import { type FakeS3, startFakeS3 } from "./fake-s3.ts";
import { type FaultHost, type HostPlan, makeFaultHost } from "./fault-host.ts";
import type { FaultReport } from "./fault-report.ts";
import type { Verdict } from "./oracle.ts";

export const BUCKET = "landing";

/** Children side by side: the usual small machine has 2 cores, and a sweep waits for a part of its time. */
const CASES_AT_ONCE = 4;

/** Makes a host whose bucket is in a fake S3 of its own. */
export async function makeHostWithFakeS3(
  options: {
    readonly parameters?: Readonly<Record<string, string>>;
    readonly directory?: string;
    readonly contentBytesMax?: number;
  } = {},
): Promise<FaultHost & { readonly s3: FakeS3 }> {
  await using stack = new AsyncDisposableStack();
  const s3 = stack.use(await startFakeS3({ buckets: [BUCKET], ...options }));
  const host = stack.use(
    await makeFaultHost({
      ...options,
      destination: {
        bucket: BUCKET,
        env: { AWS_ENDPOINT_URL_S3: s3.endpoint },
        objects: () =>
          new Map([...s3.objects(BUCKET)].map(([key, { sha256 }]) => [key, sha256] as const)),
      },
    }),
  );
  const owned = stack.move();
  return { ...host, s3, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Writes the files of a case: what differs for the agent is their size. */
export async function produceSome(host: FaultHost): Promise<void> {
  await host.produce("empty.csv", "");
  await host.produce("folder/small.csv", `${CONTENT_MARK}\n`);
  await host.produce("folder/more.csv", `${CONTENT_MARK}, 21.6 at one\n`.repeat(1_000));
}

/**
 * One case: some files, a sweep in which a plan comes true, and a clean sweep after it.
 * @returns what is wrong, each in one line; nothing if all is well
 */
export async function runCase(plan: HostPlan, report: FaultReport): Promise<string[]> {
  await using host = await makeHostWithFakeS3();
  await produceSome(host);
  const problems: string[] = [];

  const struck = await host.sweep(plan);
  const isKill = plan.action?.startsWith("kill") === true;
  if (isKill && struck.killedBy !== "SIGKILL") problems.push("the plan did not come true");
  if (!isKill && (struck.exitCode === null || struck.exitCode > 4)) {
    problems.push(`the agent ended with ${struck.killedBy ?? struck.exitCode}: ${struck.stderr}`);
  }
  if (struck.stderr.includes("bug of the agent")) problems.push(struck.stderr);
  problems.push(...problemsOf(await host.verify()).map((one) => `after the fault: ${one}`));

  let clean = await host.sweep();
  // Giving a leftover its name back makes it young again, for as long as the clock's own tick.
  if ((await host.left()).length > 0) clean = await host.sweep();
  const verdict = await host.verify();
  problems.push(...problemsOf(verdict).map((one) => `at the end: ${one}`));
  const left = await host.left();
  if (clean.exitCode !== 0 || left.length > 0) {
    problems.push(`the next sweep ended with ${clean.exitCode} and left ${left.join(", ")}`);
    problems.push(clean.stdout, clean.stderr);
  }
  report.add({ verdict, kills: isKill ? 1 : 0, faults: isKill ? 0 : 1 });
  const again = `FAULT_CASE='${JSON.stringify(plan)}'`;
  return problems.map((one) => `${again}: ${one}`);
}

/** Runs the cases of some plans side by side. @returns all that is wrong */
export function runCases(
  plans: readonly HostPlan[],
  report: FaultReport,
): Promise<readonly string[]> {
  return runSideBySide(plans, (plan) => runCase(plan, report));
}

/** Runs some cases at a time. @returns what all of them return */
export async function runSideBySide<Case>(
  cases: readonly Case[],
  run: (one: Case) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  // One iterator for all: each takes the next case that nobody has taken.
  const queue = cases.values();
  const worker = async () => {
    for (const one of queue) problems.push(...(await run(one)));
  };
  await Promise.all(Array.from({ length: CASES_AT_ONCE }, worker));
  return problems;
}

/** What a verdict says against the agent, each in one line. */
export function problemsOf({ lost, foreign, touched }: Verdict): string[] {
  return [
    ...lost.map(({ path, bytes }) => `lost: ${path} (${bytes} bytes)`),
    ...foreign.map(({ key }) => `foreign: the object ${key} holds what nobody has closed`),
    ...touched.map(({ path, what }) => `touched unfinished: ${path} is ${what}`),
  ];
}
