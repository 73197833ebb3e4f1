import {
  GetParametersByPathCommand,
  GetParametersCommand,
  type SSMClient,
  type Parameter as SsmParameter,
} from "@aws-sdk/client-ssm";
import type { Parameter, ParameterSource } from "../config/parameters.ts";
import type { Clock } from "../lib/clock.ts";
import { unreachableError } from "./errors.ts";

/** GetParametersByPath gives at most this many a page (API reference, MaxResults). */
const PAGE_PARAMETERS_MAX = 10;

/** The Parameter Store as a source of parameters. The retries are of whoever asks. */
export function makeParameterSource(client: SSMClient, clock: Clock): ParameterSource {
  const dates = catchDates(client);
  return {
    async readPage(path, token, signal) {
      const command = new GetParametersByPathCommand({
        Path: path,
        Recursive: true,
        MaxResults: PAGE_PARAMETERS_MAX,
        NextToken: token,
      });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        return {
          parameters: (answer.Parameters ?? []).flatMap(parameterOf),
          nextToken: answer.NextToken,
          answeredAt: dates.get(answer) ?? clock.now(),
        };
      } catch (error) {
        signal.throwIfAborted();
        throw unreachableError(
          `read the parameters below ${path}/`,
          "ssm:GetParametersByPath",
          error,
        );
      }
    },
    async readNames(names, signal) {
      const command = new GetParametersCommand({ Names: [...names] });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        return {
          parameters: (answer.Parameters ?? []).flatMap(parameterOf),
          answeredAt: dates.get(answer) ?? clock.now(),
        };
      } catch (error) {
        signal.throwIfAborted();
        throw unreachableError(
          `read the parameters ${names.join(" and ")}`,
          "ssm:GetParameters",
          error,
        );
      }
    },
  };
}

function parameterOf(found: SsmParameter): readonly Parameter[] {
  const { Name: name, Type: type = "String", Value: value, Version: version = 0 } = found;
  if (name === undefined || value === undefined) return [];
  return [{ name, type, value, version, lastModifiedAt: found.LastModifiedDate?.getTime() ?? 0 }];
}

/**
 * The time of each answer, by the service's own clock: the host's may be wrong, and it is compared
 * with times that the service wrote.
 */
function catchDates(client: SSMClient): WeakMap<object, number> {
  const dates = new WeakMap<object, number>();
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Record<string, string> };
      const time = Date.parse(headers?.["date"] ?? "");
      if (!Number.isNaN(time) && result.output !== undefined) dates.set(result.output, time);
      return result;
    },
    { step: "deserialize", name: "catchDates", override: true },
  );
  return dates;
}
