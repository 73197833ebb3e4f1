import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { expect } from "chai";
import {
  type AgentWorld,
  type ConfigureOptions,
  is,
  openWorld,
  SPOOL,
  UNIT,
  untilAllTaken,
} from "../support/hosts/agent-host.ts";
import { shareInstalledHost } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const BOOTSTRAP = "/etc/s3-offload-agent/agent.yaml";
const VARIABLES = "/etc/default/s3-offload-agent";

describe("a service that cannot begin its work", () => {
  const shared = shareInstalledHost();

  /** A host of the fleet with a file that waits for its agent; not booted yet. */
  async function make(world: AgentWorld, options?: ConfigureOptions): Promise<SystemdHost> {
    const host = await SystemdHost.make(shared().base);
    await world.configure(host, options);
    await world.produce(host, `${SPOOL}/waiting.csv`, `of ${host.name}`);
    return host;
  }

  /** The agent has its configuration once, so that it knows what it works by afterwards. */
  async function work(world: AgentWorld, host: SystemdHost): Promise<void> {
    await host.boot();
    await host.must(["systemctl", "reload", UNIT]);
    await host.first(is("file.removed", { path: "waiting.csv" }));
    await host.must(["systemctl", "stop", UNIT]);
    await world.produce(host, `${SPOOL}/next.csv`, `next of ${host.name}`);
  }

  /** The line of `systemctl status` that says how the service is. */
  const statusLine = async (host: SystemdHost) => {
    const { stdout } = await host.run(["systemctl", "status", "--full", "--no-pager", UNIT]);
    return /^ +Status: "(.*)"$/m.exec(stdout)?.[1] ?? "";
  };

  /** A person sees the reason in one line, and the way out in the journal; nothing is lost. */
  async function tellsOf(
    world: AgentWorld,
    host: SystemdHost,
    told: { readonly reason: RegExp; readonly wayOut: string },
  ): Promise<void> {
    await host.until(`a status like ${told.reason}`, async () =>
      told.reason.test(await statusLine(host)),
    );
    await host.entry(({ unit, message }) => unit === UNIT && message.includes(told.wayOut));
    const { onDisk, ...verdict } = await world.verify(host, SPOOL);
    expect(verdict).to.deep.include({ lost: [], foreign: [], touched: [], duplicates: 0 });
    expect(onDisk).to.equal(1);
  }

  /** Nobody has started it, and every file is in the bucket. */
  async function goesOn(world: AgentWorld, host: SystemdHost): Promise<void> {
    await untilAllTaken(host);
    const verdict = await world.verify(host, SPOOL);
    expect(verdict).to.deep.include({ lost: [], foreign: [], duplicates: 0, onDisk: 0 });
    expect(await host.unit(UNIT, "ActiveState")).to.deep.equal({ ActiveState: "active" });
  }

  it("is tried again with growing pauses for a bad bootstrap file, never given up, and up by itself once that is mended", async () => {
    const mistakes = [
      {
        line: "-",
        reason: /^failed: .*agent\.yaml is not valid YAML at line 4, column 1: /,
        wayOut: "way out: Mend that line",
      },
      {
        line: "flet: web",
        reason: /^failed: .*agent\.yaml has an unknown key in line 4: flet\.$/,
        wayOut: "way out: Did you mean fleet?",
      },
    ];
    const outcomes = mistakes.map(async ({ line, ...told }) => {
      await using world = await openWorld(shared().aws);
      await using host = await make(world);
      const good = await host.read(BOOTSTRAP);
      await host.write(BOOTSTRAP, `${good}${line}\n`);
      await host.boot();
      await tellsOf(world, host, told);
      // More often than systemd's own limit of five starts in ten seconds.
      for (let n = 0; n < 6; n += 1) {
        const { code, stderr } = await host.run(["systemctl", "restart", UNIT]);
        expect([code, stderr]).to.deep.equal([1, stderr]);
        expect(stderr).to.include("journalctl").and.not.include("too quickly");
      }
      for (const pause of ["5", "15"]) {
        await host.entry(({ unit, message }) => {
          return unit === UNIT && message.includes(`waiting ${pause} s more`);
        });
      }
      await host.write(BOOTSTRAP, good);
      await host.until("its next start", async () => {
        const { ActiveState, NRestarts } = await host.unit(UNIT, "ActiveState", "NRestarts");
        return ActiveState === "active" && Number(NRestarts) >= 3;
      });
      await host.must(["systemctl", "reload", UNIT]);
      await goesOn(world, host);
    });
    await Promise.all(outcomes);
  });

  it("waits for its credentials file, whatever the mode and wherever it comes from", async () => {
    const places = ["/var/lib/keys/credentials", "/root/.aws/credentials"];
    const outcomes = places.map(async (file) => {
      await using world = await openWorld(shared().aws);
      await using host = await make(world);
      await work(world, host);
      const bootstrap = await host.read(BOOTSTRAP);
      await host.write(BOOTSTRAP, `${bootstrap}credentials: shared-file:${file}\n`);
      await host.must(["systemctl", "start", UNIT]);
      await host.must(["systemctl", "reload", UNIT]);
      const missing = /^The credentials file \S+ cannot be read: ENOENT/;
      await tellsOf(world, host, { reason: missing, wayOut: "Check the path" });
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = shared().aws.env;
      const keys = [
        `aws_access_key_id = ${AWS_ACCESS_KEY_ID}`,
        `aws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}`,
      ];
      await host.write(file, `[default]\n${keys.join("\n")}\n`, { mode: 0o600 });
      await goesOn(world, host);
    });
    await Promise.all(outcomes);
  });

  it("waits for its watched directory, and is started again when it is there", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await make(world);
    await work(world, host);
    await host.must(["mv", SPOOL, "/var/spool/elsewhere"]);
    await host.must(["systemctl", "start", UNIT]);
    await host.until("a status that tells of it", async () =>
      (await statusLine(host)).startsWith(`The watched directory ${SPOOL} does not exist; `),
    );
    expect(await host.first(is("sweep.failed")))
      .to.have.property("hint")
      .that.includes("mkdir");
    await host.must(["mv", "/var/spool/elsewhere", SPOOL]);
    await goesOn(world, host);
    expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "1" });
  });

  it("says what is wrong with its fleet's parameters, and goes on when they are mended", async () => {
    await using world = await openWorld(shared().aws);
    await using host = await make(world, { parameters: { schedule: "rate(0 minutes)" } });
    await host.boot();
    await host.must(["systemctl", "reload", UNIT]);
    const reason = /^waiting for the first configuration: .*schedule/;
    await tellsOf(world, host, { reason, wayOut: '"event":"config.refused"' });
    expect(await host.first(is("config.refused"))).to.have.property("level", "error");
    await world.operator.setParameter("schedule", "rate(1 second)");
    await host.must(["systemctl", "reload", UNIT]);
    await goesOn(world, host);
  });

  it("waits for SSM if it has no configuration, and works by the last good one if it has", async () => {
    const outcomes = [false, true].map(async (hasWorked) => {
      await using gate = await makeGate(shared().aws.endpoint);
      await using world = await openWorld(shared().aws);
      await using host = await make(world);
      if (hasWorked) await work(world, host);
      const variables = await host.read(VARIABLES);
      const gated = variables.replace(/^(AWS_ENDPOINT_URL_SSM)=.*$/m, `$1=${gate.endpoint}`);
      await host.write(VARIABLES, gated, { mode: 0o600 });
      if (hasWorked) {
        await host.must(["systemctl", "start", UNIT]);
        await host.first(is("file.removed", { path: "next.csv" }));
        await host.must(["systemctl", "reload", UNIT]);
        await host.until("a status that tells of it", async () =>
          /^parameters cannot be read: .*; (next sweep|sweeping)/.test(await statusLine(host)),
        );
        return;
      }
      await host.boot();
      await host.must(["systemctl", "reload", UNIT]);
      const reason = /^waiting for the first configuration: .*ECONNREFUSED/;
      await tellsOf(world, host, { reason, wayOut: '"event":"config.unreachable"' });
      await gate.open();
      await goesOn(world, host);
      expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "0" });
    });
    await Promise.all(outcomes);
  });

  it("waits for the end of another agent that holds its directory", async () => {
    const held = [
      { own: "S3_OFFLOAD_STATE_DIRECTORY=/var/lib/other", reason: /^Another agent holds the wat/ },
      { own: "S3_OFFLOAD_HOST_ID=other", reason: /^failed: Another agent uses the state direct/ },
    ];
    const outcomes = held.map(async ({ own, reason }) => {
      await using world = await openWorld(shared().aws);
      await using host = await make(world);
      await work(world, host);
      world.s3.onPut(() => ({ kind: "hang" }));
      const other = ["--unit=other", `--setenv=${own}`, `--property=EnvironmentFile=${VARIABLES}`];
      await host.must(["systemd-run", ...other, "s3-offload-agent", "run"]);
      await host.entry(({ unit, record }) => unit === "other.service" && record !== undefined);
      await host.must(["kill", "-HUP", (await host.unit("other", "MainPID"))["MainPID"] ?? ""]);
      await world.s3.waitUntil((requests) => requests.length > 1);
      await host.run(["systemctl", "start", UNIT]);
      await tellsOf(world, host, { reason, wayOut: "systemctl status s3-offload-agent" });
      world.s3.onPut(undefined);
      await host.must(["systemctl", "kill", "--signal=KILL", "other"]);
      await goesOn(world, host);
    });
    await Promise.all(outcomes);
  });
});

/** An address at which a server is to be had only once it is opened. */
async function makeGate(endpoint: string) {
  const { port } = new URL(endpoint);
  const server = createServer((client) => {
    const there = connect(Number(port), "127.0.0.1");
    for (const socket of [client, there]) socket.on("error", () => socket.destroy());
    client.pipe(there).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const own = (server.address() as AddressInfo).port;
  server.close();
  await once(server, "close");
  return {
    endpoint: `http://127.0.0.1:${own}`,
    async open() {
      server.listen(own, "127.0.0.1");
      await once(server, "listening");
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
