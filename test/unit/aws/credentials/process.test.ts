import { existsSync } from "node:fs";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { readProcess } from "../../../../src/aws/credentials/process.ts";
import { CredentialsError } from "../../../../src/aws/errors.ts";
import {
  accessKeyIdOf,
  credentialsOf,
  expectNoSecret,
  HastyClock,
  MINUTE_MS,
  refusalOf,
  SECRET,
} from "../../../support/credentials.ts";

/** What a process writes, as the AWS documents have it. */
const output = (members: Record<string, unknown> = {}): string =>
  JSON.stringify({
    Version: 1,
    AccessKeyId: "ASIAPROCESS",
    SecretAccessKey: `${SECRET}-key`,
    SessionToken: `${SECRET}-token`,
    ...members,
  });

const writing = (text: string): string => `process:printf '%s' '${text}'`;

describe("credentials from a process", () => {
  it("are what it writes, until they end", async () => {
    const clock = new HastyClock();
    const expiresAt = clock.now() + 60 * MINUTE_MS;
    const command = writing(output({ Expiration: new Date(expiresAt).toISOString() }));
    const credentials = credentialsOf(command, { clock });
    expect(await credentials.provider()).to.deep.equal({
      accessKeyId: "ASIAPROCESS",
      secretAccessKey: `${SECRET}-key`,
      sessionToken: `${SECRET}-token`,
      expiration: new Date(expiresAt),
    });
    expect(credentials.describe()).to.deep.equal({
      source: "process printf",
      expiresAt,
      accessKeyId: "CESS",
    });
  });

  it("are asked for again before they end, and not before that", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-process-`);
    const clock = new HastyClock();
    const count = `${folder.path}/count`;
    const expiration = new Date(clock.now() + 60 * MINUTE_MS).toISOString();
    const text = output({ Expiration: expiration });
    const command = `process:echo x >>'${count}'; printf '%s' '${text}'`;
    const credentials = credentialsOf(command, { clock });
    const runs = async () => (await readFile(count, "utf8")).length / 2;
    await credentials.provider();
    await clock.advance(54 * MINUTE_MS);
    await credentials.provider();
    expect(await runs()).to.equal(1);
    await clock.advance(5 * MINUTE_MS);
    await credentials.provider();
    expect(await runs()).to.equal(2);
  });

  it("without an expiration are good for ever, as documented", async () => {
    const clock = new HastyClock();
    const credentials = credentialsOf(writing(output()), { clock });
    await credentials.provider();
    await clock.advance(1_000 * MINUTE_MS);
    expect(await accessKeyIdOf(credentials)).to.equal("ASIAPROCESS");
    expect(credentials.describe()?.expiresAt).to.equal(undefined);
  });

  const BROKEN: readonly (readonly [command: string, says: string])[] = [
    [`echo ${SECRET} >&2; exit 3`, "ended with exit code 3"],
    [`echo '{"SecretAccessKey": "${SECRET}'`, "something else than credentials"],
    [`echo '${output({ Version: 2 })}'`, "something else than credentials"],
    [`echo '${output({ SessionToken: undefined })}'`, "something else than credentials"],
    [`echo '${output({ Expiration: SECRET })}'`, "something else than credentials"],
    [`echo '${output({ Expiration: "2020-01-01T00:00:00Z" })}'`, "ended at 2020-01-01"],
    [`echo '["${SECRET}"]'`, "something else than credentials"],
    [`head -c 100000 /dev/zero; echo ${SECRET}`, "wrote too much"],
    [`kill -9 $$ # ${SECRET}`, "was killed by SIGKILL"],
    [`/no/such/helper ${SECRET}`, "process /no/such/helper ended with exit code 127"],
    [`KEY=${SECRET} false`, "process of a longer command ended with exit code 1"],
    [`'/no/such/${SECRET} helper'`, "process of a longer command ended with exit code 127"],
  ];
  for (const [command, says] of BROKEN) {
    it(`that fail are told, without what the process wrote: ${says}`, async () => {
      const error = await refusalOf(credentialsOf(`process:${command}`));
      expect(error.message).to.include(says);
      expect(error.hint).to.include("by hand");
    });
  }

  it("that does not end are given up, and it is killed with all that it started", async () => {
    await using folder = await mkdtempDisposable(`${tmpdir()}/s3oa-process-`);
    const fifo = `${folder.path}/fifo`;
    // Both wait for a reader of the fifo, and would make a file if they ever went on.
    const command = `mkfifo '${fifo}'; (echo ${SECRET} >'${fifo}'; touch '${fifo}.child') & echo $! >'${fifo}.pid'; wait`;
    const context = { env: process.env, clock: new HastyClock() };
    const error = await readProcess(command, context, { runMsMax: 500 }).then(
      () => expect.fail("it ended"),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(CredentialsError);
    expect((error as Error).message).to.include("did not end within 0.5 s");
    expectNoSecret(error);
    // On a busy machine it may have been killed before it got there.
    const pid = (await readFile(`${fifo}.pid`, "utf8").catch(() => "none")).trim();
    while (existsSync(`/proc/${pid}`) && !(await isZombie(pid))) await nextTurn();
    expect(existsSync(`${fifo}.child`)).to.equal(false);
  });
});

/** Whoever inherits a killed child's child may take its time to bury it. */
async function isZombie(pid: string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
  return /\) [ZX]/.test(stat);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
