import { expect } from "chai";
import fc from "fast-check";
import { decide, type Policy } from "../../../src/sweep/decide.ts";
import type { Entry } from "../../../src/sweep/entry.ts";
import { OBJECT_BYTES_MAX } from "../../../src/sweep/part-plan.ts";

const NOW = 1_800_000_000_000;
const SETTLE = 30_000;
const OLD = NOW - SETTLE;

const policy: Policy = {
  settleMs: SETTLE,
  isSelected: (path) => !path.endsWith(".tmp"),
  keyOf: ({ path }) => (path.includes(0xff) ? undefined : path.toString()),
};

interface Facts {
  readonly path?: string | Buffer;
  readonly isRegular?: boolean;
  readonly mtime?: number;
  readonly ctime?: number;
  readonly bytes?: bigint;
}

function entry({
  path = "a",
  isRegular = true,
  mtime = OLD,
  ctime = OLD,
  bytes = 1n,
}: Facts): Entry {
  const ns = (ms: number) => BigInt(ms) * 1_000_000n;
  return {
    path: Buffer.from(path as string),
    isRegular,
    fingerprint: { device: 1n, inode: 2n, bytes, mtimeNs: ns(mtime), ctimeNs: ns(ctime) },
  };
}

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
    ["50 TB", { bytes: 50n * 10n ** 12n }, "transfer"],
    ["50 TB and a byte", { bytes: 50n * 10n ** 12n + 1n }, "keep too-large"],
    ["too large and young", { bytes: OBJECT_BYTES_MAX + 1n, mtime: NOW }, "wait young"],
    ["empty", { bytes: 0n }, "transfer"],
    ["no key", { path: Buffer.from([0x61, 0xff]) }, "keep unsupported-name"],
    [
      "no key and too large",
      { path: Buffer.from([0xff]), bytes: OBJECT_BYTES_MAX + 1n },
      "keep too-large",
    ],
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
    ["not regular", { isRegular: false }, "ignore not-regular"],
    ["not regular and reserved", { isRegular: false, path: ".nfs1" }, "ignore not-regular"],
  ];
  for (const [name, facts, expected] of table) {
    it(`${name}: ${expected}`, () => {
      const decision = decide(entry(facts), policy, NOW);
      const reason = "reason" in decision ? ` ${decision.reason}` : "";
      expect(decision.action + reason).to.equal(expected);
    });
  }

  it("says since when the file is or will be settled", () => {
    const decision = decide(entry({ mtime: NOW - 10_000, ctime: NOW - 20_000 }), policy, NOW);
    expect(decision).to.deep.equal({ action: "wait", reason: "young", settledAt: NOW + 20_000 });
  });

  it("transfers nothing that is young or of the future, whatever the times are", () => {
    const time = fc.oneof(
      fc.integer({ min: NOW - 2 * SETTLE, max: NOW + 2 * SETTLE }),
      fc.integer({ min: 0, max: 2 ** 42 }),
    );
    fc.assert(
      fc.property(time, time, time, fc.nat(2 * SETTLE), (mtime, ctime, now, settleMs) => {
        const { action } = decide(entry({ mtime, ctime }), { ...policy, settleMs }, now);
        const isSettled = now - Math.max(mtime, ctime) >= settleMs;
        const isFuture = mtime > now || ctime > now;
        expect(action).to.equal(isSettled && !isFuture ? "transfer" : "wait");
      }),
    );
  });
});
