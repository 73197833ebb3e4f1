import { expect } from "chai";
import { contentKey, objectKey } from "../../../src/sweep/object-key.ts";
import { Overwrites } from "../../../src/sweep/overwrites.ts";
import { type Upload, upload } from "../../../src/sweep/upload.ts";
import {
  DESTINATION,
  laterClock,
  MemoryStore,
  REFUSED,
  type Reply,
  SLOW_DOWN,
  sha256Of,
} from "../../support/memory-store.ts";

interface Run {
  readonly store: MemoryStore;
  readonly sleeps: readonly number[];
  readonly result: Upload;
}

async function run(
  key: string,
  text: string,
  {
    store = new MemoryStore(),
    replies = [] as readonly Reply[],
    random = 0.5,
    overwrites = new Overwrites(false),
  } = {},
): Promise<Run> {
  const first = store.requests.length;
  store.reply = (_, nth) => replies[nth - first - 1] ?? "store";
  const clock = laterClock();
  const body = Buffer.from(text);
  const result = await upload({
    store,
    destination: DESTINATION,
    key,
    content: { sha256: sha256Of(body), body: () => body },
    bytes: body.length,
    clock,
    random: () => random,
    overwrites,
    signal: new AbortController().signal,
  });
  return { store, sleeps: clock.sleeps, result };
}

const keyFor = (key: string, text: string) => contentKey(key, sha256Of(text));

describe("upload", () => {
  it("puts once and takes the acknowledged digest as proof", async () => {
    const { store, result, sleeps } = await run("x", "one");
    expect(result).to.deep.equal({ kind: "proved", key: "x", attempts: 1, wasStored: false });
    expect(store.requests).to.have.length(1);
    expect(sleeps).to.deep.equal([]);
  });

  for (const reply of ["store-without-checksum", "store-other-checksum", "portal"] as const) {
    it(`proves nothing and does not try again: ${reply}`, async () => {
      const { store, result } = await run("x", "one", { replies: [reply] });
      expect(result.kind === "failed" && result.failure.code).to.equal("proof-failed");
      expect(store.requests).to.have.length(1);
    });
  }

  it("goes to the content key if the key is taken, and overwrites nothing", async () => {
    const store = new MemoryStore();
    store.objects.set("x", Buffer.from("other"));
    const { result } = await run("x", "one", { store });
    expect(result).to.include({ kind: "proved", key: keyFor("x", "one"), wasStored: false });
    expect(store.objects.get("x")?.toString()).to.equal("other");
    expect(store.objects.get(keyFor("x", "one"))?.toString()).to.equal("one");
  });

  it("is proved without another object if the content key is taken as well", async () => {
    const store = new MemoryStore();
    await run("x", "zero", { store });
    await run("x", "one", { store });
    const { result } = await run("x", "one", { store });
    expect(result).to.include({ kind: "proved", key: keyFor("x", "one"), wasStored: true });
    expect(store.objects.size).to.equal(2);
  });

  it("does not take 412 for the plain key as proof, even if the same content is there", async () => {
    const store = new MemoryStore();
    store.objects.set("x", Buffer.from("one"));
    const { result } = await run("x", "one", { store });
    expect(result).to.include({ key: keyFor("x", "one"), wasStored: false });
  });

  it("converges after a lost answer: one object more at the most", async () => {
    for (const replies of [
      ["lose-answer"],
      ["lose-answer", "store", "lose-answer"],
      ["lose-answer", "lose-answer"],
    ] as const) {
      const store = new MemoryStore();
      const { result } = await run("x", "one", { store, replies });
      expect(result.kind, replies.join()).to.equal("proved");
      for (let again = 0; again < 3; again += 1) await run("x", "one", { store });
      expect(store.objects.size, replies.join()).to.be.at.most(2);
    }
  });

  it("tries what may pass three times, with full jitter between", async () => {
    const { store, result, sleeps } = await run("x", "one", {
      replies: [SLOW_DOWN, SLOW_DOWN, SLOW_DOWN],
    });
    expect(result).to.deep.equal({ kind: "failed", key: "x", attempts: 3, failure: SLOW_DOWN });
    expect(store.requests).to.have.length(3);
    expect(sleeps).to.deep.equal([250, 500]);
  });

  it("succeeds at the third try", async () => {
    const { result } = await run("x", "one", { replies: [SLOW_DOWN, SLOW_DOWN] });
    expect(result).to.include({ kind: "proved", attempts: 3 });
  });

  it("does not count the change of the key as a try, and is bounded all the same", async () => {
    const store = new MemoryStore();
    store.objects.set("x", Buffer.from("other"));
    const { result } = await run("x", "one", {
      store,
      replies: ["store", SLOW_DOWN, SLOW_DOWN, SLOW_DOWN],
    });
    expect(result).to.include({ kind: "failed", attempts: 3 });
    expect(store.requests).to.have.length(4);
  });

  it("does not try again what stays refused", async () => {
    const { store, result, sleeps } = await run("x", "one", { replies: [REFUSED] });
    expect(result).to.deep.equal({ kind: "failed", key: "x", attempts: 1, failure: REFUSED });
    expect(store.requests).to.have.length(1);
    expect(sleeps).to.deep.equal([]);
  });

  it("goes to a content key of 1,024 bytes if the longest key is taken", async () => {
    const store = new MemoryStore();
    const path = Buffer.from("x".repeat(2_000));
    const key = objectKey({ prefix: "", host: "h", fleet: "f", mtimeMs: 0, path });
    store.objects.set(key, Buffer.from("other"));
    const { result } = await run(key, "one", { store });
    expect(result).to.include({ kind: "proved", key: keyFor(key, "one") });
    expect(result.key).to.have.length(1_024);
  });

  it("a file named like another content's key never counts as that content's proof", async () => {
    const store = new MemoryStore();
    const victim = "the victim's content";
    const crafted = keyFor("x", victim);
    await run(crafted, "the attacker's content", { store });
    expect(store.objects.has(crafted)).to.equal(false);
    store.objects.set("x", Buffer.from("x was taken before"));
    const { result } = await run("x", victim, { store });
    expect(result.kind).to.equal("proved");
    expect([...store.objects.values()].map(String)).to.include(victim);
  });

  describe("where overwriting is wished for", () => {
    /** A store that holds another object under the key, and tells versions or none. */
    async function runTaken(versionId: string | undefined, isAllowed: boolean, isKnown = true) {
      const store = new MemoryStore();
      store.versionId = versionId;
      store.objects.set("x", Buffer.from("old"));
      const overwrites = new Overwrites(isAllowed);
      // An ordinary upload before it tells whether the bucket keeps versions.
      if (isKnown) await run("another", "two", { store, overwrites });
      const { result } = await run("x", "one", { store, overwrites });
      return { result, under: store.objects.get("x")?.toString() };
    }

    it("a taken key is written anew in a bucket that is known to keep versions", async () => {
      const { result, under } = await runTaken("v1", true);
      expect(result).to.include({ kind: "proved", key: "x", wasStored: false });
      expect(under).to.equal("one");
    });

    for (const [what, versionId, isAllowed, isKnown] of [
      ["keeps no versions", undefined, true, true],
      ["keeps versions no longer", "null", true, true],
      ["has not told yet", "v1", true, false],
      ["keeps versions, but it is not allowed", "v1", false, true],
    ] as const) {
      it(`nothing is overwritten if the bucket ${what}`, async () => {
        const { result, under } = await runTaken(versionId, isAllowed, isKnown);
        expect(result).to.include({ kind: "proved", key: keyFor("x", "one") });
        expect(under).to.equal("old");
      });
    }
  });

  it("ends with the signal's reason while it pauses", async () => {
    const controller = new AbortController();
    const store = new MemoryStore();
    store.reply = () => {
      controller.abort(new Error("stop"));
      return SLOW_DOWN;
    };
    const body = Buffer.from("one");
    const failure: unknown = await upload({
      store,
      destination: DESTINATION,
      key: "x",
      content: { sha256: sha256Of(body), body: () => body },
      bytes: body.length,
      clock: laterClock(),
      random: () => 0,
      overwrites: new Overwrites(false),
      signal: controller.signal,
    }).catch((error: unknown) => error);
    expect(failure).to.equal(controller.signal.reason);
    expect(store.requests).to.have.length(1);
  });
});
