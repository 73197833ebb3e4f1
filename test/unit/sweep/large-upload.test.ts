import {
  appendFile,
  chmod,
  open,
  readFile,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { expect } from "chai";
import { ByteBudget } from "../../../src/lib/byte-budget.ts";
import { contentKey } from "../../../src/sweep/object-key.ts";
import { partBytesOf } from "../../../src/sweep/part-plan.ts";
import { FileChangedError } from "../../../src/sweep/read-file.ts";
import { WORKERS } from "../../../src/sweep/send-parts.ts";
import { contentOf, makePlace, PART_BYTES } from "../../support/large-files.ts";
import {
  laterClock,
  MemoryStore,
  type Operation,
  REFUSED,
  type Reply,
  type SeenRequest,
  SLOW_DOWN,
  sha256Of,
} from "../../support/memory-store.ts";

const CONTENT = contentOf(6.5);
const SHA256 = sha256Of(CONTENT);
const KEY = "dir/large";
const CONTENT_KEY = contentKey(KEY, SHA256) ?? "";
const DOWN = { ...SLOW_DOWN, code: "ServiceUnavailable", kind: "transient" } as const;

/** How many requests of one kind there were. */
function count(store: MemoryStore, operation: Operation): number {
  return store.requests.filter((one) => one.operation === operation).length;
}

/** Answers the nth request of one kind with the nth reply, and does the rest. */
function replying(store: MemoryStore, operation: Operation, replies: readonly Reply[]): void {
  let nth = 0;
  store.reply = (request) => {
    if (request.operation !== operation) return "store";
    nth += 1;
    return replies[nth - 1] ?? "store";
  };
}

function contents(store: MemoryStore): Record<string, boolean> {
  return Object.fromEntries([...store.objects].map(([key, one]) => [key, one.equals(CONTENT)]));
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a large upload", () => {
  it("sends each part once and takes the acknowledged CRC-32 of the whole as proof", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    expect(await place.upload(store)).to.deep.equal({
      kind: "proved",
      key: KEY,
      attempts: 1,
      wasStored: false,
      sha256: SHA256,
    });
    expect(contents(store)).to.deep.equal({ [KEY]: true });
    expect(count(store, "UploadPart")).to.equal(7);
    expect(store.requests).to.have.length(9);
    expect(store.uploads.open.size).to.equal(0);
    expect(place.problems).to.deep.equal([]);
  });

  it(`sends ${WORKERS} parts side by side, and no more`, async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const { promise: areAllThere, resolve } = Promise.withResolvers<void>();
    store.onPut = async ({ operation, partNumber }) => {
      if (operation !== "UploadPart") return;
      if (partNumber === WORKERS) resolve();
      await areAllThere;
    };
    await place.upload(store);
    expect(store.mostInFlight).to.equal(WORKERS);
  });

  for (const bytes of [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES]) {
    it(`carries ${bytes} bytes`, async () => {
      const content = CONTENT.subarray(0, bytes);
      await using place = await makePlace(content);
      const store = new MemoryStore();
      expect(await place.upload(store)).to.include({ kind: "proved", sha256: sha256Of(content) });
      expect(store.objects.get(KEY)?.equals(content)).to.equal(true);
      expect(count(store, "UploadPart")).to.equal(Math.max(1, Math.ceil(bytes / PART_BYTES)));
    });
  }

  it("once proved is not sent again while the file is still there, and is read to be sure", async () => {
    await using place = await makePlace(CONTENT);
    await place.upload(new MemoryStore());
    const store = new MemoryStore();
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY, wasStored: true });
    expect(store.requests).to.have.length(0);

    const { atime, mtime } = await stat(place.file);
    await writeFile(place.file, contentOf(6.5, 2));
    await utimes(place.file, atime, mtime);
    await place.upload(store).catch(() => undefined);
    await place.upload(store);
    expect(store.objects.get(KEY)?.equals(contentOf(6.5, 2))).to.equal(true);
  });

  it("is proved by nothing any longer when its state has been forgotten", async () => {
    await using place = await makePlace(CONTENT);
    await place.upload(new MemoryStore());
    await place.states().forget(Buffer.from(place.root), Buffer.from(place.path));
    expect(await place.stateFiles()).to.deep.equal([]);
    const store = new MemoryStore();
    await place.upload(store);
    expect(count(store, "UploadPart")).to.equal(7);
  });
});

describe("a large upload to a key that is taken", () => {
  it("goes to the content key and overwrites nothing", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.objects.set(KEY, Buffer.from("other"));
    expect(await place.upload(store)).to.include({ kind: "proved", key: CONTENT_KEY });
    expect(store.objects.get(KEY)?.toString()).to.equal("other");
    expect(store.objects.get(CONTENT_KEY)?.equals(CONTENT)).to.equal(true);
    expect(store.uploads.open.size).to.equal(0);
  });

  it("is proved if the content key is taken as well", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.objects.set(KEY, Buffer.from("other"));
    store.objects.set(CONTENT_KEY, CONTENT);
    expect(await place.upload(store)).to.include({ key: CONTENT_KEY, wasStored: true });
    expect(store.objects.size).to.equal(2);
    expect(store.uploads.open.size).to.equal(0);
  });

  it("overwrites it where it may", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.objects.set(KEY, Buffer.from("other"));
    expect(await place.upload(store, { mayOverwrite: true })).to.include({ key: KEY });
    expect(contents(store)).to.deep.equal({ [KEY]: true });
  });

  it("never overwrites what stands under a content key", async () => {
    const key = contentKey("x", sha256Of("a victim's content"));
    await using place = await makePlace(CONTENT, key);
    const store = new MemoryStore();
    const own = contentKey(key, SHA256);
    store.objects.set(own, Buffer.from("taken"));
    const answer = await place.upload(store, { mayOverwrite: true });
    expect(answer).to.include({ kind: "proved", key: own, wasStored: true });
    expect(store.objects.get(own)?.toString()).to.equal("taken");
  });

  it("a file named like a content's key goes to a content key of its own at once", async () => {
    const key = contentKey("x", sha256Of("a victim's content")) ?? "";
    await using place = await makePlace(CONTENT, key);
    const store = new MemoryStore();
    const own = contentKey(key, SHA256) ?? "";
    expect(await place.upload(store)).to.include({ kind: "proved", key: own });
    expect(contents(store)).to.deep.equal({ [own]: true });
  });
});

describe("a large upload whose completion nobody can be sure of", () => {
  it("has written down that a completion comes, before it is sent", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const written: boolean[] = [];
    store.onPut = async ({ operation }) => {
      if (operation !== "CompleteMultipartUpload") return;
      written.push(
        ...(await place.states().list(Buffer.from(place.root))).map(
          ({ progress }) => progress.isCompleting,
        ),
      );
    };
    await place.upload(store);
    expect(written).to.deep.equal([true]);
  });

  const table: readonly {
    readonly name: string;
    readonly replies: readonly Reply[];
    readonly repeatsAnswers?: boolean;
    readonly key: string;
    readonly objects: number;
  }[] = [
    { name: "its answer is lost, and given again", replies: ["lose-answer"], key: KEY, objects: 1 },
    {
      name: "its answer is lost, and S3 has forgotten it",
      replies: ["lose-answer"],
      repeatsAnswers: false,
      key: CONTENT_KEY,
      objects: 2,
    },
    {
      name: "its answer has no checksum, and the next one has",
      replies: ["store-without-checksum"],
      key: KEY,
      objects: 1,
    },
    {
      name: "its answers have no checksum",
      replies: ["store-without-checksum", "store-without-checksum"],
      key: CONTENT_KEY,
      objects: 2,
    },
    {
      name: "its answers have another checksum",
      replies: ["store-other-checksum", "store-other-checksum"],
      key: CONTENT_KEY,
      objects: 2,
    },
    { name: "a portal answers once", replies: ["portal"], key: KEY, objects: 1 },
    { name: "a portal answers twice", replies: ["portal", "portal"], key: CONTENT_KEY, objects: 1 },
    { name: "it is refused for a while", replies: [SLOW_DOWN, SLOW_DOWN], key: KEY, objects: 1 },
    { name: "the key was fought for", replies: ["conflict"], key: KEY, objects: 1 },
    { name: "the upload is gone", replies: ["gone"], key: CONTENT_KEY, objects: 1 },
    {
      name: "twice: without a checksum, then under the content key with a lost answer",
      replies: ["store-without-checksum", "store-without-checksum", "lose-answer"],
      repeatsAnswers: false,
      key: CONTENT_KEY,
      objects: 2,
    },
  ];
  for (const { name, replies, repeatsAnswers = true, key, objects } of table) {
    it(`${name}: proved, ${objects} object(s)`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      store.uploads.repeatsAnswers = repeatsAnswers;
      replying(store, "CompleteMultipartUpload", replies);
      expect(await place.upload(store)).to.include({ kind: "proved", key, sha256: SHA256 });
      expect(Object.values(contents(store))).to.deep.equal(Array(objects).fill(true));
      expect(store.uploads.open.size).to.equal(0);
    });
  }

  it("never an answer with a checksum: not proved, and two objects after any number of sweeps", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.reply = ({ operation }) =>
      operation === "CompleteMultipartUpload" ? "store-without-checksum" : "store";
    const first = await place.upload(store);
    // Under the content key the second attempt is told that the key is taken.
    expect(first).to.include({ kind: "proved", key: CONTENT_KEY, wasStored: true });
    expect(store.objects.size).to.equal(2);
  });

  it("only portals: nothing is proved, however often", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.reply = ({ operation }) => (operation === "CompleteMultipartUpload" ? "portal" : "store");
    for (let sweep = 0; sweep < 4; sweep += 1) {
      const result = await place.upload(store);
      expect(result.kind === "failed" && result.failure.kind).to.equal("proof");
    }
    store.reply = () => "store";
    expect(await place.upload(store)).to.include({ kind: "proved" });
    expect(Object.values(contents(store))).to.deep.equal([true]);
  });

  it("conflict after conflict ends with a failure that may pass", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    replying(store, "CompleteMultipartUpload", ["conflict", "conflict"]);
    const result = await place.upload(store);
    expect(result.kind === "failed" && result.failure).to.include({ isRetryable: true });
    expect(store.uploads.open.size).to.equal(0);
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
  });
});

describe("a large upload that fails", () => {
  it("tries each part again after a pause, and then goes on in the next sweep", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const clock = laterClock();
    const isDown = ({ operation, partNumber }: SeenRequest) =>
      operation === "UploadPart" && (partNumber ?? 0) > 3;
    store.reply = (request) => (isDown(request) ? DOWN : "store");
    const result = await place.upload(store, { clock });
    expect(result).to.include({ kind: "failed", key: KEY });
    expect(result.kind === "failed" && result.failure).to.deep.equal(DOWN);
    expect(new Set(clock.sleeps)).to.deep.equal(new Set([250, 500]));
    expect(count(store, "UploadPart")).to.be.at.least(3 + 3);
    expect(store.uploads.open.size).to.equal(1);

    store.reply = () => "store";
    const before = count(store, "UploadPart");
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(count(store, "UploadPart") - before).to.equal(4);
    expect(count(store, "CreateMultipartUpload")).to.equal(1);
    expect(contents(store)).to.deep.equal({ [KEY]: true });
  });

  it("at the completion: the next sweep sends nothing but the completion", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    replying(store, "CompleteMultipartUpload", [DOWN, DOWN, DOWN]);
    expect(await place.upload(store)).to.include({ kind: "failed", attempts: 3 });
    const before = store.requests.length;
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(store.requests.slice(before).map(({ operation }) => operation)).to.deep.equal([
      "CompleteMultipartUpload",
    ]);
  });

  for (const operation of [
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
  ] as const) {
    it(`${operation} that is refused for good: no part stays behind, and nothing is tried again`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      store.reply = (request) => (request.operation === operation ? REFUSED : "store");
      const result = await place.upload(store);
      expect(result.kind === "failed" && result.failure).to.deep.equal(REFUSED);
      expect(count(store, operation)).to.be.within(1, WORKERS);
      expect(store.uploads.open.size).to.equal(0);
      expect(store.objects.size).to.equal(0);
    });
  }

  for (const reply of ["store-without-checksum", "store-other-checksum", "portal"] as const) {
    it(`a part's answer proves nothing: ${reply}`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      store.reply = ({ partNumber }) => (partNumber === 3 ? reply : "store");
      const result = await place.upload(store);
      expect(result.kind === "failed" && result.failure).to.include({
        code: "proof-failed",
        scope: "service",
      });
      expect(count(store, "CompleteMultipartUpload")).to.equal(0);
      store.reply = () => "store";
      expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    });
  }

  it("an upload that is gone half-way is started over once", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    let isGone = false;
    store.onPut = ({ partNumber }) => {
      if (partNumber !== 5 || isGone) return;
      isGone = true;
      store.uploads.open.clear();
    };
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(count(store, "CreateMultipartUpload")).to.equal(2);
    expect(contents(store)).to.deep.equal({ [KEY]: true });

    await using other = await makePlace(CONTENT);
    const empty = new MemoryStore();
    empty.onPut = () => empty.uploads.open.clear();
    const result = await other.upload(empty);
    expect(result.kind === "failed" && result.failure.code).to.equal("NoSuchUpload");
    expect(count(empty, "CreateMultipartUpload")).to.equal(2);
  });

  it("ends with the signal's reason, and goes on later", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const controller = new AbortController();
    store.onPut = ({ partNumber }) => {
      if (partNumber === 5) controller.abort(new Error("stop"));
    };
    const failure = await failureOf(place.upload(store, { signal: controller.signal }));
    expect(failure).to.equal(controller.signal.reason);
    expect(store.uploads.open.size).to.equal(1);
    store.onPut = () => undefined;
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(count(store, "CreateMultipartUpload")).to.equal(1);
  });
});

describe("a large upload of a file that changes", () => {
  const changes: Readonly<Record<string, (file: string) => Promise<void>>> = {
    grows: (file) => appendFile(file, "more"),
    shrinks: (file) => truncate(file, 3 * PART_BYTES),
    "is written over": (file) => writeFile(file, contentOf(6.5, 2)),
    "is written over in the part that was sent": (file) => overwrite(file, 0),
    "is written over in the part that comes": (file) => overwrite(file, 6 * PART_BYTES),
    "is written over, with its time set back": async (file) => {
      const { atime, mtime } = await stat(file);
      await overwrite(file, 0);
      await utimes(file, atime, mtime);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    for (const held of [true, false]) {
      it(`it ${name} ${held ? "" : "(read twice)"}: no object is made of it`, async () => {
        await using place = await makePlace(CONTENT);
        const store = new MemoryStore();
        let hasChanged = false;
        store.onPut = async ({ partNumber }) => {
          if (partNumber !== 2 || hasChanged) return;
          hasChanged = true;
          await change(place.file);
        };
        const failure = await failureOf(place.upload(store, held ? {} : { heldBytesMax: 0 }));
        expect(failure).to.be.instanceOf(FileChangedError);
        expect(store.objects.size).to.equal(0);
        // The next sweeps find the file as it is now.
        const states = place.states();
        await failureOf(place.upload(store, { states }));
        expect(await place.upload(store, { states })).to.include({ kind: "proved" });
        const now = await readFile(place.file);
        for (const object of store.objects.values()) expect(object.equals(now)).to.equal(true);
        expect(store.uploads.open.size).to.equal(0);
      });
    }
  }

  it("it changes between two sweeps, and its time does not: nothing of the old one is used", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    replying(store, "CompleteMultipartUpload", [DOWN, DOWN, DOWN]);
    await place.upload(store);
    const { atime, mtime } = await stat(place.file);
    await overwrite(place.file, PART_BYTES);
    await utimes(place.file, atime, mtime);
    expect(await failureOf(place.upload(store))).to.be.instanceOf(FileChangedError);
    expect(store.objects.size).to.equal(0);
    expect(store.uploads.open.size).to.equal(0);
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
  });

  it("it changes between two sweeps, and no part was sent: its upload names another content", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    replying(store, "CompleteMultipartUpload", [DOWN, DOWN, DOWN]);
    await place.upload(store);
    const [found] = await place.states().list(Buffer.from(place.root));
    if (found === undefined) throw new Error("there is no state");
    const { state } = await place.states().open(found.subject);
    const uploadId = store.uploads.create(CONTENT_KEY);
    await state.begin({ uploadId, key: CONTENT_KEY, sha256: SHA256 });
    await state.close();
    const { atime, mtime } = await stat(place.file);
    await overwrite(place.file, PART_BYTES);
    await utimes(place.file, atime, mtime);
    expect(await failureOf(place.upload(store))).to.be.instanceOf(FileChangedError);
    expect(store.objects.size).to.equal(0);
  });

  it("it changes between two sweeps: the old upload is ended and another begun", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    replying(store, "CompleteMultipartUpload", [DOWN, DOWN, DOWN]);
    await place.upload(store);
    await writeFile(place.file, contentOf(4, 3));
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(store.objects.get(KEY)?.equals(contentOf(4, 3))).to.equal(true);
    expect(store.uploads.open.size).to.equal(0);
  });

  it("its mode changes meanwhile: looked at again, and nothing is sent twice", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    store.onPut = async ({ partNumber }) => {
      if (partNumber === 2) await chmod(place.file, 0o600);
    };
    await chmod(place.file, 0o640);
    expect(await failureOf(place.upload(store))).to.be.instanceOf(FileChangedError);
    expect(await place.upload(store)).to.include({ kind: "proved", key: KEY });
    expect(count(store, "UploadPart")).to.equal(7);
  });
});

describe("the memory of large uploads", () => {
  it("stays within the budget for a file of a gigabyte", async () => {
    await using place = await makePlace(Buffer.alloc(0));
    await truncate(place.file, 2 ** 30);
    const store = new MemoryStore();
    store.keepsBytes = false;
    const budget = new ByteBudget(20 * 2 ** 20);
    const result = await place.upload(store, { budget, partBytesOf });
    expect(result.kind).to.equal("proved");
    expect(count(store, "UploadPart")).to.equal(128);
    expect(budget.mostHeld).to.be.within(1, 20 * 2 ** 20);
    expect(budget.held).to.equal(0);
  }).timeout(60_000);

  it("is shared by all files", async () => {
    const budget = new ByteBudget(3 * PART_BYTES);
    const stores = [1, 2, 3].map(() => new MemoryStore());
    await Promise.all(
      stores.map(async (store) => {
        await using place = await makePlace(CONTENT);
        expect(await place.upload(store, { budget })).to.include({ kind: "proved" });
      }),
    );
    expect(budget).to.include({ held: 0, mostHeld: 3 * PART_BYTES });
  });

  it("is given back whatever happens", async () => {
    await using place = await makePlace(CONTENT);
    const budget = new ByteBudget(3 * PART_BYTES);
    const store = new MemoryStore();
    replying(store, "UploadPart", ["store", REFUSED]);
    await place.upload(store, { budget });
    expect(budget.held).to.equal(0);
    store.onPut = ({ partNumber }) => {
      if (partNumber === 3) throw new Error("a test");
    };
    expect(await failureOf(place.upload(store, { budget }))).to.be.instanceOf(Error);
    expect(budget.held).to.equal(0);
    store.onPut = () => undefined;
    expect((await place.upload(store, { budget })).kind).to.equal("proved");
    expect(budget).to.include({ held: 0, mostHeld: 3 * PART_BYTES });
  });

  it("parts that are not held are read twice and arrive whole", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    expect(await place.upload(store, { heldBytesMax: 0 })).to.include({ kind: "proved" });
    expect(contents(store)).to.deep.equal({ [KEY]: true });
    const bodies = store.requests.filter(({ operation }) => operation === "UploadPart");
    expect(bodies.some(({ body }) => Buffer.isBuffer(body))).to.equal(false);
  });
});

async function overwrite(file: string, position: number): Promise<void> {
  await using handle = await open(file, "r+");
  await handle.write(Buffer.from("something else"), 0, undefined, position);
}
