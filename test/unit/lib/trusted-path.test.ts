import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { exposureOf, walkPath } from "../../../src/lib/trusted-path.ts";
import { isRootOr } from "../../support/not-run.ts";

describe("a walk along a path", () => {
  let base = "";

  beforeEach(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "s3-offload-walk-")));
    mkdirSync(join(base, "a/b"), { recursive: true });
    mkdirSync(join(base, "c"));
    writeFileSync(join(base, "a/b/file"), "");
  });

  afterEach(() => rmSync(base, { recursive: true }));

  const link = (target: string, at: string) => symlinkSync(target, join(base, at));
  /** What was passed below the base, in order. */
  const below = (steps: readonly { readonly path: string }[]) =>
    steps.map(({ path }) => path).filter((path) => path.startsWith(`${base}/`));

  it("passes every folder from the root on", () => {
    const { folders, links, end } = walkPath(join(base, "a/b/file"));
    expect(folders[0]?.path).to.equal("/");
    expect(folders.map(({ path }) => path)).to.include(base);
    expect(below(folders)).to.deep.equal([join(base, "a"), join(base, "a/b")]);
    expect(links).to.deep.equal([]);
    expect(end.path).to.equal(join(base, "a/b/file"));
  });

  const table: readonly (readonly [what: string, target: string, folders: readonly string[]])[] = [
    ["a relative link", "../a/b", ["c", "a"]],
    ["an absolute link", "BASE/a/b", ["c", "a"]],
    ["a link with dots", ".././c/./../a//b/", ["c", "a"]],
  ];
  for (const [what, target, folders] of table) {
    it(`passes the folder of ${what} and those of its target`, () => {
      link(target.replace("BASE", base), "c/link");
      const walk = walkPath(join(base, "c/link"));
      expect(walk.end.path).to.equal(join(base, "a/b"));
      expect(below(walk.folders)).to.deep.equal(folders.map((name) => join(base, name)));
      expect(below(walk.links)).to.deep.equal([join(base, "c/link")]);
      const beyond = walkPath(join(base, "c/link/file"));
      expect(beyond.end.path).to.equal(join(base, "a/b/file"));
      expect(below(beyond.folders)).to.include(join(base, "a/b"));
    });
  }

  it("passes every link of a chain", () => {
    link("c/two", "one");
    link("../three", "c/two");
    link("a", "three");
    const { links, end } = walkPath(join(base, "one/b"));
    expect(below(links)).to.deep.equal(["one", "c/two", "three"].map((name) => join(base, name)));
    expect(end.path).to.equal(join(base, "a/b"));
  });

  it("fails as the kernel does", () => {
    link("loop", "loop");
    link("gone", "dangling");
    const failures = { loop: "ELOOP", dangling: "ENOENT", "a/b/file/x": "ENOTDIR", x: "ENOENT" };
    for (const [path, code] of Object.entries(failures)) {
      expect(() => walkPath(join(base, path)), path)
        .to.throw()
        .with.property("code", code);
      expect(() => realpathSync(join(base, path)), path)
        .to.throw()
        .with.property("code", code);
    }
  });

  const exposures: readonly (readonly [
    kind: "folder" | "file" | "link",
    mode: number,
    exposure: string | undefined,
  ])[] = [
    ["folder", 0o755, undefined],
    ["folder", 0o700, undefined],
    ["folder", 0o775, "group"],
    ["folder", 0o757, "others"],
    ["folder", 0o1777, undefined],
    ["file", 0o644, undefined],
    ["file", 0o664, "group"],
    ["file", 0o646, "others"],
    ["file", 0o1666, "group"],
    ["link", 0, undefined],
  ];
  for (const [kind, mode, exposure] of exposures) {
    it(`finds a ${kind} of mode ${mode.toString(8)} exposed to ${exposure ?? "nobody"}`, () => {
      const path = join(base, "thing");
      if (kind === "link") link("a/b/file", "thing");
      else if (kind === "folder") mkdirSync(path);
      else writeFileSync(path, "");
      if (kind !== "link") chmodSync(path, mode);
      const { links, end } = walkPath(path);
      const step = links[0] ?? end;
      expect(exposureOf(step, new Set([step.stats.uid]))).to.equal(exposure);
      expect(exposureOf(step, new Set([step.stats.uid + 1]))).to.equal("owner");
    });
  }

  it("finds a sticky folder exposed to its owner, and a link to its own", () => {
    if (!isRootOr("somebody's sticky folder")) return;
    const folder = join(base, "sticky");
    mkdirSync(folder);
    chownSync(folder, 65_534, 0);
    chmodSync(folder, 0o1777);
    expect(exposureOf(walkPath(folder).end, new Set([0]))).to.equal("owner");
    link("a", "link");
    lchownSync(join(base, "link"), 65_534, 0);
    const [passed] = walkPath(join(base, "link")).links;
    expect(passed && exposureOf(passed, new Set([0]))).to.equal("owner");
  });
});
