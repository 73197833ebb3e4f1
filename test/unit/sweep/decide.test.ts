import { expect } from "chai";
import fc from "fast-check";
import { decide, type FailedBefore, type Moment, type Policy } from "../../../src/sweep/decide.ts";
import type { Entry, EntryType } from "../../../src/sweep/entry.ts";
import { OBJECT_BYTES_MAX } from "../../../src/sweep/part-plan.ts";

const NOW = 1_800_000_000_000;
const SETTLE = 30_000;
const OLD = NOW - SETTLE;
/** A clock that has always run steadily. */
const at = (now: number): Moment => ({ now, steadySince: Number.NEGATIVE_INFINITY });

const policy: Policy = {
  settleMs: SETTLE,
  isSelected: (path) => !path.endsWith(".tmp"),
  keyOf: ({ path }) => path.toString(),
};

interface Facts {
  readonly path?: string | Buffer;
  readonly type?: EntryType;
  readonly mtime?: number;
  readonly ctime?: number;
  readonly bytes?: bigint;
}

function entry({ path = "a", type = "file", mtime = OLD, ctime = OLD, bytes = 1n }: Facts): Entry {
  const ns = (ms: number) => BigInt(ms) * 1_000_000n;
  return {
    path: Buffer.from(path as string),
    at: Buffer.from(path as string),
    type,
    fingerprint: {
      device: 1n,
      inode: 2n,
      bytes,
      mtimeNs: ns(mtime),
      ctimeNs: ns(ctime),
      links: 1n,
    },
  };
}

const latin1 = (text: string) => Buffer.from(text, "latin1");

describe("decide", () => {
  const table: readonly (readonly [string, Facts, string])[] = [
    ["exactly settled", {}, "transfer"],
    ["settled long ago", { mtime: 0, ctime: 0 }, "transfer"],
    ["before 1970", { mtime: -5_000, ctime: OLD }, "transfer"],
    ["one millisecond less", { mtime: OLD + 1 }, "wait young"],
    ["ctime one millisecond less", { ctime: OLD + 1 }, "wait young"],
    ["ctime newer than mtime, as after mv", { mtime: 0, ctime: NOW }, "wait young"],
    ["mtime newer than ctime", { mtime: NOW, ctime: 0 }, "wait young"],
    ["future mtime, old ctime", { mtime: NOW + 1 }, "wait future"],
    ["old mtime, future ctime", { ctime: NOW + 1 }, "wait future"],
    ["50 TB", { bytes: OBJECT_BYTES_MAX }, "transfer"],
    ["50 TB and a byte", { bytes: OBJECT_BYTES_MAX + 1n }, "keep too-large"],
    ["too large and young", { bytes: OBJECT_BYTES_MAX + 1n, mtime: NOW }, "wait young"],
    ["empty", { bytes: 0n }, "transfer"],
    ["a name that is not UTF-8", { path: Buffer.from([0x61, 0xff]) }, "transfer"],
    ["a name with a line feed", { path: "a\n" }, "transfer"],
    ["a name of 4,000 bytes", { path: "x/".repeat(2_000).slice(0, -1) }, "transfer"],
    ["not UTF-8 and excluded", { path: latin1("\xff.tmp") }, "ignore excluded"],
    ["not UTF-8 and reserved", { path: latin1(".nfs\xff\n") }, "ignore reserved-name"],
    ["excluded", { path: "a.tmp" }, "ignore excluded"],
    ["excluded and in the future", { path: "a.tmp", mtime: NOW + 1 }, "ignore excluded"],
    [".nfs", { path: ".nfs000123" }, "ignore reserved-name"],
    [".nfs in a folder", { path: "d/e/.nfs1" }, "ignore reserved-name"],
    [".fuse_hidden", { path: ".fuse_hidden0001" }, "ignore reserved-name"],
    [".s3oa-", { path: "d/.s3oa-00-a" }, "ignore reserved-name"],
    ["reserved and excluded", { path: ".nfs1.tmp" }, "ignore reserved-name"],
    ["a folder with a reserved name", { path: ".nfs1/a" }, "transfer"],
    ["not quite reserved", { path: "a.nfs1" }, "transfer"],
    [".s3oa without the dash", { path: ".s3oa" }, "transfer"],
    ["a link", { type: "link" }, "ignore not-regular"],
    ["a FIFO", { type: "fifo" }, "ignore not-regular"],
    ["a socket", { type: "socket" }, "ignore not-regular"],
    ["a device with a reserved name", { type: "device", path: ".nfs1" }, "ignore not-regular"],
  ];
  for (const [name, facts, expected] of table) {
    it(`${name}: ${expected}`, () => {
      const decision = decide(entry(facts), policy, at(NOW));
      const reason = "reason" in decision ? ` ${decision.reason}` : "";
      expect(decision.action + reason).to.equal(expected);
    });
  }

  it("asks include and exclude about the escaped path", () => {
    const asked: string[] = [];
    const isSelected = (path: string) => asked.push(path) > 0;
    for (const path of [latin1("d/\xff\n"), Buffer.from("é 100%.csv")]) {
      decide(entry({ path }), { ...policy, isSelected }, at(NOW));
    }
    expect(asked).to.deep.equal(["d/%FF%0A", "é 100%.csv"]);
  });

  it("says since when the file is or will be settled", () => {
    const decision = decide(entry({ mtime: NOW - 10_000, ctime: NOW - 20_000 }), policy, at(NOW));
    expect(decision).to.deep.equal({ action: "wait", reason: "young", settledAt: NOW + 20_000 });
  });

  it("trusts no age while the clock is known for less than the settle age", () => {
    const asked = (steadySince: number) =>
      decide(entry({ mtime: 0, ctime: 0 }), policy, { now: NOW, steadySince });
    expect(asked(NOW - SETTLE).action).to.equal("transfer");
    expect(asked(NOW - SETTLE + 1)).to.deep.equal({
      action: "wait",
      reason: "clock-set",
      settledAt: NOW + 1,
    });
  });

  it("defers what failed until its next try is due, and young files do not skip the queue", () => {
    const failed = (dueAt: number): FailedBefore => ({ reason: "unreadable", dueAt });
    expect(decide(entry({}), policy, at(NOW), failed(NOW)).action).to.equal("transfer");
    expect(decide(entry({}), policy, at(NOW), failed(NOW + 1))).to.deep.equal({
      action: "defer",
      reason: "unreadable",
      settledAt: NOW,
      dueAt: NOW + 1,
    });
    expect(decide(entry({ mtime: NOW }), policy, at(NOW), failed(NOW + 1)).action).to.equal("wait");
  });

  it("transfers nothing that is young or of the future, whatever the times are", () => {
    const time = fc.oneof(
      fc.integer({ min: NOW - 2 * SETTLE, max: NOW + 2 * SETTLE }),
      fc.integer({ min: 0, max: 2 ** 42 }),
    );
    fc.assert(
      fc.property(time, time, time, fc.nat(2 * SETTLE), (mtime, ctime, now, settleMs) => {
        const { action } = decide(entry({ mtime, ctime }), { ...policy, settleMs }, at(now));
        const isSettled = now - Math.max(mtime, ctime) >= settleMs;
        const isFuture = mtime > now || ctime > now;
        expect(action).to.equal(isSettled && !isFuture ? "transfer" : "wait");
      }),
    );
  });
});
