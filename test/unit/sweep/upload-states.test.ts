import { constants } from "node:fs";
import { appendFile, chmod, open, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect } from "chai";
import { RecordLog } from "../../../src/lib/record-log.ts";
import { Directories, Directory } from "../../../src/sweep/directory.ts";
import { contentKey } from "../../../src/sweep/object-key.ts";
import { stillStands } from "../../../src/sweep/still-stands.ts";
import type { UploadSubject } from "../../../src/sweep/upload-records.ts";
import { contentOf, makePlace } from "../../support/large-files.ts";
import {
  DESTINATION,
  MemoryStore,
  REFUSED,
  SLOW_DOWN,
  sha256Of,
} from "../../support/memory-store.ts";

const CONTENT = contentOf(4.5);
const PARTS = 5;
const NEVER = new AbortController().signal;

const SUBJECT: UploadSubject = {
  root: Buffer.from("/watched"),
  path: Buffer.from([0x61, 0xff]),
  inode: 2n ** 63n,
  bytes: 100n,
  mtimeNs: -1n,
  destination: { ...DESTINATION, tags: { b: "2", a: "1" } },
  key: "a",
  partBytes: 10,
};
const BEGUN = { uploadId: "u", key: "a", sha256: undefined };
const PART = { partNumber: 1, bytes: 10, etag: '"e"', crc32: "AAAAAA==", sha256: "00" };

/** Uploads all parts of the place's file, but not the completion. */
async function uploadHalf(place: Awaited<ReturnType<typeof makePlace>>, store: MemoryStore) {
  store.reply = ({ operation }) => (operation === "CompleteMultipartUpload" ? SLOW_DOWN : "store");
  await place.upload(store);
  store.reply = () => "store";
}

function partsSent(store: MemoryStore): number {
  return store.requests.filter(({ operation }) => operation === "UploadPart").length;
}

describe("the states of uploads", () => {
  it("give back what was written, after a restart and to the same subject only", async () => {
    await using place = await makePlace(CONTENT);
    const { state, stale } = await place.states().open(SUBJECT);
    expect(stale).to.equal(undefined);
    expect(state.progress.begun).to.equal(undefined);
    await state.begin(BEGUN);
    await state.addPart(PART);
    await state.completing();
    await state.close();

    const tags = { a: "1", b: "2" };
    const same = { ...SUBJECT, destination: { ...SUBJECT.destination, tags } };
    const again = await place.states().open(same);
    expect(again.stale).to.equal(undefined);
    expect(again.state.progress).to.deep.equal({
      begun: BEGUN,
      parts: new Map([[1, PART]]),
      isCompleting: true,
      proved: undefined,
    });
    await again.state.close();
    expect(await place.states().list(SUBJECT.root)).to.deep.equal([
      { subject: same, progress: again.state.progress },
    ]);
  });

  const changes: readonly Partial<UploadSubject>[] = [
    { inode: 1n },
    { bytes: 101n },
    { mtimeNs: 0n },
    { key: "b" },
    { partBytes: 11 },
    { destination: { ...SUBJECT.destination, bucket: "other" } },
    { destination: { ...SUBJECT.destination, kmsKeyId: "other" } },
    { destination: { ...SUBJECT.destination, tags: {} } },
  ];
  for (const change of changes) {
    it(`another ${Object.keys(change)}: nothing of it is used, and what was begun is told`, async () => {
      await using place = await makePlace(CONTENT);
      const { state } = await place.states().open(SUBJECT);
      await state.begin(BEGUN);
      await state.addPart(PART);
      await state.close();
      const other = await place.states().open({ ...SUBJECT, ...change });
      expect(other.state.progress.begun).to.equal(undefined);
      expect(other.state.progress.parts.size).to.equal(0);
      expect(other.stale?.progress.begun).to.deep.equal(BEGUN);
      expect(other.stale?.subject.destination).to.deep.equal(SUBJECT.destination);
      await other.state.close();
    });
  }

  it("another upload makes the parts of the first one count no longer", async () => {
    await using place = await makePlace(CONTENT);
    const { state } = await place.states().open(SUBJECT);
    await state.begin(BEGUN);
    await state.addPart(PART);
    await state.begin({ ...BEGUN, uploadId: "v" });
    await state.close();
    const { state: again } = await place.states().open(SUBJECT);
    expect(again.progress.begun?.uploadId).to.equal("v");
    expect(again.progress.parts.size).to.equal(0);
    await again.close();
  });
});

describe("a state that is not what it should be", () => {
  const damages: Readonly<Record<string, (file: string) => Promise<void>>> = {
    garbage: (file) => writeFile(file, Buffer.from([0, 1, 2, 255, 10, 13])),
    "another format": async (file) => {
      await rm(file);
      const { log } = await RecordLog.open(file, { format: "something else", version: 1 });
      await log.close();
    },
    "a newer version": async (file) => {
      await rm(file);
      const { log } = await RecordLog.open(file, { format: "s3-offload-agent upload", version: 2 });
      await log.close();
    },
    "a damaged record": async (file) => {
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace('"kind":"part"', '"kind":"parT"'));
    },
    "unknown records": async (file) => {
      const { log } = await RecordLog.open(file, { format: "s3-offload-agent upload", version: 1 });
      await log.append({ kind: "something new" });
      await log.append(null);
      await log.close();
    },
    "records that lack something": async (file) => {
      await rm(file);
      const { log } = await RecordLog.open(file, { format: "s3-offload-agent upload", version: 1 });
      await log.append({ kind: "file", root: "", path: "", bytes: 5 });
      await log.close();
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    it(`${name}: it is told, and the upload starts over`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      await uploadHalf(place, store);
      const [file = ""] = await place.stateFiles();
      await damage(`${place.directory}/${file}`);
      const sent = partsSent(store);
      expect(await place.upload(store)).to.include({ kind: "proved", key: "dir/large" });
      expect(partsSent(store) - sent).to.equal(PARTS);
      expect(place.problems.map(({ kind }) => kind)).to.deep.equal(["damaged"]);
      expect(store.objects.get("dir/large")?.equals(CONTENT)).to.equal(true);
    });
  }

  it("a torn last record: the upload goes on", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    const [file = ""] = await place.stateFiles();
    await appendFile(`${place.directory}/${file}`, "01234567 {");
    const sent = partsSent(store);
    expect(await place.upload(store)).to.include({ kind: "proved" });
    expect(partsSent(store)).to.equal(sent);
    expect(place.problems).to.deep.equal([]);
  });

  for (const key of ["elsewhere", "dir/large.sha256-00000000000000000000000000000000"]) {
    it(`that names another key (${key}): nothing is sent there`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      await uploadHalf(place, store);
      const [found] = await place.states().list(Buffer.from(place.root));
      const { state } = await place.states().open(found?.subject ?? SUBJECT);
      await state.begin({ uploadId: "u", key, sha256: key === "elsewhere" ? undefined : "11" });
      await state.close();
      expect(await place.upload(store)).to.include({ kind: "proved", key: "dir/large" });
      expect([...store.objects.keys()]).to.deep.equal(["dir/large"]);
    });
  }
});

describe("a state that names the file's own key, which looks like another content's", () => {
  it("nothing is sent there", async () => {
    const key = contentKey("x", "1".repeat(64));
    await using place = await makePlace(CONTENT, key);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    const [found] = await place.states().list(Buffer.from(place.root));
    const { state } = await place.states().open(found?.subject ?? SUBJECT);
    await state.begin({ uploadId: store.uploads.create(key), key, sha256: undefined });
    await state.close();
    expect(await place.upload(store)).to.include({ kind: "proved" });
    expect([...store.objects.keys()]).to.deep.equal([contentKey(key, sha256Of(CONTENT))]);
  });
});

describe("a folder of states that cannot be written", () => {
  it("the upload works, says so, and cannot go on after a restart", async () => {
    await using place = await makePlace(CONTENT);
    await writeFile(place.directory, "a file where the folder should be");
    const store = new MemoryStore();
    await uploadHalf(place, store);
    expect(partsSent(store)).to.equal(PARTS);
    expect(await place.upload(store)).to.include({ kind: "proved" });
    expect(partsSent(store)).to.equal(2 * PARTS);
    expect(place.problems.map(({ kind }) => kind)).to.include("unwritable");
    expect(await place.states().list(Buffer.from(place.root))).to.deep.equal([]);
  });

  it("while the upload is under way: it is told once, and no upload has another one's parts", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    await place.states().forget(Buffer.from(place.root), Buffer.from(place.path));
    store.onPut = async ({ operation }) => {
      // The state cannot be replaced any more: a full disk has no other effect.
      if (operation === "CreateMultipartUpload")
        await rename(place.directory, `${place.directory}-gone`);
    };
    expect(await place.upload(store)).to.include({ kind: "proved" });
    expect(place.problems.map(({ kind }) => kind)).to.include("unwritable");
  });

  it("once another upload is begun: its parts never stand behind the name of the first one", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    const [name = ""] = await place.stateFiles();
    let completions = 0;
    store.reply = ({ operation }) => {
      if (operation !== "CompleteMultipartUpload") return "store";
      completions += 1;
      return completions === 1 ? "gone" : SLOW_DOWN;
    };
    let before = "";
    store.onPut = async ({ operation }) => {
      if (operation !== "CreateMultipartUpload") return;
      before = await readFile(`${place.directory}/${name}`, "utf8");
      await rename(place.directory, `${place.directory}-gone`);
    };
    await place.upload(store);
    expect(partsSent(store)).to.equal(2 * PARTS);
    expect(await readFile(`${place.directory}-gone/${name}`, "utf8")).to.equal(before);
  });
});

describe("uploads that nobody will go on with", () => {
  const setups: readonly {
    readonly name: string;
    readonly isOrphan: boolean;
    readonly setUp: (place: Awaited<ReturnType<typeof makePlace>>) => Promise<void>;
  }[] = [
    { name: "the file is there", isOrphan: false, setUp: async () => undefined },
    { name: "the file is gone", isOrphan: true, setUp: ({ file }) => rm(file) },
    {
      name: "the file is another",
      isOrphan: true,
      setUp: async ({ file }) => {
        await writeFile(`${file}.new`, CONTENT);
        await utimes(`${file}.new`, 1_700_000_000, 1_700_000_000);
        await rename(`${file}.new`, file);
      },
    },
    { name: "the file is longer", isOrphan: true, setUp: ({ file }) => appendFile(file, "x") },
    { name: "the file is younger", isOrphan: true, setUp: ({ file }) => utimes(file, 1, 1) },
    { name: "only its mode changed", isOrphan: false, setUp: ({ file }) => chmod(file, 0o600) },
    {
      name: "the folder is gone",
      isOrphan: true,
      setUp: ({ root }) => rm(root, { recursive: true }),
    },
  ];
  for (const { name, isOrphan, setUp } of setups) {
    it(`${isOrphan ? "are ended" : "are none"}: ${name}`, async () => {
      await using place = await makePlace(CONTENT);
      const store = new MemoryStore();
      await uploadHalf(place, store);
      await using handle = await open(place.root, constants.O_RDONLY | constants.O_DIRECTORY);
      await using directories = new Directories(await Directory.ofRoot(handle));
      await setUp(place);
      const isCurrent = (subject: UploadSubject) => stillStands(subject, directories);
      const root = Buffer.from(place.root);
      const ended = await place.states().abortOrphans({ root, store, isCurrent, signal: NEVER });
      expect(ended).to.equal(isOrphan ? 1 : 0);
      expect(store.uploads.open.size).to.equal(isOrphan ? 0 : 1);
      expect(await place.stateFiles()).to.have.length(isOrphan ? 0 : 1);
    });
  }

  const isCurrent = () => false;

  it("are ended where they were begun, though the settings have changed since", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    await place.states().abortOrphans({
      root: Buffer.from(place.root),
      store,
      isCurrent: ({ destination }) => destination.bucket === "another bucket",
      signal: NEVER,
    });
    expect(store.requests.at(-1)).to.deep.include({
      operation: "AbortMultipartUpload",
      destination: DESTINATION,
      key: "dir/large",
    });
  });

  it("of a proved upload only the state goes", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await place.upload(store);
    const before = store.requests.length;
    const root = Buffer.from(place.root);
    await place.states().abortOrphans({ root, store, isCurrent, signal: NEVER });
    expect(store.requests.length).to.equal(before);
    expect(await place.stateFiles()).to.deep.equal([]);
  });

  it("stay on disk while the store is down, and go when it refuses for good", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    await uploadHalf(place, store);
    const states = place.states();
    const root = Buffer.from(place.root);
    store.reply = () => SLOW_DOWN;
    expect(await states.abortOrphans({ root, store, isCurrent, signal: NEVER })).to.equal(0);
    expect(await place.stateFiles()).to.have.length(1);
    store.reply = () => REFUSED;
    expect(await states.abortOrphans({ root, store, isCurrent, signal: NEVER })).to.equal(1);
    expect(await place.stateFiles()).to.deep.equal([]);
    expect(place.problems.map(({ kind }) => kind)).to.deep.equal(["not-aborted"]);
  });

  it("never one that is under way", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const states = place.states();
    store.onPut = async ({ partNumber }) => {
      const root = Buffer.from(place.root);
      if (partNumber === 3) await states.abortOrphans({ root, store, isCurrent, signal: NEVER });
    };
    expect(await place.upload(store, { states })).to.include({ kind: "proved", attempts: 1 });
    expect(store.requests.map(({ operation }) => operation)).not.to.include("AbortMultipartUpload");
  });

  it("other files in the folder are left alone, and no folder is none", async () => {
    await using place = await makePlace(CONTENT);
    const store = new MemoryStore();
    const about = { root: Buffer.from(place.root), store, isCurrent, signal: NEVER };
    const end = () => place.states().abortOrphans(about);
    expect(await end()).to.equal(0);
    await uploadHalf(place, store);
    const [state = ""] = await place.stateFiles();
    const folder = dirname(state);
    await rename(`${place.directory}/${state}`, `${place.directory}/${folder}/notes`);
    expect(await end()).to.equal(0);
    expect(await place.stateFiles()).to.deep.equal([`${folder}/notes`]);
  });
});
