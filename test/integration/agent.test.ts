import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { checkEmf } from "../../tools/records/emf-rules.ts";
import { emfData } from "../support/emf-values.ts";
import { makeHost, recordsOf } from "../support/host.ts";
import { startProxy } from "../support/proxy.ts";

const run = promisify(execFile);
const sha256 = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("the agent", () => {
  let aws: LocalAws;

  before(async function () {
    // A cold start of moto on a busy machine; the local AWS has a limit of its own.
    this.timeout(60_000);
    aws = await startLocalAws();
  });
  after(() => aws.stop());

  it("sends exactly one PUT a small file and no other request to S3", async () => {
    await using host = await makeHost(aws);
    await using s3 = await startProxy(aws.endpoint);
    for (const name of ["a.csv", "b.csv", "c.csv"]) await host.write(name, name);
    const env = { AWS_ENDPOINT_URL_S3: s3.endpoint };
    expect((await host.run(["sweep"], { env })).exitCode).to.equal(0);
    const path = (name: string) => `PUT /${host.bucket}/host-1/${name}?x-id=PutObject`;
    expect(s3.requests.toSorted()).to.deep.equal(["a.csv", "b.csv", "c.csv"].map(path));
  });

  it("tells of each file and of the sweep in CloudWatch Logs, with valid metrics", async () => {
    await using host = await makeHost(aws);
    await host.write("a.csv", "content");
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    const group = `/s3-offload-agent/${host.fleet}`;
    const [file] = await host.operator.readRecords(`${group}/files`);
    expect(file).to.include({
      event: "file.removed",
      key: "host-1/a.csv",
      bytes: 7,
      sha256: sha256("content"),
      attempts: 1,
      host: "host-1",
      fleet: host.fleet,
    });
    const completed = (await host.operator.readRecords(group)).at(-1) ?? {};
    expect(completed).to.include({ event: "sweep.completed", FilesRemoved: 1, BytesRemoved: 7 });
    expect(checkEmf(completed)).to.deep.equal([]);
    const namesBy = (dimensions: Record<string, string>) =>
      emfData(completed)
        .filter((datum) => isDeepStrictEqual(datum.dimensions, dimensions))
        .map(({ name }) => name);
    // Alarms rest on these names: one that is gone would leave its alarm without data, unnoticed.
    const counters = [
      "FilesRemoved",
      "BytesRemoved",
      "FilesFailed",
      "FilesQuarantined",
      "FilesOpenedLate",
      "SweepDurationMs",
      "UploadLatencyMs",
    ] as const;
    const ofRoute = [
      "FilesWaiting",
      "FilesKept",
      "FilesDeferred",
      "FilesInQuarantine",
      "FilesUndeletable",
      "FilesUnsettled",
      "BacklogFiles",
      "BacklogBytes",
      "OldestSettledAgeSeconds",
      "ConfigAgeSeconds",
      "FreeBytes",
      "FreePercent",
    ] as const;
    expect(namesBy({ Fleet: host.fleet })).to.have.members(counters);
    const route = { Fleet: host.fleet, Route: "default" };
    expect(namesBy(route)).to.have.members([...counters, ...ofRoute]);
    expect(completed["UploadLatencyMs"]).to.have.length(1);
    expect(completed["uploadLatencyP99Ms"]).to.equal(file?.["uploadMs"]);
    expect(completed["freePercent"]).to.be.within(0, 100);
  });

  for (const [how, spell] of [
    ["absolute", (host: string) => `${host}/watched`],
    ["with a slash at the end", (host: string) => `${host}/watched/`],
    ["with . and .. inside", (host: string) => `${host}/./x/../watched/.`],
    ["relative to the working directory", () => "watched"],
    ["relative with . and ..", () => "./x/../watched/"],
    ["through a link", (host: string) => `${host}/link`],
  ] as const) {
    it(`the key is the same for a directory that is written ${how}`, async () => {
      await using host = await makeHost(aws);
      await mkdir(join(host.folder, "x"));
      await symlink("watched", join(host.folder, "link"));
      await mkdir(join(host.watched, "sub"));
      await host.write("a.csv", "a");
      await host.write("sub/b.csv", "b");
      await host.operator.setParameter("directory", spell(host.folder));
      await host.run(["sweep"], { cwd: host.folder });
      const keys = [...(await host.operator.readObjects()).keys()].toSorted();
      expect(keys).to.deep.equal(["host-1/a.csv", "host-1/sub/b.csv"]);
    });
  }

  it("carries odd but valid names as they are", async () => {
    await using host = await makeHost(aws, { prefix: "{fleet}/" });
    const names = [
      "a b",
      "#1",
      "50%",
      "q?x=1&y",
      "a+b",
      "ü",
      "e\u0301",
      "日本",
      "📦.log",
      ".dot",
      "a'b\"c",
      "-rf",
      "~x",
    ];
    for (const name of names) await host.write(name, name);
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    const objects = await host.operator.readObjects();
    const expected = names.map((name) => [`${host.fleet}/${name}`, sha256(name)]);
    expect([...objects].toSorted()).to.deep.equal(expected.toSorted());
  });

  it("streams a file that is larger than its buffers", async () => {
    await using host = await makeHost(aws);
    const bytes = randomBytes(9 * 2 ** 20 + 1);
    await host.write("large.bin", bytes);
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    expect([...(await host.operator.readObjects()).values()]).to.deep.equal([sha256(bytes)]);
    expect(await readdir(host.watched)).to.deep.equal([]);
  });

  it("never overwrites: a file whose key is taken goes to a key of its content", async () => {
    await using host = await makeHost(aws);
    await host.write("a.csv", "first");
    await host.run(["sweep"]);
    await host.write("a.csv", "second");
    expect((await host.run(["sweep"])).exitCode).to.equal(0);
    expect([...(await host.operator.readObjects())]).to.have.deep.members([
      ["host-1/a.csv", sha256("first")],
      [`host-1/a.csv.sha256-${sha256("second").slice(0, 32)}`, sha256("second")],
    ]);
    expect(await readdir(host.watched)).to.deep.equal([]);
  });

  it("takes regular files only: links are not followed, a FIFO does not hold it up", async () => {
    await using host = await makeHost(aws);
    const secret = join(host.folder, "secret.txt");
    await writeFile(secret, "secret");
    await symlink(secret, join(host.watched, "link-to-file"));
    await symlink(host.folder, join(host.watched, "link-to-directory"));
    await run("mkfifo", [join(host.watched, "fifo")]);
    await host.write("a.csv", "a");
    const { exitCode, stdout } = await host.run(["sweep", "--json"]);
    expect(exitCode).to.equal(0);
    expect(recordsOf(stdout).at(-1)).to.include({ filesRemoved: 1, filesIgnored: 3 });
    expect([...(await host.operator.readObjects()).keys()]).to.deep.equal(["host-1/a.csv"]);
    expect(await readFile(secret, "utf8")).to.equal("secret");
    expect(await readdir(host.watched)).to.have.members([
      "fifo",
      "link-to-file",
      "link-to-directory",
    ]);
  });

  it("does nothing in a dry run, but tells what it would do and why", async () => {
    await using host = await makeHost(aws);
    await host.write("go.csv", "1");
    await host.write("stay.tmp", "2");
    const { exitCode, stdout } = await host.run(["sweep", "--dry-run"]);
    expect(exitCode).to.equal(0);
    expect(stdout).to.match(/would go +go\.csv +-> s3:\/\/[\w-]+\/host-1\/go\.csv\n/);
    expect(stdout).to.match(/stays +stay\.tmp +\(not selected/);
    const planned = recordsOf((await host.run(["sweep", "--dry-run", "--json"])).stdout);
    expect(planned.map(({ event }) => event)).to.deep.equal([
      "file.planned",
      "file.planned",
      "sweep.completed",
    ]);
    expect(await readdir(host.watched)).to.have.members(["go.csv", "stay.tmp"]);
    expect((await host.operator.readObjects()).size).to.equal(0);
    // No trace in CloudWatch Logs either: not even the groups are made.
    for (const group of ["", "/files"].map((end) => `/s3-offload-agent/${host.fleet}${end}`)) {
      const answer = await host.operator.readRecords(group).catch((error: Error) => error.name);
      expect(answer, group).to.equal("ResourceNotFoundException");
    }
  });

  it("sweep --json writes one event a line, sweep.completed last", async () => {
    await using host = await makeHost(aws);
    for (const name of ["a", "b"]) await host.write(name, name);
    const records = recordsOf((await host.run(["sweep", "--json"])).stdout);
    expect(records.map(({ event }) => event)).to.deep.equal([
      "file.removed",
      "file.removed",
      "sweep.completed",
    ]);
  });

  it("reads all pages of parameters; the host's own win; config show tells where each is from", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 23 }, (_, index) => [`unknown-${index}`, "x"]),
    );
    await using host = await makeHost(aws, {
      ...many,
      timezone: "Europe/Berlin",
      prefix: "fleet/",
    });
    await host.operator.setHostParameter("prefix", "host/");
    const { stdout, exitCode } = await host.run(["config", "show", "--json"]);
    expect(exitCode).to.equal(0);
    const shown = JSON.parse(stdout);
    expect(shown.unknown).to.have.length(23);
    const all = [...shown.settings, ...shown.routes[0].settings];
    const of = (name: string) => all.find((setting: { name: string }) => setting.name === name);
    expect(of("timezone")).to.include({ value: "Europe/Berlin", origin: "fleet" });
    expect(of("prefix")).to.include({ value: "host/", origin: "host" });
    expect(of("concurrency")).to.include({ value: "8", origin: "default" });
    const text = (await host.run(["config", "show"])).stdout;
    expect(text).to.match(/^prefix +host\/ +host$/m);
    const { stdout: origins } = await host.run(["config", "show", "--origin"]);
    expect(origins).to.match(/^prefix +host\/ +\/s3-offload-agent\/hosts\/host-1\/prefix$/m);
  });

  it("gives help on every command, and its version", async () => {
    const commands = [
      "run",
      "sweep",
      "status",
      "doctor",
      "retry",
      "config",
      "config show",
      "version",
      "",
    ];
    for (const command of commands.map((words) => words.split(" ").filter(Boolean))) {
      const { stdout } = await run(process.execPath, ["src/main.ts", ...command, "--help"]);
      expect(stdout).to.match(/^Usage: s3-offload-agent/);
    }
    const { stdout } = await run(process.execPath, ["src/main.ts", "version"]);
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect(stdout).to.equal(`${version}\n`);
  });
});
