import { execFileSync } from "node:child_process";
import { renameSync, symlinkSync } from "node:fs";
import {
  lchown,
  mkdir,
  mkdtempDisposable,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect } from "chai";
import { AgentError } from "../../../src/lib/errors.ts";
import { isBelow, openWatchedDirectory } from "../../../src/sweep/watched-directory.ts";
import { isRootOr } from "../../support/not-run.ts";

/** `spool/in` and `other`, with links from each place to the other. */
async function makePlace() {
  const base = await mkdtempDisposable(`${tmpdir()}/s3oa-watched-`);
  const path = await realpath(base.path);
  await mkdir(`${path}/spool/in`, { recursive: true });
  await mkdir(`${path}/spool-2`);
  await mkdir(`${path}/other`);
  await writeFile(`${path}/spool/file`, "");
  await symlink(`${path}/spool`, `${path}/link-to-spool`);
  await symlink(`${path}/other`, `${path}/spool/link-to-other`);
  return { path, [Symbol.asyncDispose]: () => base.remove() };
}

async function openAt(
  workingDirectory: string,
  directory: string,
  allowedRoots: readonly string[],
  isReadOnly = false,
) {
  const stateDirectory = "state";
  return await openWatchedDirectory({
    directory,
    allowedRoots,
    workingDirectory,
    stateDirectory,
    isReadOnly,
  });
}

async function failureOf(opening: Promise<AsyncDisposable>): Promise<AgentError> {
  try {
    await (await opening)[Symbol.asyncDispose]();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("it was opened");
}

describe("openWatchedDirectory", () => {
  const spellings = [
    "spool/in",
    "./spool/in",
    "spool//in/",
    "other/../spool/in",
    "link-to-spool/in",
    "spool/in/.",
    "BASE/spool/in",
    "BASE//spool/./in",
  ];
  for (const spelling of spellings) {
    it(`${spelling} is spool/in`, async () => {
      await using place = await makePlace();
      const asked = spelling.replace("BASE", place.path);
      await using directory = await openAt(place.path, asked, ["spool"]);
      expect(directory.path).to.equal(`${place.path}/spool/in`);
    });
  }

  const allowed: readonly (readonly [string, readonly string[]])[] = [
    ["spool/in", ["spool/in"]],
    ["spool", ["BASE"]],
    ["spool", ["nowhere", "spool"]],
    ["spool/in", ["link-to-spool"]],
    ["link-to-spool/in", ["link-to-spool"]],
    ["spool/link-to-other", ["other"]],
    ["spool", ["/"]],
    ["spool", ["spool/"]],
    ["spool/in/", ["./spool//"]],
    ["spool/in", ["spool/in/.."]],
    ["spool/link-to-other", ["spool/../link-to-spool/link-to-other"]],
  ];
  for (const [asked, roots] of allowed) {
    it(`${asked} is allowed by ${roots}`, async () => {
      await using place = await makePlace();
      const allowedRoots = roots.map((root) => root.replace("BASE", place.path));
      await using directory = await openAt(place.path, asked, allowedRoots);
      expect(directory.path).to.match(/^\//);
    });
  }

  const outside: readonly (readonly [string, readonly string[]])[] = [
    ["other", ["spool"]],
    ["spool", ["spool/in"]],
    ["spool-2", ["spool"]],
    ["spool/../other", ["spool"]],
    ["spool/link-to-other", ["spool"]],
    ["spool", []],
    ["spool", ["nowhere"]],
    ["spool", ["spool/file"]],
    ["spool/in/../../other", ["spool"]],
    ["link-to-spool/link-to-other", ["link-to-spool"]],
    ["other", ["spool/in/../in"]],
    ["spool-2", ["spool/", "spool/."]],
    ["spool", ["spool\0"]],
  ];
  for (const [asked, roots] of outside) {
    it(`${asked} is outside of ${roots.join() || "nothing"}`, async () => {
      await using place = await makePlace();
      const error = await failureOf(openAt(place.path, asked, roots));
      expect(error.exitCode).to.equal(2);
      expect(error.message).to.match(/is outside the allowed roots/);
      expect(error.hint).to.match(/allowedRoots/);
    });
  }

  it("is resolved on both sides: a link in the middle of either counts as what it leads to", async () => {
    await using place = await makePlace();
    await mkdir(`${place.path}/other/in`);
    await symlink("../other", `${place.path}/spool/up`);
    const error = await failureOf(openAt(place.path, "spool/up/in", ["spool"]));
    expect(error.message).to.include(`spool/up/in (which is ${place.path}/other/in) is outside`);
    await using inside = await openAt(place.path, "spool/up/in", ["spool/up"]);
    expect(inside.path).to.equal(`${place.path}/other/in`);
  });

  it("has no root that somebody's link stands for: it could lead anywhere", async () => {
    if (!isRootOr("somebody's link")) return;
    await using place = await makePlace();
    const link = `${place.path}/link-to-spool`;
    await lchown(link, 65_534, 65_534);
    for (const root of ["link-to-spool", "link-to-spool/in"]) {
      const error = await failureOf(openAt(place.path, "spool/in", [root]));
      expect(error.exitCode).to.equal(2);
      expect(error.message).to.include(`through the link ${link}, which user 65534`);
      expect(error.hint).to.include(`chown -h root: ${link}`);
    }
    // On the directory's own side it widens nothing.
    await using directory = await openAt(place.path, "link-to-spool/in", ["spool"]);
    expect(directory.path).to.equal(`${place.path}/spool/in`);
  });

  it("may be a filesystem mounted below a root, but nothing of it is reached from above", async () => {
    if (!isRootOr("a mount below a root")) return;
    await using place = await makePlace();
    await writeFile(`${place.path}/other/file`, "");
    const script = `
      import { execFileSync } from "node:child_process";
      import { openWatchedDirectory } from ${JSON.stringify(import.meta.resolve("../../../src/sweep/watched-directory.ts"))};
      const base = process.argv[1];
      // The very filesystem once more, so that the device numbers are equal.
      execFileSync("mount", ["--bind", base + "/other", base + "/spool/in"]);
      const common = { allowedRoots: [base + "/spool"], workingDirectory: "/", isReadOnly: false };
      const mounted = await openWatchedDirectory({ ...common, directory: base + "/spool/in" });
      const above = await openWatchedDirectory({ ...common, directory: base + "/spool" });
      const said = await above.root.openChild(Buffer.from("in")).catch((error) => error.constructor.name);
      process.stdout.write(JSON.stringify([mounted.path, said]));`;
    const node = [process.execPath, "--input-type=module", "-e", script, place.path];
    const said = execFileSync("unshare", ["--mount", ...node], { encoding: "utf8" });
    expect(JSON.parse(said)).to.deep.equal([`${place.path}/spool/in`, "OtherMountError"]);
  });

  it("tells where a link leads", async () => {
    await using place = await makePlace();
    const error = await failureOf(openAt(place.path, "spool/link-to-other", ["spool"]));
    expect(error.message).to.include(
      `${place.path}/spool/link-to-other (which is ${place.path}/other)`,
    );
  });

  it("absent, a file, below a file, a loop: exit code 2 and the path", async () => {
    await using place = await makePlace();
    await symlink("loop", `${place.path}/loop`);
    const table: readonly (readonly [string, RegExp])[] = [
      ["spool/gone", /spool\/gone does not exist/],
      ["spool/file", /spool\/file is not a directory/],
      ["spool/file/x", /spool\/file\/x cannot be used: ENOTDIR/],
      ["loop", /loop cannot be used: ELOOP/],
    ];
    for (const [asked, message] of table) {
      const error = await failureOf(openAt(place.path, asked, ["/"]));
      expect(error.exitCode, asked).to.equal(2);
      expect(error.message).to.match(message);
      expect(error.hint).not.to.equal("");
    }
  });

  it("is held by one at a time (exit code 4), and free again after", async () => {
    await using place = await makePlace();
    {
      await using _held = await openAt(place.path, "spool", ["spool"]);
      const error = await failureOf(openAt(place.path, "link-to-spool", ["spool"]));
      expect(error.exitCode).to.equal(4);
      expect(error.message).to.equal(
        `Another agent holds the watched directory ${place.path}/spool.`,
      );
      await using looking = await openAt(place.path, "spool", ["spool"], true);
      expect(looking.path).to.equal(`${place.path}/spool`);
      await using beside = await openAt(place.path, "other", ["other"]);
      expect(beside.path).to.equal(`${place.path}/other`);
    }
    await using again = await openAt(place.path, "spool", ["spool"]);
    expect(again.path).to.equal(`${place.path}/spool`);
  });

  it("who only looks keeps nobody out", async () => {
    await using place = await makePlace();
    await using _looking = await openAt(place.path, "spool", ["spool"], true);
    await using held = await openAt(place.path, "spool", ["spool"]);
    expect(held.path).to.equal(`${place.path}/spool`);
  });

  it("holds the directory, not its name", async () => {
    await using place = await makePlace();
    await using _held = await openAt(place.path, "spool", ["spool"]);
    await rename(`${place.path}/spool`, `${place.path}/moved`);
    const error = await failureOf(openAt(place.path, "moved", ["moved"]));
    expect(error.exitCode).to.equal(4);
  });

  for (const directory of ["state", "state/uploads", ".", "link-to-state"]) {
    it(`is not opened in or around the state directory: ${directory}`, async () => {
      await using place = await makePlace();
      await mkdir(`${place.path}/state/uploads`, { recursive: true });
      await symlink(`${place.path}/state`, `${place.path}/link-to-state`);
      const error = await failureOf(openAt(place.path, directory, [place.path]));
      expect(error.message).to.match(/state directory .* lie in one another/);
      expect(error.exitCode).to.equal(2);
    });
  }

  it("is opened beside the state directory, however alike the names are", async () => {
    await using place = await makePlace();
    await mkdir(`${place.path}/state`);
    await mkdir(`${place.path}/state-of-things`);
    await using directory = await openAt(place.path, "state-of-things", [place.path]);
    expect(directory.path).to.equal(`${place.path}/state-of-things`);
  });

  it("is not opened if a folder above it is swapped for a link after it was allowed", async () => {
    await using place = await makePlace();
    await mkdir(`${place.path}/other/in`);
    const error = await failureOf(
      openWatchedDirectory({
        directory: "spool/in",
        workingDirectory: place.path,
        stateDirectory: undefined,
        isReadOnly: false,
        get allowedRoots() {
          renameSync(`${place.path}/spool`, `${place.path}/moved`);
          symlinkSync(`${place.path}/other`, `${place.path}/spool`);
          return ["/"];
        },
      }),
    );
    expect(error.exitCode).to.equal(2);
    expect(error.message).to.contain("is not a directory");
  });

  it("must be writable, unless it is only to be read", async () => {
    await using place = await makePlace();
    const directory = `${place.path}/spool`;
    const inChild = (isReadOnly: boolean) => {
      const script = `
        import { openWatchedDirectory } from ${JSON.stringify(import.meta.resolve("../../../src/sweep/watched-directory.ts"))};
        process.umask(0o022);
        if (process.getuid() === 0) process.setuid(65534);
        const options = { directory: ${JSON.stringify(directory)}, allowedRoots: ["/"], workingDirectory: "/", isReadOnly: ${isReadOnly} };
        await openWatchedDirectory(options).then(
          () => process.stdout.write("opened"),
          (error) => process.stdout.write(error.exitCode + " " + error.message),
        );`;
      return execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        encoding: "utf8",
      });
    };
    execFileSync("chmod", ["755", place.path]);
    execFileSync("chmod", ["555", directory]);
    expect(inChild(true)).to.equal("opened");
    expect(inChild(false)).to.equal(`2 The watched directory ${directory} cannot be used: EACCES.`);
    execFileSync("chmod", ["755", directory]);
  });
});

describe("a watched directory that is open", () => {
  it("is current while its path leads to it, whatever happens in it", async () => {
    await using place = await makePlace();
    await using directory = await openAt(place.path, "spool", ["spool"]);
    expect(await directory.isCurrent()).to.equal(true);
    await writeFile(`${place.path}/spool/new`, "");
    await rm(`${place.path}/spool/in`, { recursive: true });
    expect(await directory.isCurrent()).to.equal(true);
  });

  it("is not current once it was moved away, replaced or removed; put back it is again", async () => {
    await using place = await makePlace();
    const [spool, moved] = [`${place.path}/spool`, `${place.path}/moved`];
    await using directory = await openAt(place.path, "spool", ["spool"]);
    await rename(spool, moved);
    expect(await directory.isCurrent()).to.equal(false);
    await mkdir(spool);
    expect(await directory.isCurrent()).to.equal(false);
    await rm(spool, { recursive: true });
    await writeFile(spool, "");
    expect(await directory.isCurrent()).to.equal(false);
    await rm(spool);
    await rename(moved, spool);
    expect(await directory.isCurrent()).to.equal(true);
    await rm(spool, { recursive: true });
    expect(await directory.isCurrent()).to.equal(false);
  });

  it("is not current while another one above it leads elsewhere", async () => {
    await using place = await makePlace();
    await using directory = await openAt(place.path, "spool/in", ["spool"]);
    await rename(`${place.path}/spool`, `${place.path}/moved`);
    await mkdir(`${place.path}/spool/in`, { recursive: true });
    expect(await directory.isCurrent()).to.equal(false);
  });

  it("is not current once something is mounted over it, and is after that is gone", async () => {
    await using place = await makePlace();
    const script = `
      import { execFileSync } from "node:child_process";
      import { openWatchedDirectory } from ${JSON.stringify(import.meta.resolve("../../../src/sweep/watched-directory.ts"))};
      const directory = process.argv[1];
      // The roots of two such disks have the same inode number.
      execFileSync("mount", ["-t", "tmpfs", "none", directory]);
      const options = { directory, allowedRoots: ["/"], workingDirectory: "/", isReadOnly: false };
      const opened = await openWatchedDirectory(options);
      const said = [await opened.isCurrent()];
      execFileSync("mount", ["-t", "tmpfs", "none", directory]);
      said.push(await opened.isCurrent());
      execFileSync("umount", [directory]);
      said.push(await opened.isCurrent());
      process.stdout.write(JSON.stringify(said));`;
    const node = [process.execPath, "--input-type=module", "-e", script, `${place.path}/spool`];
    const said = execFileSync("unshare", ["--mount", ...node], { encoding: "utf8" });
    expect(JSON.parse(said)).to.deep.equal([true, false, true]);
  });

  it("says what filesystem it lies in", async () => {
    await using memory = await mkdtempDisposable("/dev/shm/s3oa-watched-");
    await using directory = await openAt("/", memory.path, ["/dev/shm"]);
    expect(directory.filesystem).to.deep.equal({ name: "tmpfs", leases: "proof" });
  });
});

describe("isBelow", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["/a/b", "/a/b", true],
    ["/a/b/c", "/a/b", true],
    ["/a/bc", "/a/b", false],
    ["/a", "/a/b", false],
    ["/a", "/", true],
    ["/", "/", true],
    ["/", "/a", false],
  ];
  for (const [path, root, expected] of table) {
    it(`${path} in ${root}: ${expected}`, () => expect(isBelow(path, root)).to.equal(expected));
  }
});
