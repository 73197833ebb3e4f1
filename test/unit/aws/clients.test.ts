import { PutLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { GetParametersCommand } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { type AwsClients, makeClients } from "../../../src/aws/clients.ts";
import { CredentialsError, unreachableError } from "../../../src/aws/errors.ts";
import { HastyClock } from "../../support/credentials.ts";
import { type LocalServer, startLocalServer } from "../../support/local-server.ts";
import { withEnvironment } from "../../support/s3-store.ts";

/** Clients with credentials of `env`, which a test may change; all services are at the endpoint. */
async function withClients(
  endpoint: string,
  env: Readonly<Record<string, string>>,
  work: (clients: AwsClients) => Promise<void>,
): Promise<void> {
  const values = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_PROFILE: undefined,
  };
  await withEnvironment(values, async () => {
    const clients = await makeClients({
      region: "eu-central-1",
      roleArn: undefined,
      hostId: "h",
      choice: { kind: "environment" },
      allowImdsV1: false,
      env,
      clock: new HastyClock(),
    });
    try {
      await work(clients);
    } finally {
      clients.destroy();
    }
  });
}

const SEND: Readonly<Record<string, (clients: AwsClients) => Promise<unknown>>> = {
  "the Parameter Store": ({ ssm }) => ssm.send(new GetParametersCommand({ Names: ["a"] })),
  "CloudWatch Logs": ({ logs }) =>
    logs.send(new PutLogEventsCommand({ logGroupName: "g", logStreamName: "s", logEvents: [] })),
};

/** The access key ids that the requests were signed with. */
const keyIdsOf = ({ requests }: LocalServer) =>
  requests.map(({ headers }) => /Credential=([^/]+)\//.exec(`${headers.authorization}`)?.[1]);

const answer = (status: number, code: string) => ({
  status,
  body: JSON.stringify(status === 200 ? {} : { __type: code, message: "No" }),
});

for (const [service, send] of Object.entries(SEND)) {
  describe(`the client of ${service}`, () => {
    it("signs with new credentials after it was told that these have ended", async () => {
      const codes = ["ExpiredTokenException", "", "ExpiredToken", ""];
      await using server = await startLocalServer((_, index) => {
        const code = codes[index] ?? "";
        return answer(code === "" ? 200 : 400, code);
      });
      const env = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "s" };
      await withClients(server.endpoint, env, async (clients) => {
        env.AWS_ACCESS_KEY_ID = "AKIA1";
        for (const next of ["AKIA2", "AKIA3"]) {
          await clients.credentials.provider();
          env.AWS_ACCESS_KEY_ID = next;
          const error = await send(clients).catch((thrown: unknown) => thrown);
          expect(error).to.be.instanceOf(Error);
          await send(clients);
        }
      });
      expect(keyIdsOf(server)).to.deep.equal(["AKIA1", "AKIA2", "AKIA2", "AKIA3"]);
    });

    it("keeps them when it is refused for another reason", async () => {
      await using server = await startLocalServer(() => answer(400, "AccessDeniedException"));
      const env = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "s" };
      await withClients(server.endpoint, env, async (clients) => {
        for (const next of ["AKIA2", "AKIA3"]) {
          await send(clients).catch(() => undefined);
          env.AWS_ACCESS_KEY_ID = next;
        }
      });
      expect(keyIdsOf(server)).to.deep.equal(["AKIA1", "AKIA1"]);
    });

    it("fails with the reason why there are none, and sends nothing", async () => {
      await using server = await startLocalServer(() => answer(200, ""));
      await withClients(server.endpoint, {}, async (clients) => {
        const error = await send(clients).catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(CredentialsError);
        const told = unreachableError("do it", "x:Y", error);
        expect(told.exitCode).to.equal(3);
        expect(told.message).to.equal(
          "Cannot do it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.",
        );
        expect(told.hint).to.equal((error as CredentialsError).hint);
      });
      expect(server.requests).to.deep.equal([]);
    });
  });
}
