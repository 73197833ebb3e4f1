import { expect } from "chai";
import type { ImageName } from "../support/hosts/images.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

describe("a host of the tests", () => {
  for (const image of ["bullseye", "bookworm", "trixie", "rpm"] as const satisfies ImageName[]) {
    it(`boots ${image} without a failed unit, reboots, and loses its power`, async () => {
      await using host = await SystemdHost.make(image);
      expect(await host.boot()).to.equal("running");
      expect((await host.must("hostname")).trim()).to.equal(host.name);
      await host.must("logger --tag test one");
      await host.entry(({ identifier, message }) => identifier === "test" && message === "one");
      const leader = host.leader;
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
  }
});
