import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { startModule } from "../support/child.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const HOST_MODULE = import.meta.resolve("../support/hosts/systemd-host.ts");

describe("a host of the tests", () => {
  it("boots without a failed unit, reboots, loses its power, and keeps its journal", async () => {
    await using host = await SystemdHost.make("bookworm");
    expect(await host.boot()).to.equal("running");
    expect((await host.must("hostname")).trim()).to.equal(host.name);
    await host.must("logger --tag test one");
    await host.entry(({ identifier, message }) => identifier === "test" && message === "one");
    const { leader } = host;
    expect(await host.reboot()).to.equal("running");
    expect(host.leader).to.not.equal(leader);
    await host.must("logger --tag test two");
    await host.entry(({ message }) => message === "two");
    await host.cutPower();
    expect(await host.boot()).to.equal("running");
    await host.must("logger --tag test three");
    await host.entry(({ message }) => message === "three");
    // Each entry once, over all boots.
    const own = host.entries.filter(({ identifier }) => identifier === "test");
    expect(own.map(({ message }) => message)).to.deep.equal(["one", "two", "three"]);
  });

  it("ends with the process that has started it, and leaves nothing that the next one does not remove", async () => {
    const script = `
      import { SystemdHost } from ${JSON.stringify(HOST_MODULE)};
      const host = await SystemdHost.start("bookworm");
      console.log(JSON.stringify({ leader: host.leader, root: host.root }));
      setInterval(() => {}, 1000);
    `;
    await using child = startModule(script);
    const { leader, root } = JSON.parse((await child.line()) ?? "{}");
    expect(existsSync(`/proc/${leader}`)).to.equal(true);
    process.kill(child.pid, "SIGKILL");
    await child.ended();
    // It is not our child: there is no event to wait for.
    while (existsSync(`/proc/${leader}`)) await delay(20);
    await using other = await SystemdHost.make("bookworm");
    expect(existsSync(other.root)).to.equal(true);
    expect(existsSync(root)).to.equal(false);
  });
});
