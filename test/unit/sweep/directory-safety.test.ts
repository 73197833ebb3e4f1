import { constants } from "node:fs";
import { mkdir, mkdtempDisposable, open, rename, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Directories, Directory } from "../../../src/sweep/directory.ts";

async function makePlace() {
  const folder = await mkdtempDisposable(join(tmpdir(), "s3oa-directory-"));
  const path = folder.path;
  await mkdir(join(path, "d"));
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  const root = await Directory.ofRoot(handle);
  return {
    path,
    root,
    directories: new Directories(root),
    async [Symbol.asyncDispose]() {
      await this.directories[Symbol.asyncDispose]();
      await handle.close();
      await folder.remove();
    },
  };
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
}

describe("a directory below the watched one", () => {
  it("is never opened through a link, nor is anything else opened as one", async () => {
    await using place = await makePlace();
    await symlink("d", join(place.path, "link"));
    await writeFile(join(place.path, "file"), "");
    expect(await codeOf(place.root.openChild(Buffer.from("link")))).to.be.oneOf([
      "ELOOP",
      "ENOTDIR",
    ]);
    expect(await codeOf(place.root.openChild(Buffer.from("file")))).to.equal("ENOTDIR");
  });

  it("is opened anew when another one has its name", async () => {
    await using place = await makePlace();
    const first = await place.directories.open(Buffer.from("d"));
    await rename(join(place.path, "d"), join(place.path, "e"));
    await mkdir(join(place.path, "d"));
    expect(first.isInPlace()).to.equal(false);
    const second = await place.directories.open(Buffer.from("d"));
    const { ino } = await stat(join(place.path, "d"));
    expect((await stat(second.at(Buffer.from(".")))).ino).to.equal(ino);
    await first.release();
    await second.release();
  });
});
