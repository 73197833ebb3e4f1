import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { GetParametersByPathCommand, GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { type FakeAws, startFakeAws } from "../../support/fake-aws.ts";

const codeOf = (error: { name: string }) => error.name;

describe("the fake SSM and CloudWatch Logs", () => {
  let aws: FakeAws;
  let ssm: SSMClient;
  let logs: CloudWatchLogsClient;

  beforeEach(async () => {
    const names = Array.from({ length: 12 }, (_, index) => `/root/fleets/f/${10 + index}`);
    aws = await startFakeAws(Object.fromEntries(names.map((name) => [name, `of ${name}`])));
    const config = {
      endpoint: aws.endpoint,
      region: "eu-central-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
    };
    ssm = new SSMClient(config);
    logs = new CloudWatchLogsClient(config);
  });
  afterEach(async () => {
    ssm.destroy();
    logs.destroy();
    await aws[Symbol.asyncDispose]();
  });

  it("gives the parameters below a path in pages of ten", async () => {
    aws.parameters.set("/root/fleets/f2/other", "no");
    const ask = (NextToken?: string) =>
      ssm.send(
        new GetParametersByPathCommand({ Path: "/root/fleets/f", Recursive: true, NextToken }),
      );
    const first = await ask();
    expect(first.Parameters).to.have.length(10);
    const second = await ask(first.NextToken);
    expect(second.NextToken).to.equal(undefined);
    expect(second.Parameters?.map(({ Name, Value }) => `${Name} ${Value}`)).to.eql([
      "/root/fleets/f/20 of /root/fleets/f/20",
      "/root/fleets/f/21 of /root/fleets/f/21",
    ]);
  });

  it("gives ten parameters by name at the most, and tells those that there are not", async () => {
    const ask = (Names: string[]) => ssm.send(new GetParametersCommand({ Names }));
    const { Parameters, InvalidParameters } = await ask(["/root/fleets/f/10", "/none"]);
    expect(Parameters?.map(({ Name }) => Name)).to.eql(["/root/fleets/f/10"]);
    expect(InvalidParameters).to.eql(["/none"]);
    expect(await ask([...aws.parameters.keys()]).catch(codeOf)).to.equal("ValidationException");
  });

  it("takes log events for a stream that was made, in order", async () => {
    const stream = { logGroupName: "g", logStreamName: "s" };
    const put = (...times: number[]) =>
      logs.send(
        new PutLogEventsCommand({
          ...stream,
          logEvents: times.map((timestamp) => ({ timestamp, message: `at ${timestamp}` })),
        }),
      );
    const makeStream = () => logs.send(new CreateLogStreamCommand(stream));
    expect(await put(1).catch(codeOf)).to.equal("ResourceNotFoundException");
    expect(await makeStream().catch(codeOf)).to.equal("ResourceNotFoundException");
    await logs.send(new CreateLogGroupCommand({ logGroupName: "g" }));
    await makeStream();
    expect(await makeStream().catch(codeOf)).to.equal("ResourceAlreadyExistsException");
    const now = Date.now();
    await put(now, now + 1);
    expect(await put(now + 1, now).catch(codeOf)).to.equal("InvalidParameterException");
    const { rejectedLogEventsInfo } = await put(1, 2, now + 2, now + 3 * 3_600_000);
    expect(rejectedLogEventsInfo).to.eql({
      tooOldLogEventEndIndex: 2,
      tooNewLogEventStartIndex: 3,
    });
    expect(aws.logs.get("g:s")).to.eql([now, now + 1, now + 2].map((time) => `at ${time}`));
  });
});
