import {
  DeleteParametersCommand,
  GetParameterHistoryCommand,
  ParameterAlreadyExists,
  ParameterNotFound,
  type ParameterType,
  PutParameterCommand,
  type SSMClient,
} from "@aws-sdk/client-ssm";
import type { ParameterHistory, ParameterWriter } from "../fleet/parameter-store.ts";
import { unreachableError } from "./errors.ts";

/** GetParameterHistory gives at most so many versions a page (API reference, MaxResults). */
const PAGE_VERSIONS_MAX = 50;

/** The Parameter Store as an operator writes it. The retries are of whoever asks. */
export function makeParameterWriter(client: SSMClient): ParameterWriter {
  return {
    async put({ name, type, value, isNew }, signal) {
      const command = new PutParameterCommand({
        Name: name,
        Value: value,
        Type: type as ParameterType,
        Overwrite: !isNew,
      });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        return answer.Version ?? 0;
      } catch (error) {
        if (error instanceof ParameterAlreadyExists) return "exists";
        signal.throwIfAborted();
        throw unreachableError(`write the parameter ${name}`, "ssm:PutParameter", error);
      }
    },
    async remove(names, signal) {
      try {
        await client.send(new DeleteParametersCommand({ Names: [...names] }), {
          abortSignal: signal,
        });
      } catch (error) {
        signal.throwIfAborted();
        throw unreachableError(
          `remove the parameters ${names.join(" and ")}`,
          "ssm:DeleteParameters",
          error,
        );
      }
    },
  };
}

/** What the Parameter Store keeps of earlier versions. */
export function makeParameterHistory(client: SSMClient): ParameterHistory {
  return {
    async readVersions(name, token, signal) {
      const command = new GetParameterHistoryCommand({
        Name: name,
        MaxResults: PAGE_VERSIONS_MAX,
        NextToken: token,
      });
      try {
        const answer = await client.send(command, { abortSignal: signal });
        const versions = (answer.Parameters ?? []).map((found) => ({
          version: found.Version ?? 0,
          value: found.Value ?? "",
          lastModifiedAt: found.LastModifiedDate?.getTime() ?? 0,
          lastModifiedUser: found.LastModifiedUser ?? "",
        }));
        return { versions, nextToken: answer.NextToken };
      } catch (error) {
        if (error instanceof ParameterNotFound) return { versions: [], nextToken: undefined };
        signal.throwIfAborted();
        throw unreachableError(`read the history of ${name}`, "ssm:GetParameterHistory", error);
      }
    },
  };
}
