import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Clock } from "../../lib/clock.ts";
import { errnoOf } from "../../lib/errors.ts";

/** What came of a request to a service that gives credentials on this host. */
export type Answer =
  | { readonly kind: "answered"; readonly status: number; readonly body: string }
  /** `code`: the system's, such as ECONNREFUSED; `ETIMEDOUT` also if it answers too slowly. */
  | { readonly kind: "failed"; readonly code: string };

/** These services are on the host itself; the SDK gives them no longer either. */
const REQUEST_MS_MAX = 1_000;
/** Tokens and credentials are a few kilobytes. */
const BODY_BYTES_MAX = 64 * 1024;

const ATTEMPTS_MAX = 4;
const FIRST_PAUSE_MS = 200;

/**
 * Sends one request, past every proxy, with a limit for the whole of it. Redirects are not followed:
 * they would take the token elsewhere.
 */
export function ask(
  url: URL,
  options: { readonly method: "GET" | "PUT"; readonly headers: Readonly<Record<string, string>> },
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const signal = AbortSignal.timeout(REQUEST_MS_MAX);
  const fail = (error: unknown): void =>
    resolve({ kind: "failed", code: signal.aborted ? "ETIMEDOUT" : (errnoOf(error) ?? "EPROTO") });
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  try {
    // No agent: neither a proxy of the environment nor a connection that stays open.
    const request = send(url, { ...options, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("error", fail);
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > BODY_BYTES_MAX) response.destroy(new Error("too long"));
        else chunks.push(chunk);
      });
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ kind: "answered", status: response.statusCode ?? 0, body });
      });
    });
    request.on("error", fail);
    request.end();
  } catch (error) {
    // A header with a character that HTTP does not allow.
    fail(error);
  }
  return promise;
}

/** Asks again, after growing pauses, while a failure may pass: no answer, 5xx or 429. */
export async function askRepeatedly(clock: Clock, once: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await once();
    if (!isPassing(answer) || attempt >= ATTEMPTS_MAX) return answer;
    await clock.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
  }
}

function isPassing(answer: Answer): boolean {
  return answer.kind === "failed" || answer.status >= 500 || answer.status === 429;
}

/** Says what came of a request, without its body. */
export function tell(answer: Answer): string {
  if (answer.kind === "answered") return `status ${answer.status}`;
  return answer.code === "ETIMEDOUT" ? "no answer in time" : answer.code;
}
