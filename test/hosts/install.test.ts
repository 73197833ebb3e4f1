import { expect } from "chai";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import { openRepository, type SignedRepository } from "../support/hosts/signed-repository.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const NAME = "s3-offload-agent";
const QUARANTINED = `${SPOOL}/.s3oa-quarantine/kept.csv`;

/** How a person installs and removes the package, and what he has to do besides. */
const MANAGERS = {
  apt: {
    install: `apt-get update && apt-get install --yes ${NAME}`,
    begin: "true",
    remove: `apt-get remove --yes ${NAME}`,
    purge: `apt-get purge --yes ${NAME}`,
  },
  dnf: {
    install: `dnf install --assumeyes ${NAME}`,
    // The documented third line, for hosts whose own presets start nothing.
    begin: `systemctl enable --now ${UNIT}`,
    remove: `dnf remove --assumeyes ${NAME}`,
    purge: "true",
  },
} as const;

const HOSTS = [
  ["bullseye", "apt"],
  ["bookworm", "apt"],
  ["trixie", "apt"],
  ["rpm", "dnf"],
] as const;

describe("an installation from the signed repository", () => {
  let aws: LocalAws;
  let repository: SignedRepository;
  const all = new AsyncDisposableStack();

  before(async () => {
    aws = all.use(await startLocalAws());
    repository = all.use(await openRepository("0.2.0"));
  });
  after(() => all.disposeAsync());

  for (const [image, tool] of HOSTS) {
    it(`waits for its fleet, works, follows a change, and takes no file along when it goes: ${image}`, async () => {
      const manager = MANAGERS[tool];
      await using world = await openWorld(aws);
      await using host = await SystemdHost.start(image);
      const status = async () => (await host.unit(UNIT, "StatusText"))["StatusText"] ?? "";

      // Installed: it waits, and says what to write.
      await world.introduce(host);
      await repository.introduce(host, tool);
      await host.must(manager.install);
      await host.must(manager.begin);
      expect(await host.unit(UNIT, "ActiveState", "NRestarts", "UnitFileState")).to.deep.equal({
        ActiveState: "active",
        NRestarts: "0",
        UnitFileState: "enabled",
      });
      expect(await status()).to.match(/^not configured: .*fleet/);
      const told = await host.entry(
        ({ unit, message }) => unit === UNIT && message.includes("way out"),
      );
      expect(told.message).to.include("/etc/s3-offload-agent/agent.yaml");

      // Configured: it goes on by itself as soon as the file is there.
      await world.configure(host, { parameters: { prefix: "old/" } });
      await host.first(is("agent.started"));
      expect(await host.unit(UNIT, "NRestarts")).to.deep.equal({ NRestarts: "0" });
      // Its first call is spread over half a minute; a reload is a person's wish.
      await host.must(["systemctl", "reload", UNIT]);
      await host.first(is("config.applied"));

      // Files go, whoever has written them.
      await world.produce(host, `${SPOOL}/root.csv`, "of root");
      await world.produce(host, `${SPOOL}/secret.csv`, "of nobody else", {
        mode: 0o600,
        uid: 12_345,
      });
      await host.first(is("file.removed", { path: "root.csv", key: "old/root.csv" }));
      await host.first(is("file.removed", { path: "secret.csv", key: "old/secret.csv" }));
      expect(await host.unit(UNIT, "User")).to.deep.equal({ User: NAME });
      await host.until("a status that tells of the next sweep", async () =>
        /next sweep|sweeping/.test(await status()),
      );

      // A change in the Parameter Store.
      await world.operator.setParameter("prefix", "new/");
      await host.must(["systemctl", "reload", UNIT]);
      await host.until("the change", () => host.records.filter(is("config.applied")).length > 1);
      await world.produce(host, `${SPOOL}/later.csv`, "later");
      await host.first(is("file.removed", { path: "later.csv", key: "new/later.csv" }));
      expect(await host.must(["systemctl", "status", UNIT])).to.match(/Status: ".*sweep/);

      // Gone: what is watched, or quarantined, stays.
      await host.must(["systemctl", "stop", UNIT]);
      await world.produce(host, `${SPOOL}/watched.csv`, "watched");
      await host.must(["mkdir", "-p", `${SPOOL}/.s3oa-quarantine`]);
      await world.produce(host, QUARANTINED, "quarantined");
      await host.must(["systemctl", "start", UNIT]);
      await host.must(["systemctl", "stop", UNIT]);
      const before = await host.files(SPOOL);
      await host.must(manager.remove);
      expect(await host.files(SPOOL)).to.deep.equal(before);
      await host.must(manager.purge);
      expect(await host.files(SPOOL)).to.deep.equal(before);
      expect(await host.must(`systemctl list-units --all --no-legend '${NAME}*'`)).to.equal("");
      const { lost, foreign, duplicates } = await world.verify(host, SPOOL);
      expect({ lost, foreign, duplicates }).to.deep.equal({ lost: [], foreign: [], duplicates: 0 });
    });
  }
});
