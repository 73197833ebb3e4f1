import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { whenConfigured } from "../../../src/cli/wait-configured.ts";
import { NoFleetError } from "../../../src/host/resolve-host.ts";
import { configurationError } from "../../../src/lib/errors.ts";
import { TextSink } from "../../support/command.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const LOOK_MS = 5_000;

/** A start that finds no fleet until it is told one, below a service manager. */
class Unconfigured implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly stop = new AbortController();
  readonly stderr = new TextSink();
  readonly told: string[] = [];
  readonly file: string;
  fleet: string | undefined;
  failure: Error | undefined;
  asked = 0;
  reload = () => {};
  result: Promise<string | undefined> = Promise.resolve(undefined);

  private constructor(file: string) {
    this.file = file;
  }

  static async make(): Promise<Unconfigured> {
    return new Unconfigured(join(await mkdtemp(join(tmpdir(), "wait-")), "agent.yaml"));
  }

  start({ isThere = true } = {}): void {
    const begin = async () => {
      this.asked += 1;
      if (this.failure !== undefined) throw this.failure;
      if (this.fleet !== undefined) return this.fleet;
      throw new NoFleetError("fleet is required.", { exitCode: 2, hint: "Set `fleet: NAME`." });
    };
    const context = {
      stop: this.stop.signal,
      stderr: this.stderr,
      onReload: (reload: () => void) => {
        this.reload = reload;
      },
    };
    const manager = {
      isThere,
      ready: () => void this.told.push("ready"),
      status: (text: string) => void this.told.push(text),
      watchdog: () => void this.told.push("watchdog"),
    };
    this.result = whenConfigured(begin, { config: this.file }, context, {
      manager,
      clock: this.clock,
    });
  }

  /** Until it sleeps again, or has ended. */
  async quiet(): Promise<void> {
    let hasEnded = false;
    const end = () => {
      hasEnded = true;
    };
    void this.result.then(end, end);
    while (this.clock.sleepers === 0 && !hasEnded) await new Promise(setImmediate);
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += LOOK_MS) {
      await this.quiet();
      await this.clock.advance(LOOK_MS);
    }
    await this.quiet();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.result.catch(() => undefined);
    await rm(join(this.file, ".."), { recursive: true, force: true });
  }
}

describe("an agent without a fleet", () => {
  it("is ready below a service manager, and says once what is missing and what to write", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.pass(180_000);
    expect(host.told.filter((text) => text === "ready")).to.have.length(1);
    expect(host.told).to.include("not configured: Set `fleet: NAME`.");
    expect(host.stderr.text.match(/way out: Set `fleet: NAME`/g)).to.have.length(1);
  });

  it("tells the service manager all the time that it lives", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.pass(60_000);
    expect(host.told.filter((text) => text === "watchdog").length).to.be.at.least(12);
  });

  it("goes on as soon as the file is written", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.pass(10_000);
    expect(host.asked).to.equal(1);
    host.fleet = "web";
    await writeFile(host.file, "fleet: web\n");
    await host.pass(LOOK_MS);
    expect(await host.result).to.equal("web");
  });

  it("asks everything again each minute: a tag may have come", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.pass(55_000);
    expect(host.asked).to.equal(1);
    host.fleet = "web";
    await host.pass(10_000);
    expect(await host.result).to.equal("web");
  });

  it("asks again at once on a SIGHUP, each time", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.quiet();
    host.reload();
    await host.quiet();
    expect(host.asked).to.equal(2);
    host.fleet = "web";
    host.reload();
    expect(await host.result).to.equal("web");
  });

  it("stops at once", async () => {
    await using host = await Unconfigured.make();
    host.start();
    await host.quiet();
    host.stop.abort();
    expect(await host.result).to.equal(undefined);
  });

  it("ends of whatever else is wrong, then or later", async () => {
    for (const isLater of [false, true]) {
      await using host = await Unconfigured.make();
      if (!isLater) host.failure = configurationError("bad YAML", "Mend it.");
      host.start();
      await host.quiet();
      if (isLater) {
        host.failure = configurationError("bad YAML", "Mend it.");
        host.reload();
      }
      const error = await host.result.catch((thrown: unknown) => thrown);
      expect(error).to.equal(host.failure);
    }
  });

  it("ends at a person's terminal", async () => {
    await using host = await Unconfigured.make();
    host.start({ isThere: false });
    const error = await host.result.catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(NoFleetError);
    expect(host.told).to.deep.equal([]);
  });
});
