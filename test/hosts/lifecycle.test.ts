import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { installedHost, is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

describe("the agent as a service", () => {
  let aws: LocalAws;
  let base: SystemdHost;

  const all = new AsyncDisposableStack();

  before(async () => {
    aws = all.use(await startLocalAws());
    base = all.use(await installedHost("bookworm"));
  });
  after(() => all.disposeAsync());

  it("starts", async () => {
    await using world = await openWorld(aws);
    await using host = await SystemdHost.make(base);
    await world.configure(host);
    expect(await host.boot()).to.equal("running");
    console.log(await host.unit(UNIT, "ActiveState", "StatusText", "MainPID"));
    await host.must(["systemctl", "reload", UNIT]);
    await host.first(is("config.applied"));
    await world.produce(host, `${SPOOL}/a.csv`, "one");
    await host.first(is("file.removed", { path: "a.csv" }));
    console.log(await world.verify(host, SPOOL));
    console.log(await host.must(`systemctl status ${UNIT}`));
  });
});
