import { execFileSync } from "node:child_process";
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtempDisposable,
  realpath,
  rename,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { isRootOr, notRun } from "../../support/not-run.ts";

const MODULE = import.meta.resolve("../../../src/config/bootstrap-file.ts");
const NOBODY = 65_534;
const SYSTEMD = { INVOCATION_ID: "0123456789abcdef0123456789abcdef" };

/** `BASE/etc/agent/agent.yaml`, whose folders are root's alone, and a folder beside it. */
async function makePlace() {
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-offload-guard-"));
  const base = await realpath(temporary.path);
  await chmod(base, 0o755);
  await mkdir(join(base, "etc/agent"), { recursive: true });
  await mkdir(join(base, "other"));
  const file = join(base, "etc/agent/agent.yaml");
  await writeFile(file, "fleet: web\n");
  await chmod(file, 0o644);
  return { base, file, [Symbol.asyncDispose]: () => temporary.remove() };
}

/** Reads the file in a process of its own: what it read, or the refusal with its way out. */
function read(
  file: string,
  { uid = process.geteuid?.() ?? 0, env = {} as Record<string, string> } = {},
): string {
  const script = `
    import { readBootstrapFile } from ${JSON.stringify(MODULE)};
    if (${uid} !== process.geteuid()) {
      process.setgroups([]);
      process.setgid(${uid});
      process.setuid(${uid});
    }
    try {
      const text = readBootstrapFile(process.argv[1], { isRequired: true, env: process.env });
      process.stdout.write(text);
    } catch (error) {
      process.stdout.write(error.exitCode + " " + error.message + " | " + error.hint);
    }`;
  const node = ["--input-type=module", "-e", script, file];
  return execFileSync(process.execPath, node, { env, encoding: "utf8" });
}

/** As `setfacl -m u:nobody:rw` does: entries of tag, permission and id behind a version. */
const OPEN_TO_NOBODY = `
import os, struct, sys
none = 0xffffffff
entries = [(1, 6, none), (2, 6, ${NOBODY}), (4, 4, none), (16, 6, none), (32, 4, none)]
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr(sys.argv[1], "system.posix_acl_access", acl)`;

type Place = Awaited<ReturnType<typeof makePlace>>;

interface Row {
  readonly what: string;
  /** Answers the path to read; undefined: the file's own. */
  readonly prepare: (place: Place) => Promise<string | undefined>;
  /** What the refusal must name, with PATH for the base; none: it is read. */
  readonly says: readonly string[];
}

const row = (
  what: string,
  prepare: (place: Place) => Promise<unknown>,
  ...says: readonly string[]
): Row => ({
  what,
  says,
  async prepare(place) {
    const path = await prepare(place);
    return typeof path === "string" ? path : undefined;
  },
});

/** A link `BASE/other/link` to the file, in a folder that is root's alone. */
async function linkTo({ base, file }: Place): Promise<string> {
  const path = join(base, "other/link");
  await symlink(file, path);
  return path;
}

const ROWS: readonly Row[] = [
  row("is root's alone", async () => undefined),
  row("lies below a sticky folder", ({ base }) => chmod(join(base, "etc"), 0o1777)),
  row("is reached through a link of root's", linkTo),
  row(
    "is writable by its group",
    ({ file }) => chmod(file, 0o664),
    "it is writable by its group 0",
    "mode 0664",
    "chmod g-w BASE/etc/agent/agent.yaml",
    "getfacl",
  ),
  row(
    "is writable by everybody",
    ({ file }) => chmod(file, 0o646),
    "it is writable by everybody (mode 0646)",
    "chmod o-w BASE/etc/agent/agent.yaml",
  ),
  row(
    "belongs to somebody",
    ({ file }) => chown(file, NOBODY, 0),
    `it belongs to user ${NOBODY}`,
    "chown root: BASE/etc/agent/agent.yaml",
  ),
  row(
    "lies in a folder writable by its group",
    ({ base }) => chmod(join(base, "etc/agent"), 0o775),
    "the folder BASE/etc/agent on the way to it is writable by its group",
    "mode 0775",
    "chmod g-w BASE/etc/agent (",
  ),
  row(
    "lies two folders below one writable by everybody",
    ({ base }) => chmod(join(base, "etc"), 0o777),
    "the folder BASE/etc on the way",
    "chmod g-w BASE/etc (",
  ),
  row(
    "lies in a folder of somebody's",
    ({ base }) => chown(join(base, "etc/agent"), NOBODY, 0),
    `the folder BASE/etc/agent on the way to it belongs to user ${NOBODY}`,
    "chown root: BASE/etc/agent,",
  ),
  row(
    "lies below somebody's sticky folder",
    async ({ base }) => {
      await chown(join(base, "etc"), NOBODY, 0);
      await chmod(join(base, "etc"), 0o1777);
    },
    `the folder BASE/etc on the way to it belongs to user ${NOBODY}`,
  ),
  row(
    "is reached through a link in a folder that others write to",
    async (place) => {
      await chmod(join(place.base, "other"), 0o777);
      return await linkTo(place);
    },
    "the folder BASE/other on the way",
  ),
  row(
    "is reached through somebody's link in a sticky folder",
    async (place) => {
      await chmod(join(place.base, "other"), 0o1777);
      const path = await linkTo(place);
      await lchown(path, NOBODY, NOBODY);
      return path;
    },
    `the link BASE/other/link on the way to it belongs to user ${NOBODY}`,
    "chown -h root: BASE/other/link",
  ),
  row(
    "is reached through a linked folder above which others write",
    async ({ base }) => {
      await mkdir(join(base, "open"));
      await rename(join(base, "etc/agent"), join(base, "open/agent"));
      await chmod(join(base, "open"), 0o777);
      await symlink("../open/agent", join(base, "etc/agent"));
    },
    "the folder BASE/open on the way",
  ),
  row(
    "has a name that a shell would take apart",
    async ({ base, file }) => {
      const path = join(base, "etc/agent/a b.yaml");
      await rename(file, path);
      await chmod(path, 0o646);
      return path;
    },
    "chmod o-w 'BASE/etc/agent/a b.yaml'",
  ),
];

describe("the bootstrap file, read as root", () => {
  for (const { what, prepare, says } of ROWS) {
    const isRead = says.length === 0;
    it(`that ${what} is ${isRead ? "read" : "refused, by name and with the way out"}`, async () => {
      if (!isRootOr(what)) return;
      await using place = await makePlace();
      const path = (await prepare(place)) ?? place.file;
      const answer = read(path);
      if (isRead) expect(answer).to.equal("fleet: web\n");
      else expect(answer).to.match(/^2 The bootstrap file .* is refused, since others could/);
      for (const text of says) expect(answer).to.include(text.replaceAll("BASE", place.base));
    });
  }

  it("that an access control list opens to one user is refused", async () => {
    if (!isRootOr("an access control list")) return;
    await using place = await makePlace();
    try {
      execFileSync("python3", ["-c", OPEN_TO_NOBODY, place.file], { stdio: "pipe" });
    } catch (error) {
      return notRun(`an access control list: ${error}`);
    }
    expect(read(place.file)).to.match(/^2 .*writable by its group 0, or by users of its access/);
  });

  it("is not written to between the check and the reading: what was opened counts", async () => {
    if (!isRootOr("a file that is replaced")) return;
    await using place = await makePlace();
    await writeFile(join(place.base, "evil.yaml"), "fleet: evil\n");
    const script = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      const { fstatSync } = fs;
      fs.fstatSync = (fd) => {
        fs.renameSync(${JSON.stringify(join(place.base, "evil.yaml"))}, ${JSON.stringify(place.file)});
        return fstatSync(fd);
      };
      syncBuiltinESMExports();
      const { readBootstrapFile } = await import(${JSON.stringify(MODULE)});
      try {
        process.stdout.write(readBootstrapFile(process.argv[1], { isRequired: true, env: {} }));
      } catch (error) {
        process.stdout.write(error.exitCode + " " + error.message);
      }`;
    const node = ["--input-type=module", "-e", script, place.file];
    const answer = execFileSync(process.execPath, node, { encoding: "utf8" });
    expect(answer).to.equal(`2 The bootstrap file ${place.file} was replaced while it was read.`);
  });
});

describe("the bootstrap file, read by another user", () => {
  it("may be root's or the user's own when systemd starts the agent, but nobody else's", async () => {
    if (!isRootOr("the agent's own file")) return;
    await using place = await makePlace();
    const asUser = { uid: NOBODY, env: SYSTEMD };
    expect(read(place.file, asUser)).to.equal("fleet: web\n");
    await chown(place.file, NOBODY, 0);
    expect(read(place.file, asUser)).to.equal("fleet: web\n");
    await chown(join(place.base, "etc/agent"), NOBODY, 0);
    expect(read(place.file, asUser)).to.equal("fleet: web\n");
    await chown(place.file, 1, 0);
    expect(read(place.file, asUser)).to.include("it belongs to user 1");
  });

  it("is guarded when systemd starts the agent, and not at that user's terminal", async () => {
    if (!isRootOr("a user's terminal")) return;
    await using place = await makePlace();
    await chmod(place.file, 0o666);
    expect(read(place.file, { uid: NOBODY, env: SYSTEMD })).to.include("is refused");
    expect(read(place.file, { uid: NOBODY })).to.equal("fleet: web\n");
    expect(read(place.file, { uid: NOBODY, env: { INVOCATION_ID: "" } })).to.include("fleet: web");
  });
});

describe("the bootstrap file", () => {
  const strange: readonly (readonly [string, (path: string) => Promise<unknown>, string])[] = [
    ["a folder", mkdir, "it is not a regular file"],
    ["a FIFO", async (path) => execFileSync("mkfifo", [path]), "it is not a regular file"],
    ["a device", (path) => symlink("/dev/zero", path), "it is not a regular file"],
    ["absent", async () => undefined, "ENOENT"],
    ["a loop", (path) => symlink(path, path), "ELOOP"],
    ["too large", (path) => writeFile(path, "#".repeat(65_537)), "it is larger than 65536 bytes"],
    ["no text", (path) => writeFile(path, Buffer.of(0x66, 0xff)), "it is not UTF-8 text"],
  ];
  for (const [what, make, says] of strange) {
    it(`that is ${what} is not waited for: exit code 2`, async () => {
      await using place = await makePlace();
      const path = join(place.base, "strange");
      await make(path);
      const answer = read(path);
      expect(answer).to.match(/^2 /);
      expect(answer).to.include(`${path} cannot be read: ${says}`).and.include("--config FILE");
    });
  }

  it("of the greatest size is read whole", async () => {
    await using place = await makePlace();
    const text = "#".repeat(65_536);
    await writeFile(place.file, text);
    expect(read(place.file)).to.equal(text);
  });
});
