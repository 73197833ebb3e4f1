import { createHash } from "node:crypto";
import { join } from "node:path";
import { WORKERS } from "../../src/sweep/send-parts.ts";
import { CONTENT_MARK } from "../../tools/marks.ts";
import type { FakeS3 } from "./fake-s3.ts";
import type { Operation } from "./fake-s3-operations.ts";
import { BUCKET, makeHostWithFakeS3, problemsOf, runSideBySide } from "./fault-cases.ts";
import type { FaultHost, HostPlan, RunningSweep } from "./fault-host.ts";
import type { FaultReport } from "./fault-report.ts";

/** Where the agent's process ends. */
export type Kill =
  /** After the n-th step, of those with such a name, in what the state directory knows of uploads. */
  | { readonly kind: "step"; readonly at: number; readonly op: string }
  /** At a request: when its headers have come, before it is done, or before it is answered. */
  | {
      readonly kind: "request";
      readonly operation: Operation;
      readonly partNumber?: number;
      readonly moment: "arrived" | "before-store" | "after-store";
    };

/** What becomes of the file between the kill and the restart. */
export type Fate = "stays" | "changes" | "goes";

export interface LargeCase {
  readonly kill: Kill;
  readonly fate: Fate;
}

const LARGE = "large.bin";
const SMALL = "small.csv";

type Host = FaultHost & { readonly s3: FakeS3 };

/** Bytes of which no two parts are alike. @param bytes a multiple of 32 */
export function largeContent(bytes: number, seed: string): Buffer {
  const content = Buffer.alloc(bytes);
  const block = createHash("sha512").update(seed).digest();
  for (let at = 0; at < bytes; at += block.length) {
    block.copy(content, at);
    content.writeUInt32LE(at, at);
  }
  content.write(CONTENT_MARK);
  return content;
}

/** How many steps with such a name there are in what the state directory knows of uploads. */
export async function countUploadSteps(bytes: number, op: string): Promise<number> {
  await using host = await makeHostWithFakeS3();
  await host.produce(LARGE, largeContent(bytes, "first"));
  await host.produce(SMALL, `${CONTENT_MARK}\n`);
  return (await host.trace({ op, under: uploadState(host) })).length;
}

function uploadState({ state }: FaultHost): readonly string[] {
  return [join(state, "uploads"), join(state, "ledger")];
}

/**
 * A large file and a small one, a sweep that is killed, and clean sweeps after it.
 * @returns what is wrong, each in one line; nothing if all is well
 */
async function runLargeCase(
  { kill, fate }: LargeCase,
  bytes: number,
  report: FaultReport,
): Promise<string[]> {
  await using host = await makeHostWithFakeS3();
  const problems: string[] = [];
  const content = largeContent(bytes, "first");
  const path = await host.produce(LARGE, content);
  await host.produce(SMALL, `${CONTENT_MARK}\n`);

  const isKilled = await killed(host, kill);
  // What is written to the state together is one step or several, so the last ones may not come.
  if (!isKilled && kill.kind === "request") problems.push("the plan did not come true");
  problems.push(...problemsOf(await host.verify()).map((one) => `after the kill: ${one}`));
  const open = host.s3.uploads(BUCKET).map(({ uploadId }) => uploadId);
  const before = host.s3.requests.length;
  if (fate !== "stays") host.oracle.abandoned(path, content);
  if (fate === "changes") await host.produce(LARGE, largeContent(bytes, "second"));
  if (fate === "goes") await host.remove(LARGE);

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
  problems.push(...protocolProblems(host, { kill, fate, before, open }));
  report.add({ verdict, kills: isKilled ? 1 : 0 });
  return problems.map((one) => `${JSON.stringify({ kill, fate })}: ${one}`);
}

/** Sweeps until the kill. @returns whether it came true */
async function killed(host: Host, kill: Kill): Promise<boolean> {
  if (kill.kind === "step") {
    const { at, op } = kill;
    const plan: HostPlan = { action: "kill-after", at, op, under: uploadState(host) };
    return (await host.sweep(plan)).killedBy === "SIGKILL";
  }
  let running: RunningSweep | undefined;
  const end = async () => {
    running?.kill();
    await running?.ended;
  };
  host.s3.onPut(({ operation, partNumber, attemptForThisKey }) => {
    if (operation !== kill.operation || partNumber !== kill.partNumber) return undefined;
    if (attemptForThisKey > 1) return undefined;
    if (kill.moment !== "arrived") return { kind: "hook", when: kill.moment, during: end };
    void end();
    return { kind: "hang" };
  });
  running = host.start();
  const { killedBy } = await running.ended;
  // The answer that nobody waits for must not be the one that the next sweep counts on.
  await host.s3.waitUntil((requests) => requests.every(({ answer }) => answer !== undefined));
  host.s3.onPut(undefined);
  return killedBy === "SIGKILL";
}

/** What a restart must not have cost. */
function protocolProblems(
  { s3 }: Host,
  about: LargeCase & { readonly before: number; readonly open: readonly string[] },
): string[] {
  const { kill, fate, before, open } = about;
  const problems: string[] = [];
  const objects = [...s3.objects(BUCKET).keys()].filter((key) => key.includes(LARGE));
  // What was whole once may be there, and what it has become.
  const objectsMax = fate === "changes" ? 3 : 2;
  if (objects.length > objectsMax) problems.push(`${objects.length} objects: ${objects}`);

  // An upload whose id never came back, or was not written down, cannot be ended by anybody.
  const isKnown = kill.kind === "request" && kill.operation !== "CreateMultipartUpload";
  const openNow = s3.uploads(BUCKET).length;
  if (openNow > (isKnown ? 0 : 1)) problems.push(`${openNow} uploads are left open`);
  if (fate === "stays") {
    const partOf = ({ query }: { query: string }) => new URLSearchParams(query).get("partNumber");
    const isPart = ({ operation }: { operation: Operation | undefined }) =>
      operation === "UploadPart";
    const acknowledged = s3.requests
      .slice(0, before)
      .filter((one) => isPart(one) && one.answer === 200);
    const sent = new Set(acknowledged.map(partOf));
    const again = s3.requests.slice(before).filter((one) => isPart(one) && sent.has(partOf(one)));
    const isCompleting = kill.kind === "request" && kill.operation === "CompleteMultipartUpload";
    // A completion that was done, and whose answer was lost, may have to be done once more under
    // the key of the content.
    const againMax = isCompleting && kill.moment !== "after-store" ? 0 : WORKERS;
    if (again.length > againMax) problems.push(`${again.length} parts were sent again`);
  } else if (isKnown && open.length > 0) {
    const aborted = s3.requests
      .slice(before)
      .filter(({ operation }) => operation === "AbortMultipartUpload")
      .map(({ query }) => new URLSearchParams(query).get("uploadId"));
    for (const one of open) if (!aborted.includes(one)) problems.push("it was not aborted");
  }
  return problems;
}

/** Runs cases side by side. @returns all that is wrong */
export function runLargeCases(
  cases: readonly LargeCase[],
  bytes: number,
  report: FaultReport,
): Promise<readonly string[]> {
  return runSideBySide(cases, (one) => runLargeCase(one, bytes, report));
}
