import { expect } from "chai";
import { ServiceError } from "../../src/lib/errors.ts";
import { BucketModel } from "./bucket-model.ts";
import { LogModel } from "./log-model.ts";
import { WrongRequest } from "./model-failure.ts";
import {
  DEFAULT_THROUGHPUT,
  HIGHER_THROUGHPUT,
  ParameterStoreModel,
} from "./parameter-store-model.ts";
import { quantile, RateMeter } from "./rate-meter.ts";
import { VirtualTime } from "./virtual-time.ts";

const START = Date.UTC(2026, 10, 24);
const PATH = "/root/fleets/web";

function begin(throughput = DEFAULT_THROUGHPUT) {
  const time = new VirtualTime(START);
  return { time, store: new ParameterStoreModel(time, throughput) };
}

/** How many of so many calls at one moment are served; the others must be throttled. */
function served(count: number, call: () => unknown): number {
  let answers = 0;
  for (let index = 0; index < count; index += 1) {
    try {
      if (call() !== false) answers += 1;
    } catch (error) {
      expect(error).to.be.instanceOf(ServiceError);
      expect((error as ServiceError).code).to.equal("ThrottlingException");
    }
  }
  return answers;
}

describe("the model of the Parameter Store", () => {
  it("serves 40 Gets a second of all kinds together by default, after a pause not more", async () => {
    const { time, store } = begin();
    const readNames = () => store.readNames([`${PATH}/revision`]);
    const readPage = () => store.readPage(PATH, undefined);
    expect(served(30, readNames) + served(30, readPage)).to.equal(40);
    await time.runUntil(START + 500);
    expect(served(30, readPage) + served(30, readNames)).to.equal(20);
    await time.runUntil(START + 60_000);
    expect(served(100, readNames)).to.equal(40);
    expect(store.gets.between(START, START + 61_000).total).to.equal(220);
    expect(store.throttledGets.between(START, START + 61_000).total).to.equal(120);
  });

  it("serves 1,000 GetParameters and 100 GetParametersByPath with higher throughput", () => {
    const { store } = begin(HIGHER_THROUGHPUT);
    expect(served(2_000, () => store.readNames([`${PATH}/revision`]))).to.equal(1_000);
    expect(served(2_000, () => store.readPage(PATH, undefined))).to.equal(100);
  });

  it("takes 3 changes a second, puts and deletions together", async () => {
    const { time, store } = begin();
    const put = () => store.put(`${PATH}/bucket`, "data");
    expect(served(5, put)).to.equal(3);
    await time.runUntil(START + 1_000);
    expect(served(1, put) + served(4, () => store.delete(`${PATH}/bucket`))).to.equal(3);
  });

  it("takes at most ten names, none twice, and answers those that exist, by name", () => {
    const { store } = begin();
    const names = Array.from({ length: 11 }, (_, index) => `/root/hosts/h${index}/revision`);
    for (const name of names.toReversed()) store.set(name, "r");
    expect(() => store.readNames(names)).to.throw(WrongRequest);
    expect(() => store.readNames([])).to.throw(WrongRequest);
    expect(() => store.readNames(["/a/b", "/a/b"])).to.throw(WrongRequest);
    expect(store.wrongRequests).to.have.length(3);
    const answer = store.readNames(["/root/hosts/no/revision", ...names.slice(0, 9)].toReversed());
    expect(answer.parameters.map(({ name }) => name)).to.deep.equal(names.slice(0, 9));
  });

  it("answers ten parameters a page, everything below the path once, and no path beside it", () => {
    const { store } = begin();
    const leaves = Array.from({ length: 25 }, (_, index) => `${PATH}/routes/r/leaf${10 + index}`);
    for (const name of leaves) store.set(name, "v");
    store.set("/root/fleets/web2/bucket", "other");
    const pages = [];
    let token: string | undefined;
    do {
      const page = store.readPage(PATH, token);
      pages.push(page.parameters.map(({ name }) => name));
      token = page.nextToken;
    } while (token !== undefined);
    expect(pages.map((names) => names.length)).to.deep.equal([10, 10, 5]);
    expect(pages.flat()).to.deep.equal(leaves);
    const foreign = store.readPage(PATH, undefined).nextToken;
    expect(() => store.readPage("/root/fleets", foreign)).to.throw(WrongRequest);
    expect(store.readPage("/root/hosts/h1", undefined).parameters).to.deep.equal([]);
  });

  it("counts versions from 1, anew after a deletion, and tells when each was put", async () => {
    const { time, store } = begin();
    const facts = () =>
      store
        .readNames([`${PATH}/bucket`])
        .parameters.map(({ version, value, lastModifiedAt }) => [version, value, lastModifiedAt]);
    store.put(`${PATH}/bucket`, "one");
    await time.runUntil(START + 2_300);
    store.put(`${PATH}/bucket`, "two");
    expect(facts()).to.deep.equal([[2, "two", START + 2_300]]);
    expect(store.readPage(PATH, undefined).answeredAt).to.equal(START + 2_000);
    store.delete(`${PATH}/bucket`);
    expect([facts(), store.readPage(PATH, undefined).parameters]).to.deep.equal([[], []]);
    store.put(`${PATH}/bucket`, "three");
    expect(facts()).to.deep.equal([[1, "three", START + 2_300]]);
  });

  it("answers nothing while it is down, and takes values of 1 to 4096 bytes only", () => {
    const { store } = begin();
    store.setDown(true);
    expect(() => store.readPage(PATH, undefined)).to.throw(ServiceError, "503");
    expect(() => store.put(`${PATH}/bucket`, "data")).to.throw(ServiceError, "503");
    expect(() => store.set(`${PATH}/bucket`, "")).to.throw(WrongRequest);
    expect(() => store.set(`${PATH}/bucket`, "ä".repeat(2_049))).to.throw(WrongRequest);
  });
});

describe("the models of CloudWatch Logs and S3", () => {
  it("takes 1,500 PutLogEvents and 50 CreateLogStream a second, and no stream that is not there", async () => {
    const time = new VirtualTime(START);
    const logs = new LogModel(time);
    logs.addStream("h1");
    expect(served(3_000, () => logs.put("h1").kind === "accepted")).to.equal(1_500);
    expect(served(90, () => logs.create("h2") === undefined)).to.equal(50);
    await time.runUntil(START + 1_000);
    expect(logs.put("h2").kind).to.equal("accepted");
    expect(logs.put("h3").kind).to.equal("missing");
    const until = START + 2_000;
    expect(logs.throttledPuts.between(START, until).total).to.equal(1_500);
    expect(logs.throttledCreates.between(START, until).total).to.equal(40);
  });

  it("takes 3,500 PutObject a second", () => {
    const bucket = new BucketModel(new VirtualTime(START));
    expect(served(5_000, () => bucket.put())).to.equal(3_500);
    expect(bucket.slowedPuts.between(START, START + 1_000).total).to.equal(1_500);
  });
});

describe("RateMeter", () => {
  it("tells the mean, the 99th percentile and the peak over the seconds of a span, empty ones too", () => {
    const meter = new RateMeter(START);
    for (let second = 0; second < 100; second += 1) meter.count(START + second * 1_000, 2);
    meter.count(START + 40_999, 5);
    meter.count(START + 41_001, 3);
    meter.count(START + 9_000_000);
    expect(meter.between(START, START + 100_000)).to.deep.equal({
      total: 208,
      mean: 2.08,
      p99: 5,
      peak: 7,
    });
    expect(meter.between(START + 100_000, START + 200_000).total).to.equal(0);
    expect(meter.between(START + 8_999_000, START + 9_001_000).total).to.equal(1);
  });

  it("gives the smallest value that so large a share does not exceed", () => {
    expect([0.001, 0.5, 0.51, 1].map((share) => quantile([1, 2, 3, 4], share))).to.deep.equal([
      1, 2, 3, 4,
    ]);
    expect(quantile([], 0.5)).to.be.NaN;
  });
});
