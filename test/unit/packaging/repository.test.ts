import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";
import { byHashPath, dateOf, namedFiles } from "../../../packaging/repository/apt.ts";
import { parseTarget, publishedForm } from "../../../packaging/repository/published-files.ts";
import {
  keptOldFiles,
  OLD_FILES_KEPT_MS,
  OLD_FILES_MAX,
} from "../../../packaging/repository/retention.ts";
import { clientFiles } from "../../../packaging/repository/root-files.ts";
import { namedMetadata } from "../../../packaging/repository/yum.ts";

describe("the package repository", () => {
  it("keeps old index files for a day, and the newest of too many", () => {
    const now = 10 * OLD_FILES_KEPT_MS;
    const file = (path: string, ageMs: number) => ({ path, supersededAtMs: now - ageMs });
    const files = [file("a", OLD_FILES_KEPT_MS), file("b", OLD_FILES_KEPT_MS - 1), file("c", 0)];
    expect(keptOldFiles(files, now).map(({ path }) => path)).to.deep.equal(["c", "b"]);
    const many = Array.from({ length: OLD_FILES_MAX + 3 }, (_, age) => file(`${age}`, age));
    const kept = keptOldFiles(many, now).map(({ path }) => Number(path));
    expect(kept).to.have.length(OLD_FILES_MAX);
    expect(Math.max(...kept)).to.equal(OLD_FILES_MAX - 1);
  });

  it("publishes what belongs to it and nothing else", () => {
    const hash = "0".repeat(64);
    const stages: readonly (readonly [string, number | undefined])[] = [
      ["apt/pool/main/s/s3-offload-agent/s3-offload-agent_1_amd64.deb", 0],
      ["yum/x86_64/Packages/s3-offload-agent-1-1.x86_64.rpm", 0],
      [`apt/dists/stable/main/binary-amd64/by-hash/SHA256/${hash}`, 1],
      [`yum/x86_64/repodata/${hash}-primary.xml.gz`, 1],
      ["s3-offload-agent.asc", 2],
      ["apt/dists/stable/InRelease", 3],
      ["apt/dists/stable/main/binary-amd64/Packages.xz", 4],
      ["apt/dists/stable/Release.gpg", 4],
      ["yum/x86_64/repodata/repomd.xml", 5],
      ["yum/x86_64/repodata/repomd.xml.asc", 5],
      ["SHA256SUMS.asc", 6],
      [".work/stable/InRelease", undefined],
      ["s3-offload-agent.gpg.new", undefined],
      ["release.key", undefined],
    ];
    for (const [path, stage] of stages) expect(publishedForm(path)?.stage, path).to.equal(stage);
  });

  it("caches for ever only what bears a version or a hash, and never dnf's two halves apart", () => {
    for (const path of ["apt/dists/stable/InRelease", "s3-offload-agent.gpg", "SHA256SUMS.asc"]) {
      expect(publishedForm(path)).to.include({ cacheControl: "public, max-age=60" });
    }
    for (const path of ["yum/x86_64/repodata/repomd.xml", "yum/x86_64/repodata/repomd.xml.asc"]) {
      expect(publishedForm(path)).to.include({ cacheControl: "no-cache", isImmutable: false });
    }
  });

  it("reads places in S3", () => {
    expect(parseTarget("s3://my-bucket")).to.deep.equal({ bucket: "my-bucket", prefix: "" });
    expect(parseTarget("s3://my-bucket/")).to.deep.equal({ bucket: "my-bucket", prefix: "" });
    expect(parseTarget("s3://b-1/a/b//")).to.deep.equal({ bucket: "b-1", prefix: "a/b/" });
    for (const wrong of ["my-bucket", "s3://", "https://b/c", "s3://UPPER", "s3://b-1/a b"]) {
      expect(parseTarget(wrong), wrong).to.equal(undefined);
    }
  });

  it("reads what indexes name", () => {
    const hash = "ab".repeat(32);
    const release = `Date: Tue, 24 Nov 2026 19:59:35 UTC\nSHA256:\n ${hash}  1107 main/binary-amd64/Packages\n`;
    expect(namedFiles(release)).to.deep.equal([{ path: "main/binary-amd64/Packages", hash }]);
    expect(dateOf(release)?.toISOString()).to.equal("2026-11-24T19:59:35.000Z");
    expect(dateOf("")).to.equal(undefined);
    expect(byHashPath("main/binary-amd64/Packages.xz", hash)).to.equal(
      `main/binary-amd64/by-hash/SHA256/${hash}`,
    );
    const record = [
      '<data type="primary">',
      `<checksum type="sha256">${hash}</checksum>`,
      `<open-checksum type="sha256">${"cd".repeat(32)}</open-checksum>`,
      `<location href="repodata/${hash}-primary.xml.gz"/>`,
      "</data>",
    ];
    expect(namedMetadata(record.join("\n"))).to.deep.equal([
      { name: `${hash}-primary.xml.gz`, hash, openHash: "cd".repeat(32) },
    ]);
  });
});

describe("docs/install.md", () => {
  const text = readFileSync(new URL("../../../docs/install.md", import.meta.url), "utf8");
  const blocks = (kind: string) =>
    [...text.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, "gms"))].map(
      ([, block = ""]) => block,
    );

  it("gives cloud-init the same repositories that hosts copy", () => {
    const [debian, rpm] = blocks("yaml").map((block) => parse(block));
    const files = clientFiles("https://packages.example.com/");
    const listed = files["s3-offload-agent.list"]?.replace(
      /signed-by=\S+\]/,
      "signed-by=$KEY_FILE]",
    );
    expect(`${debian.apt.sources["s3-offload-agent"].source}\n`).to.equal(listed);
    const lines = Object.entries(rpm.yum_repos["s3-offload-agent"]).map(
      ([name, value]) => `${name}=${value === true ? 1 : value}`,
    );
    const repo = files["s3-offload-agent.repo"]?.trim().split("\n").slice(1);
    expect(lines).to.have.members(repo ?? []);
    for (const one of [debian, rpm]) {
      expect(one.packages).to.deep.equal(["s3-offload-agent"]);
      expect(parse(one.write_files[0].content)).to.include({ fleet: "web" });
    }
  });

  it("has JSON that can be read", () => {
    const inShell = [...text.matchAll(/<<'END'\n(.*?)\nEND$/gms)].map(([, block = ""]) => block);
    const all = [...blocks("json"), ...inShell];
    expect(all).to.have.length(2);
    for (const block of all) JSON.parse(block);
  });
});
