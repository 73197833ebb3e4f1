import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  link,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  rmdir,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "chai";
import { observeFiles } from "../../../src/agent/sweep-records.ts";
import { ASIDE_MS } from "../../../src/sweep/removal.ts";
import { LINGER_MS } from "../../../src/sweep/rescue.ts";
import { sweep } from "../../../src/sweep/sweep.ts";
import type { TransferContext } from "../../../src/sweep/transfer.ts";
import { checkedLogger } from "../../support/checked-logger.ts";
import { laterClock, MemoryStore } from "../../support/memory-store.ts";
import { entryAt, openContext, transferWhole } from "../../support/transfer-context.ts";

/** Opens a file by a handle of before, however far its removal has come, when it is told to. */
const WRITER = `
exec 3<"$1"; echo ready
while read order; do
  case $order in
    open) exec 4>>/proc/self/fd/3;;
    write) echo late >&4;;
    close) exec 4>&-;;
  esac
  echo done
done`;

const CONTENT = "early\n";

type Order = "open" | "write" | "close";

/** A file that is removed while a process of its own has a handle of it. */
async function makePlace(changes: Partial<TransferContext> = {}) {
  const directory = await mkdtempDisposable(join(tmpdir(), "s3oa-rescue-"));
  const root = directory.path;
  const folder = join(root, "d");
  const file = join(folder, "a");
  await mkdir(folder);
  await writeFile(file, CONTENT);
  await chmod(file, 0o640);
  const writer = spawn("sh", ["-c", WRITER, "sh", file], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: writer.stdout })[Symbol.asyncIterator]();
  await answers.next();

  const store = new MemoryStore();
  const cancel = new AbortController();
  const order = async (what: Order) => {
    writer.stdin.write(`${what}\n`);
    await answers.next();
  };
  /** What happens while the agent waits: for one on his way, or for the writer to close. */
  const script = { lingers: [] as (() => Promise<void>)[], looks: [] as (() => Promise<void>)[] };
  const clock = {
    ...laterClock(),
    async sleep(ms: number, signal?: AbortSignal) {
      if (ms !== ASIDE_MS) await (ms === LINGER_MS ? script.lingers : script.looks).shift()?.();
      signal?.throwIfAborted();
    },
  };
  const context = await openContext(root, store, {
    clock,
    cancel: cancel.signal,
    ...changes,
  });
  return {
    folder,
    file,
    store,
    cancel,
    script,
    order,
    context,
    run: async () => await transferWhole(await entryAt(root, "d/a"), context),
    sweep: async () =>
      await sweep({
        ...context,
        concurrency: 1,
        quarantineAfter: 0,
        observer: observeFiles(checkedLogger(context.clock), {
          route: "main",
          bucket: "b",
          clock: context.clock,
          told: new Set(),
        }),
        isDryRun: false,
        stop: cancel.signal,
      }),
    async [Symbol.asyncDispose]() {
      writer.stdin.end();
      await once(writer, "exit");
      await context[Symbol.asyncDispose]();
      await directory.remove();
    },
  };
}

const late = { wasOpenedLate: true } as const;
const safe = { wasOpenedLate: false } as const;

describe("a file that is opened for writing in the moment of its removal", () => {
  it("what is written to it is in a file of its name again, and its writer waits for nothing", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(() => order("open"));
    script.looks.push(
      () => order("write"),
      () => order("write"),
      () => order("close"),
    );
    const before = await stat(place.file);

    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...safe });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\nlate\n`);
    expect(place.store.objects.get("d/a")?.toString()).to.equal(CONTENT);
    expect(await readdir(place.folder)).to.deep.equal(["a"]);
    const after = await stat(place.file);
    expect(after.mode).to.equal(before.mode);
    expect(after.ino).to.not.equal(before.ino);
    expect(script.looks).to.deep.equal([]);
    expect(place.context.asides.active).to.deep.equal(new Set());
    expect(place.context.leases?.size).to.equal(0);
  });

  it("one that takes his time before he writes is waited for", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(() => order("open"));
    script.looks.push(
      async () => undefined,
      async () => undefined,
      () => order("write"),
      () => order("close"),
    );
    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...safe });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\n`);
  });

  it("whoever took its name keeps it, and the next scan finds what was written", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(async () => {
      await writeFile(place.file, "another");
      await order("open");
    });
    script.looks.push(
      () => order("write"),
      () => order("close"),
    );
    const outcome = await place.run();
    expect(outcome).to.include({ kind: "removed", ...safe });
    const [aside = "", name] = (await readdir(place.folder)).sort();
    expect(name).to.equal("a");
    expect(aside).to.match(/^\.s3oa-[0-9a-f]{16}-a$/);
    expect(outcome).to.include({ rescuedAs: `d/${aside}` });
    expect(await readFile(place.file, "utf8")).to.equal("another");
    expect(await readFile(join(place.folder, aside), "utf8")).to.equal(`${CONTENT}late\n`);
    expect(place.context.asides.active).to.deep.equal(new Set());
  });

  it("nothing was written: nothing is left, and nothing is told", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(() => order("open"));
    script.looks.push(() => order("close"));
    const outcome = await place.run();
    expect(outcome).to.include({ kind: "removed", ...safe });
    expect(outcome).to.not.have.property("rescuedAs");
    expect(await readdir(place.folder)).to.deep.equal([]);
  });

  it("has another name: what is written is there, and no copy is made", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    const other = join(place.folder, "b");
    await link(place.file, other);
    script.lingers.push(() => order("open"));
    const outcome = await place.run();
    expect(outcome).to.include({ kind: "removed", ...safe });
    expect(outcome).to.not.have.property("rescuedAs");
    await order("open");
    await order("write");
    expect(await readdir(place.folder)).to.deep.equal(["b"]);
    expect(await readFile(other, "utf8")).to.equal(`${CONTENT}late\n`);
  });

  it("another one comes while the first one's writing is copied: both are kept", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(
      () => order("open"),
      () => order("open"),
    );
    for (const _ of ["first", "second"]) {
      script.looks.push(
        () => order("write"),
        () => order("close"),
      );
    }
    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...safe });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\nlate\n`);
    expect(await readdir(place.folder)).to.deep.equal(["a"]);
  });

  it("one that never closes it: what there is after a minute is kept, and the rest is told", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(() => order("open"));
    script.looks.push(() => order("write"));
    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...late });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\n`);
  });

  it("the agent is told to stop: what there is is kept at once", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    const never: string[] = [];
    script.lingers.push(() => order("open"));
    script.looks.push(
      async () => {
        await order("write");
        place.cancel.abort(new Error("stop"));
      },
      async () => {
        never.push("looked again");
      },
    );
    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...late });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\n`);
    expect(never).to.deep.equal([]);
  });

  it("its directory is gone: that it is lost is told", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(async () => {
      await rmdir(place.folder);
      await order("open");
    });
    script.looks.push(
      () => order("write"),
      () => order("close"),
    );
    const outcome = await place.run();
    expect(outcome).to.include({ kind: "removed", ...late });
    expect(outcome).to.not.have.property("rescuedAs");
    expect(place.context.asides.active).to.deep.equal(new Set());
  });

  it("a sweep counts it among the removed, and as opened late", async () => {
    await using place = await makePlace();
    const { script, order } = place;
    script.lingers.push(() => order("open"));
    script.looks.push(() => order("write"));
    expect(await place.sweep()).to.include({ filesRemoved: 1, filesOpenedLate: 1 });
    await using another = await makePlace();
    expect(await another.sweep()).to.include({ filesRemoved: 1, filesOpenedLate: 0 });
  });

  it("where there are no leases: what is written by the time it stands still is kept", async () => {
    await using place = await makePlace({ leases: undefined });
    const { script, order } = place;
    script.lingers.push(async () => {
      await order("open");
      await order("write");
    });
    script.looks.push(() => order("write"));
    expect(await place.run()).to.include({ kind: "removed", rescuedAs: "d/a", ...late });
    expect(await readFile(place.file, "utf8")).to.equal(`${CONTENT}late\nlate\n`);
  });
});
