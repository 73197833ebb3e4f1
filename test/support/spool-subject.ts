/**
 * A process with a spool, for faults at each of its steps: appends records, sends them, and ends. It
 * tells the world outside what has happened, each line with one write, so that a kill takes none of
 * it back: `written N` when the disk has all records below N, `synced N` when a power cut leaves them, `batch A B C` when the service takes
 * them, `counted N` when so many were told as lost.
 *
 * Arguments: the spool's directory, the file that it tells, how many records it appends, and `down`
 * if the service does not answer.
 */
import { appendFileSync } from "node:fs";
import { systemClock } from "../../src/lib/clock.ts";
import { LogShipper } from "../../src/logs/shipper.ts";
import { Spool } from "../../src/logs/spool.ts";
import { SpoolSpace } from "../../src/logs/spool-space.ts";
import { takeBatch } from "./strict-stream.ts";

const [directory = "", world = "", count = "0", state = "up"] = process.argv.slice(2);

const tell = (line: string) => appendFileSync(world, `${line}\n`);
const space = new SpoolSpace();
const spool = new Spool({
  clock: systemClock,
  space,
  owner: "group",
  onRefused: () => tell("refused"),
});
const shipper = new LogShipper({
  destination: {
    name: "group",
    async put(events) {
      if (state === "down") return { kind: "failed", code: "ECONNREFUSED", message: "down" };
      const { taken } = takeBatch(events, systemClock.now());
      tell(`batch ${taken.map(({ message }) => message).join(" ")}`);
      return { kind: "accepted", rejected: 0 };
    },
    create: async () => undefined,
  },
  spool,
  clock: systemClock,
  random: Math.random,
  fleet: "web",
});
shipper.setLogger({
  log(event, fields = {}) {
    if (event === "logs.dropped" && "records" in fields) tell(`counted ${fields.records}`);
  },
  setLevel() {},
  setFileEvents() {},
});

const never = new AbortController().signal;
const total = Number(count);
await spool.open(directory);
for (let nth = 0; nth < total; nth += 1) {
  shipper.write(`${process.pid}.${nth}`, systemClock.now());
  if (nth % 3 < 2 && nth < total - 1) continue;
  await spool.written();
  if (spool.onlyInMemory === 0) tell(`written ${process.pid} ${nth + 1}`);
  if (nth % 2 === 1) await shipper.flush(never);
  else {
    await spool.sync();
    if (spool.onlyInMemory === 0) tell(`synced ${process.pid} ${nth + 1}`);
  }
}
await shipper.flush(never);
await spool.close();
tell(`end ${spool.waiting}`);
