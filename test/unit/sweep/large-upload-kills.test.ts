import { cpSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect } from "chai";
import type { LargeUpload } from "../../../src/sweep/large-upload.ts";
import { contentKey } from "../../../src/sweep/object-key.ts";
import { WORKERS } from "../../../src/sweep/send-parts.ts";
import { contentOf, makePlace } from "../../support/large-files.ts";
import { MemoryStore, sha256Of } from "../../support/memory-store.ts";

const PARTS = 9;
const CONTENT = contentOf(PARTS - 0.5);
const KEY = "dir/large";
const CONTENT_KEY = contentKey(KEY, sha256Of(CONTENT)) ?? "";
const FOREIGN = Buffer.from("somebody else's");

type Place = Awaited<ReturnType<typeof makePlace>>;

/** What else may happen to an upload that is killed. */
const worlds: Readonly<Record<string, (store: MemoryStore) => void>> = {
  "nothing else happens": () => undefined,
  "the key is taken": (store) => store.objects.set(KEY, FOREIGN),
  "S3 forgets what was completed": (store) => {
    store.uploads.repeatsAnswers = false;
  },
  "no first completion is answered": (store) => {
    const seen = new Set<string | undefined>();
    store.reply = ({ operation, uploadId }) => {
      if (operation !== "CompleteMultipartUpload" || seen.has(uploadId)) return "store";
      seen.add(uploadId);
      return "lose-answer";
    };
  },
};

/** All that a crash leaves: the disk and the store. */
interface Leftovers {
  readonly at: string;
  readonly directory: string;
  readonly store: MemoryStore;
  /** How many parts of the upload under way the store had. */
  readonly partsStored: number;
}

/** Uploads once, and keeps what would be left if the agent died at each request. */
async function leftoversOf(place: Place, prepare: (store: MemoryStore) => void) {
  const store = new MemoryStore();
  prepare(store);
  const leftovers: Leftovers[] = [];
  const keep = (moment: string) => (request: { operation: string }, nth: number) => {
    const directory = `${place.directory}-${leftovers.length}`;
    const copy = store.copy();
    const partsStored = Math.max(
      0,
      ...[...copy.uploads.open.values()].map((one) => one.parts.size),
    );
    leftovers.push({
      at: `${moment} ${request.operation} ${nth}`,
      directory,
      store: copy,
      partsStored,
    });
    // In one turn with the copy of the store: what is on disk is in the store, as it is in a crash.
    cpSync(place.directory, directory, { recursive: true });
  };
  store.onPut = keep("before");
  store.onDone = keep("after");
  expectProved(await place.upload(store), store);
  return leftovers;
}

function expectProved(result: LargeUpload, store: MemoryStore, what = ""): void {
  expect(result.kind, what).to.equal("proved");
  expect(store.objects.get(result.key)?.equals(CONTENT), what).to.equal(true);
  for (const [key, object] of store.objects) {
    expect([KEY, CONTENT_KEY], what).to.include(key);
    expect(object.equals(CONTENT) || (key === KEY && object.equals(FOREIGN)), what).to.equal(true);
  }
}

function partsSent(store: MemoryStore): number {
  return store.requests.filter(({ operation }) => operation === "UploadPart").length;
}

describe("a large upload that is killed", () => {
  for (const [name, prepare] of Object.entries(worlds)) {
    it(`at any request goes on where it was, and there are two objects at the most (${name})`, async () => {
      await using place = await makePlace(CONTENT);
      const leftovers = await leftoversOf(place, prepare);
      expect(leftovers.length).to.be.above(2 * (PARTS + 2) - 1);
      for (const { at, directory, store, partsStored } of leftovers) {
        const isContentNext = store.objects.has(KEY) || name !== "nothing else happens";
        const result = await place.upload(store, { states: place.states(directory) });
        expectProved(result, store, at);
        expect(store.objects.size, at).to.be.at.most(2);
        // Only one that was begun and not written down yet.
        expect(store.uploads.open.size, at).to.be.at.most(1);
        // What the store had and was not written down yet; a second round is another upload.
        const sentAtMost = PARTS - partsStored + WORKERS + (isContentNext ? PARTS : 0);
        expect(partsSent(store), at).to.be.at.most(sentAtMost);
        // And once more, as if the answer to all this had been lost as well.
        const again = await place.upload(store, { states: place.states(directory) });
        expectProved(again, store, at);
      }
      expect(place.problems).to.deep.equal([]);
    });

    for (const steps of [1, 2, 3, 5, 8]) {
      it(`after every ${steps} steps comes to an end all the same (${name})`, async () => {
        await using place = await makePlace(CONTENT);
        const store = new MemoryStore();
        prepare(store);
        let left = 0;
        const step = () => {
          left -= 1;
          if (left < 0) throw new Error("killed");
        };
        store.onPut = step;
        store.onDone = step;
        let result: LargeUpload | undefined;
        let kills = 0;
        // With a single step not even the first request is answered; it grows by one each time.
        for (; result === undefined; kills += 1) {
          expect(kills).to.be.below(200);
          left = steps + Math.floor(kills / 20);
          result = await place.upload(store).catch(() => undefined);
        }
        expectProved(result, store);
        expect(store.objects.size).to.be.at.most(2);
        expect(partsSent(store)).to.be.at.most(2 * PARTS + WORKERS * kills);
      });
    }
  }

  it("with a state that was cut off anywhere sends no more than what the cut has lost", async () => {
    await using place = await makePlace(CONTENT);
    const leftovers = await leftoversOf(place, () => undefined);
    const last = leftovers.find(({ at }) => at.startsWith("before Complete"));
    const [name = ""] = await place.stateFiles();
    const whole = await readFile(`${last?.directory}/${name}`);
    const directory = `${place.directory}-cut`;
    for (let length = 0; length <= whole.length; length += 41) {
      const store = last?.store.copy() ?? new MemoryStore();
      await rm(directory, { recursive: true, force: true });
      await mkdir(dirname(`${directory}/${name}`), { recursive: true });
      await writeFile(`${directory}/${name}`, whole.subarray(0, length));
      const result = await place.upload(store, { states: place.states(directory) });
      expectProved(result, store, `cut at ${length}`);
      const lines = whole.subarray(0, length).toString().split("\n").length - 1;
      const partsLeft = Math.min(PARTS, Math.max(0, lines - 3)); // The header, `file` and `created`.
      expect(partsSent(store), `cut at ${length}`).to.equal(PARTS - partsLeft);
      expect(Object.fromEntries(store.objects)).to.have.all.keys(KEY);
    }
  });

  it("between the proof and the removal sends nothing again", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await place.upload(store);
    const before = store.requests.length;
    for (let sweep = 0; sweep < 3; sweep += 1) expectProved(await place.upload(store), store);
    expect(store.requests.length).to.equal(before);
  });
});
