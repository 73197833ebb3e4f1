import { expect } from "chai";
import { makeSpoolPlace, numbersOf, records, START } from "../../support/spool-place.ts";

const HOUR_MS = 3_600_000;

describe("a batch that the service refuses for good", () => {
  it("costs the bad record only: everything else arrives, once and in order", async () => {
    await using place = await makeSpoolPlace();
    const bad = new Set([0, 499, 1_234, 1_235, 9_999]);
    place.stream.isBad = (message) => bad.has(numbersOf([message])[0] ?? -1);
    const { write, flush, shipper, told } = await place.start();
    await write(...records(10_000));
    expect(await flush()).to.equal(0);
    const good = Array.from({ length: 10_000 }, (_, nth) => nth).filter((nth) => !bad.has(nth));
    expect(numbersOf(place.stream.taken)).to.deep.equal(good);
    expect(shipper.dropped).to.equal(5);
    // Told when a batch is accepted again.
    await write("r10000");
    await flush();
    const rejected = told.filter(({ event }) => event === "logs.rejected");
    expect(rejected.reduce((sum, { records }) => sum + Number(records), 0)).to.equal(5);
    // About fourteen halvings for each, and as many for the way back.
    expect(place.stream.puts).to.be.below(5 * 40);
  });

  it("is sent in whole batches again afterwards", async () => {
    await using place = await makeSpoolPlace();
    place.stream.isBad = (message) => message.startsWith("r0 ");
    const { write, flush } = await place.start();
    await write(...records(30_000));
    await flush();
    expect(Math.max(...place.stream.sizes)).to.be.above(9_000);
  });

  it("does not cost the whole spool when the service refuses everything", async () => {
    await using place = await makeSpoolPlace();
    place.stream.isBad = () => true;
    const { write, flush, shipper, told } = await place.start();
    await write(...records(1_000));
    expect(await flush()).to.equal(1_000 - 17);
    for (let nth = 0; nth < 10; nth += 1) await flush();
    expect(shipper.dropped).to.equal(27);
    expect(told.map(({ event }) => event)).to.deep.equal(["logs.unavailable"]);
    place.stream.isBad = () => false;
    expect(await flush()).to.equal(0);
    expect(place.stream.taken.length).to.equal(1_000 - 27);
    expect(told.slice(1).map(({ event, records }) => [event, records])).to.deep.equal([
      ["logs.recovered", undefined],
      ["logs.rejected", 27],
    ]);
  });
});

describe("records that the service rejects one by one", () => {
  it("are counted and told once, also by a host whose clock is far ahead", async () => {
    await using place = await makeSpoolPlace();
    const { shipper, flush, told } = await place.start();
    for (let nth = 0; nth < 5; nth += 1) {
      // The report itself is a record, and is rejected as well.
      for (const { event } of told) shipper.write(`r0 ${event}`, START + 3 * HOUR_MS);
      shipper.write("r1", START + 3 * HOUR_MS);
      expect(await flush()).to.equal(0);
    }
    expect(told.map(({ event, records }) => [event, records])).to.deep.equal([
      ["logs.rejected", 1],
    ]);
    expect(place.stream.taken).to.deep.equal([]);
    shipper.write("r2", START);
    await flush();
    expect(place.stream.taken).to.deep.equal(["r2"]);
    const counted = told.reduce((sum, { records }) => sum + Number(records), 0);
    expect(counted).to.equal(shipper.dropped);
  });

  it("are only those that are too new: what is too old was never sent", async () => {
    await using place = await makeSpoolPlace();
    const { shipper, flush, spool } = await place.start();
    for (const [nth, hours] of [-15 * 24, -13 * 24, -1, 0, 1.9, 2.1].entries()) {
      shipper.write(`r${nth}`, START + hours * HOUR_MS);
    }
    expect(await flush()).to.equal(0);
    expect(numbersOf(place.stream.taken)).to.deep.equal([1, 2, 3, 4]);
    expect([spool.losses.total, shipper.dropped]).to.deep.equal([1, 2]);
  });
});

describe("a batch at the service's edges, from disk", () => {
  it("has 10,000 records at most", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush } = await place.start();
    await write(...records(20_001));
    await flush();
    expect(place.stream.sizes).to.deep.equal([10_000, 10_000, 1]);
  });

  it("has 1,048,576 bytes at most, 26 of them for each record, whatever stands on disk", async () => {
    await using place = await makeSpoolPlace();
    const { write, flush } = await place.start();
    await write(...records(9, { bytes: 2 ** 18 - 26 }));
    await flush();
    expect(place.stream.sizes).to.deep.equal([4, 4, 1]);
  });

  it("spans less than a day, whichever way the clock was set", async () => {
    await using place = await makeSpoolPlace();
    const { shipper, flush } = await place.start();
    for (const [nth, hours] of [-100, -77, -76, -1, -30, 0].entries()) {
      shipper.write(`r${nth}`, START + hours * HOUR_MS);
    }
    await flush();
    expect(place.stream.sizes).to.deep.equal([2, 1, 1, 1, 1]);
    expect(numbersOf(place.stream.taken).toSorted()).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });
});
