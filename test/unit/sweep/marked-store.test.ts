import { expect } from "chai";
import { Progress, QUIET_MS_MAX } from "../../../src/lib/progress.ts";
import { RateLimiter } from "../../../src/lib/rate-limiter.ts";
import { limitUploads } from "../../../src/sweep/limited-store.ts";
import { markGrants, markRequests } from "../../../src/sweep/marked-store.ts";
import type { ObjectStore, PutRequest } from "../../../src/sweep/object-store.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";
import { DESTINATION, MemoryStore, putRequestOf } from "../../support/memory-store.ts";

const KIB = 2 ** 10;
const MINUTE = 60_000;

function place() {
  const clock = new ManualClock();
  const progress = new Progress(clock);
  const task = progress.begin("a sweep");
  /** The longest that it was quiet, looked at each minute of so many. */
  const watch = async (minutes: number): Promise<number> => {
    let hung = 0;
    for (let minute = 0; minute < minutes; minute += 1) {
      await clock.advance(MINUTE);
      hung += progress.quiet().length;
    }
    return hung;
  };
  return { clock, progress, task, watch };
}

/** A store over a line that takes so many bytes a minute, a piece at a time. */
function slowStore(clock: ManualClock, bytesPerMinute: number): ObjectStore {
  const store = new MemoryStore();
  const send = async ({ body }: { readonly body: PutRequest["body"] }) => {
    for await (const piece of Buffer.isBuffer(body) ? [body] : body) {
      await clock.sleep((piece.length / bytesPerMinute) * MINUTE);
    }
  };
  return Object.assign(store, {
    put: async (request: PutRequest) => {
      await send(request);
      return { kind: "stored", sha256: request.sha256, versionId: undefined } as const;
    },
  });
}

async function* halves(content: Buffer) {
  yield content.subarray(0, content.length / 2);
  yield content.subarray(content.length / 2);
}

describe("a store whose requests are marks", () => {
  for (const [what, bodyOf] of [
    ["held in memory", (content: Buffer) => content],
    ["read as it goes", halves],
  ] as const) {
    it(`sends the same bytes, ${what}`, async () => {
      for (const bytes of [0, 1, 64 * KIB, 64 * KIB + 1, 300 * KIB + 17]) {
        const { task } = place();
        const store = new MemoryStore();
        const content = Buffer.from(Array.from({ length: bytes }, (_, at) => at % 251));
        const request = putRequestOf(content, bodyOf(content));
        expect(await markRequests(store, task).put(request)).to.include({
          kind: "stored",
          sha256: request.sha256,
        });
        expect(store.objects.get("k")?.equals(content)).to.equal(true);
      }
    });

    it(`a large body on a slow line moves for hours, and is not taken to hang (${what})`, async () => {
      const { clock, task, watch } = place();
      const content = Buffer.alloc(8_192 * KIB);
      const marked = markRequests(slowStore(clock, 60 * KIB), task);
      let isDone = false;
      const putting = marked.put(putRequestOf(content, bodyOf(content))).then(() => {
        isDone = true;
      });
      expect(await watch(130)).to.equal(0);
      expect(isDone).to.equal(false);
      await clock.advance(10 * MINUTE);
      await putting;
    });
  }

  it("a request that never comes back hangs, its body sent or not", async () => {
    for (const isRead of [true, false]) {
      const { clock, progress, task } = place();
      const never = new MemoryStore();
      never.put = async ({ body }) => {
        if (isRead) for await (const _ of Buffer.isBuffer(body) ? [body] : body);
        return await new Promise<never>(() => {});
      };
      void markRequests(never, task).put(putRequestOf(Buffer.alloc(300 * KIB)));
      await settle();
      await clock.advance(QUIET_MS_MAX);
      expect(progress.quiet()).to.have.length(1);
    }
  });

  it("S3 may take its time to complete an upload, and not for ever", async () => {
    const { clock, progress, task, watch } = place();
    const never = Object.assign(new MemoryStore(), {
      completeUpload: () => new Promise<never>(() => {}),
    });
    const { signal } = new AbortController();
    void markRequests(never, task).completeUpload({
      destination: DESTINATION,
      key: "k",
      uploadId: "u",
      parts: [],
      bytes: 0,
      crc32: "AAAAAA==",
      mayOverwrite: false,
      signal,
    });
    expect(await watch(20)).to.equal(0);
    await clock.advance(20 * MINUTE);
    expect(progress.quiet()).to.have.length(1);
  });

  it("the lowest bandwidth-limit holds up hundreds of files for hours, and none of it is taken to hang", async () => {
    const { clock, task, watch } = place();
    const limiter = new RateLimiter({ clock }, 1_024);
    const store = limitUploads(
      markRequests(slowStore(clock, Number.POSITIVE_INFINITY), task),
      markGrants(limiter, task),
    );
    const puts = Array.from({ length: 256 }, () => store.put(putRequestOf(Buffer.alloc(50 * KIB))));
    expect(await watch(60)).to.equal(0);
    limiter.setRate(0);
    await clock.advance(1_000);
    await Promise.all(puts);
  });

  it("a sweep that waits in the limiter's queue behind others hangs only when they do", async () => {
    const { clock, progress, task } = place();
    const other = progress.begin("another sweep");
    const { promise } = Promise.withResolvers<void>();
    const stuck = { bytesPerSecond: 1_024, take: () => promise };
    void markGrants(stuck, task).take(1, new AbortController().signal);
    for (let minute = 0; minute < 30; minute += 1) {
      await clock.advance(MINUTE);
      other.mark("bytes");
    }
    expect(progress.quiet()).to.deep.equal([]);
    await clock.advance(QUIET_MS_MAX);
    expect(progress.quiet()).to.have.length(2);
  });
});
