import { appendFile } from "node:fs/promises";
import { expect } from "chai";
import { is, openWorld, SPOOL, UNIT } from "../support/hosts/agent-host.ts";
import { shareInstalledHost } from "../support/hosts/shared-hosts.ts";
import { SystemdHost } from "../support/hosts/systemd-host.ts";

const OFFSET = "/var/lib/clock-offset";

/**
 * It is the agent's clock that is set, not the kernel's, which all hosts share: libfaketime moves
 * what the agent is told of the wall clock, while times of files and timers stay as they are.
 */
const DROP_IN = `[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1
Environment=FAKETIME_TIMESTAMP_FILE=${OFFSET} FAKETIME_CACHE_DURATION=1
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1 NO_FAKE_STAT=1
`;

describe("the service on a host whose clock is set", () => {
  const shared = shareInstalledHost();

  for (const [step, seconds] of [
    ["+86400", 86_400],
    ["-86400", -86_400],
  ] as const) {
    it(`touches no unfinished file when it is set by ${step} s, and sends it when the clock has run steadily`, async () => {
      await using world = await openWorld(shared().aws);
      await using host = await SystemdHost.make(shared().base);
      await world.configure(host, { parameters: { "min-age": "10s" } });
      await host.write(`/etc/systemd/system/${UNIT}.d/clock.conf`, DROP_IN);
      await host.write(OFFSET, "+0\n");
      await host.boot();
      await host.must(["systemctl", "reload", UNIT]);
      await host.first(is("config.applied"));

      const path = host.path(`${SPOOL}/growing.csv`);
      let content = "";
      const grow = async () => {
        content += `line ${content.length}\n`;
        world.oracle.writing(path, content);
        await appendFile(path, content.slice(content.lastIndexOf("line")));
      };
      // By the agent's own clock: that it was set is seen in its records.
      const sweeps = async (count: number, isSet: boolean) => {
        for (let n = 0; n < count; ) {
          const record = await host.next(is("sweep.completed"));
          await grow();
          const ahead = Date.parse(String(record["time"])) - Date.now();
          if (!isSet || Math.abs(ahead - seconds * 1_000) < 60_000) n += 1;
        }
      };
      await grow();
      // For longer than min-age, so that nothing but the step keeps the file from being old enough.
      await sweeps(12, false);
      await host.write(OFFSET, `${step}\n`);
      await sweeps(5, true);
      const judged = await world.verify(host, SPOOL);
      expect(judged).to.deep.include({ touched: [], foreign: [] });
      expect(world.s3.requests).to.deep.equal([]);

      world.oracle.closed(path, content);
      // A day back its time lies in the future, which no file is taken from, until that is mended.
      if (seconds < 0) {
        for (let n = 0; n < 12; n += 1) await host.next(is("sweep.completed"));
        expect(world.s3.requests).to.deep.equal([]);
        await host.write(OFFSET, "+0\n");
      }
      await host.first(is("file.removed", { path: "growing.csv" }));
      const verdict = await world.verify(host, SPOOL);
      expect(verdict).to.deep.include({ lost: [], foreign: [], touched: [], onDisk: 0 });
    });
  }
});
