import { Writable } from "node:stream";
import { expect } from "chai";
import { makeStreamSink } from "../../../src/logs/stream-sink.ts";
import { settle } from "../../support/manual-clock.ts";

const MEBIBYTE = 2 ** 20;

describe("makeStreamSink and its reader", () => {
  it("writes each record as one line, in order, and drops none while they are read", () => {
    const read: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        read.push(String(chunk));
        done();
      },
    });
    const sink = makeStreamSink(stream);
    for (const line of ["a", "b", "c"]) sink.write(line, 0);
    expect([read, sink.dropped]).to.deep.equal([["a\n", "b\n", "c\n"], 0]);
  });

  it("holds a bounded amount for a reader that stalls, and counts what it drops", () => {
    const stream = new Writable({ write() {} });
    const sink = makeStreamSink(stream);
    const line = "x".repeat(MEBIBYTE);
    for (let nth = 0; nth < 100; nth += 1) sink.write(line, 0);
    expect(stream.writableLength).to.be.within(8 * MEBIBYTE, 10 * MEBIBYTE);
    const written = Math.round(stream.writableLength / (MEBIBYTE + 1));
    expect(written + sink.dropped).to.equal(100);
  });

  it("goes on when the reader reads again", () => {
    const waiting: (() => void)[] = [];
    const read: number[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        read.push(chunk.length);
        waiting.push(done);
      },
    });
    const sink = makeStreamSink(stream);
    const line = "x".repeat(MEBIBYTE);
    while (sink.dropped === 0) sink.write(line, 0);
    while (waiting.length > 0) waiting.shift()?.();
    sink.write("again", 0);
    expect([read.at(-1), sink.dropped]).to.deep.equal(["again\n".length, 1]);
  });

  it("tells how many it dropped, once, when the reader reads again", async () => {
    const waiting: (() => void)[] = [];
    const stream = new Writable({ write: (_chunk, _encoding, done) => void waiting.push(done) });
    const sink = makeStreamSink(stream);
    const told: number[] = [];
    sink.onFlowing = (dropped) => told.push(dropped);
    const readAll = async () => {
      while (waiting.length > 0) {
        waiting.shift()?.();
        await settle();
      }
      await new Promise(setImmediate);
    };
    const line = "x".repeat(MEBIBYTE);
    for (let nth = 0; nth < 20; nth += 1) sink.write(line, 0);
    expect(told).to.deep.equal([]);
    await readAll();
    expect(told).to.deep.equal([sink.dropped]);
    expect(sink.dropped).to.be.above(9);
    for (let nth = 0; nth < 3; nth += 1) sink.write(line, 0);
    await readAll();
    expect(told).to.have.length(1);
  });

  it("neither throws nor ends the process when the reader goes away (EPIPE)", async () => {
    const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(gone) });
    const sink = makeStreamSink(stream);
    sink.write("a", 0);
    await new Promise((resolve) => stream.once("close", resolve));
    await settle();
    expect(stream.destroyed).to.equal(true);
    for (const line of ["b", "c"]) sink.write(line, 0);
    expect(sink.dropped).to.equal(3);
  });
});
