import { expect } from "chai";
import { MemorySsm, SkippingClock } from "../../support/memory-ssm.ts";

const { signal } = new AbortController();
const codeOf = (error: { code: string }) => error.code;

describe("the Parameter Store in memory", () => {
  const write = (about: { name?: string; type?: string; value?: string; isNew?: boolean }) => ({
    name: "/a/b",
    type: "String",
    value: "x",
    isNew: false,
    ...about,
  });

  it("counts versions, keeps a hundred, and forgets all of them with the parameter", async () => {
    const ssm = new MemorySsm(new SkippingClock());
    expect(await ssm.put(write({ isNew: true }), signal)).to.equal(1);
    expect(await ssm.put(write({ isNew: true }), signal)).to.equal("exists");
    for (let n = 0; n < 110; n += 1) ssm.set("/a/b", `${n}`);
    const first = await ssm.readVersions("/a/b", undefined, signal);
    expect(first.versions.map(({ version }) => version)[0]).to.equal(12);
    expect(first.versions).to.have.length(50);
    const second = await ssm.readVersions("/a/b", first.nextToken, signal);
    expect(second.versions.at(-1)).to.include({ version: 111, value: "109" });
    expect(second.nextToken).to.equal(undefined);
    await ssm.remove(["/a/b", "/none"], signal);
    expect((await ssm.readVersions("/a/b", undefined, signal)).versions).to.eql([]);
    expect(await ssm.put(write({}), signal)).to.equal(1);
  });

  it("refuses what the real one refuses", async () => {
    const ssm = new MemorySsm(new SkippingClock());
    ssm.set("/a/list", "x,y", "StringList");
    for (const about of [
      { value: "" },
      { value: "x".repeat(4_097) },
      { value: "{{ssm:x}}" },
      { name: "/a/list" },
    ]) {
      expect(await ssm.put(write(about), signal).catch(codeOf)).to.equal("ValidationException");
    }
    const names = Array.from({ length: 11 }, (_, n) => `/a/${n}`);
    expect(await ssm.remove(names, signal).catch(codeOf)).to.equal("ValidationException");
    expect(await ssm.readNames(names, signal).catch(codeOf)).to.equal("ValidationException");
    ssm.denied.add("ssm:PutParameter");
    expect(await ssm.put(write({}), signal).catch(codeOf)).to.equal("AccessDeniedException");
  });

  it("takes three writes a second", async () => {
    const clock = new SkippingClock();
    const ssm = new MemorySsm(clock);
    for (let n = 0; n < 3; n += 1) await ssm.put(write({}), signal);
    expect(await ssm.put(write({}), signal).catch(codeOf)).to.equal("ThrottlingException");
    await clock.sleep(1_000);
    expect(await ssm.put(write({}), signal)).to.equal(4);
  });

  it("gives pages of ten, and of a path only what is below it", async () => {
    const ssm = new MemorySsm(new SkippingClock());
    for (let n = 0; n < 12; n += 1) ssm.set(`/a/b/${n}`, "x");
    ssm.set("/a/bc", "x");
    const first = await ssm.readPage("/a/b", undefined, signal);
    expect(first.parameters).to.have.length(10);
    const second = await ssm.readPage("/a/b", first.nextToken, signal);
    expect(second.parameters).to.have.length(2);
    expect(second.nextToken).to.equal(undefined);
  });
});
