import { GetParametersByPathCommand, type SSMClient } from "@aws-sdk/client-ssm";
import type { ParameterSource } from "../config/load.ts";
import type { Parameter } from "../config/parameters.ts";
import { type Random, retryDelayMs } from "../lib/backoff.ts";
import type { Clock } from "../lib/clock.ts";
import { readFailure, unreachableError } from "./errors.ts";

/** GetParametersByPath gives at most this many a page (API reference, MaxResults). */
const PAGE_PARAMETERS_MAX = 10;

const ATTEMPTS_MAX = 3;
const RETRY_DELAY = { baseMs: 500, capMs: 5_000 } as const;

/** The Parameter Store as a source of parameters. */
export function makeParameterSource(
  client: SSMClient,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): ParameterSource {
  return {
    async readPath(path, signal) {
      const parameters: Parameter[] = [];
      let token: string | undefined;
      // A page may be empty and still have a successor.
      do {
        const page = await readPage(path, token, signal);
        for (const { Name, Type, Value } of page.Parameters ?? []) {
          if (Name === undefined || Value === undefined) continue;
          parameters.push({ name: Name, type: Type ?? "String", value: Value });
        }
        token = page.NextToken;
      } while (token !== undefined);
      return parameters;
    },
  };

  async function readPage(path: string, token: string | undefined, signal: AbortSignal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await client.send(
          new GetParametersByPathCommand({
            Path: path,
            Recursive: true,
            MaxResults: PAGE_PARAMETERS_MAX,
            NextToken: token,
          }),
          { abortSignal: signal },
        );
      } catch (error) {
        signal.throwIfAborted();
        const { kind } = readFailure(error);
        const isPassing = ["transient", "throttled", "clock-skew"].includes(kind);
        if (!isPassing || attempt >= ATTEMPTS_MAX) {
          throw unreachableError(
            `read the parameters below ${path}/`,
            "ssm:GetParametersByPath",
            error,
          );
        }
        await clock.sleep(retryDelayMs(attempt, RETRY_DELAY, random), signal);
      }
    }
  }
}
