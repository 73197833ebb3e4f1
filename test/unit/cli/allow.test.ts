import { chmod, chown, lchown, link, lstat, readFile, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import type { AllowOptions } from "../../../src/cli/allow.ts";
import { AgentError } from "../../../src/lib/errors.ts";
import { AllowPlace } from "../../support/allow-place.ts";

const PLAIN = "# mine\nfleet: web # ours\nallowedRoots:\n  - /var/spool/s3-offload\n";
const SPOOL = 'BindPaths="-/var/spool/s3-offload"';
const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

async function refusal(attempt: Promise<unknown>): Promise<AgentError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("allow", () => {
  it("puts a directory on the file's list and into the unit's drop-in, and tells systemd", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    const data = await place.folder("data");
    const done = await place.allow(["data"]);
    expect(done.exitCode).to.equal(0);
    expect(await place.text()).to.equal(`${PLAIN}  - ${data}\n`);
    expect(await place.binds()).to.deep.equal([SPOOL, `BindPaths="-${data}"`]);
    expect(await place.told()).to.deep.equal([
      "daemon-reload",
      "is-active --quiet s3-offload-agent.service",
    ]);
    expect(done.stdout).to.match(/systemctl restart s3-offload-agent/);
  });

  it("changes nothing and tells systemd nothing the second time", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    const data = await place.folder("data");
    await place.allow([data]);
    const [text, told] = [await place.text(), await place.told()];
    const before = await stat(place.file, { bigint: true });
    const done = await place.allow([data]);
    expect(done.stdout).to.match(/is allowed already/);
    expect(await place.text()).to.equal(text);
    expect((await stat(place.file, { bigint: true })).ino).to.equal(before.ino);
    expect(await place.told()).to.deep.equal(told);
  });

  it("does not ask for a restart of an agent that does not run", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    await place.systemctl('[ "$1" != is-active ]');
    const done = await place.allow([await place.folder("data")]);
    expect(done.stdout).not.to.match(/restart/);
  });

  it("takes a directory away the same way", async () => {
    await using place = await AllowPlace.make(PLAIN);
    const data = await place.folder("data");
    await place.allow([data]);
    await place.allow([data], { remove: true });
    expect(await place.text()).to.equal(PLAIN);
    expect(await place.binds()).to.deep.equal([SPOOL]);
    const again = await place.allow([data], { remove: true });
    expect(again.exitCode).to.equal(0);
    expect(again.stdout).to.match(/is not on the list/);
  });

  it("takes no root away without which there would be none", async () => {
    await using place = await AllowPlace.make(PLAIN);
    const error = await refusal(place.allow(["/var/spool/s3-offload"], { remove: true }));
    expect(error.exitCode).to.equal(2);
    expect(error.message).to.match(/No allowed root would be left/);
    expect(await place.text()).to.equal(PLAIN);
    expect(await place.binds()).to.equal(undefined);
  });

  it("says what a directory below another root stays allowed by", async () => {
    await using place = await AllowPlace.make("fleet: web\n");
    const inner = await place.folder("data/inner");
    await place.allow([inner]);
    await place.allow([place.at("data")]);
    const done = await place.allow([inner], { remove: true });
    expect(done.stdout).to.match(/stays allowed: it lies below .*\/data\./);
    expect((await place.allow([inner])).stdout).to.match(/allowed already: it lies below/);
  });

  it("keeps the default root when the file has no list yet", async () => {
    await using place = await AllowPlace.make("fleet: web\n");
    const data = await place.folder("data");
    await place.allow([data]);
    expect(await place.text()).to.equal(
      `fleet: web\nallowedRoots:\n  - /var/spool/s3-offload\n  - ${data}\n`,
    );
  });

  it("keeps the file's mode and owner, and a link to it", async () => {
    await using place = await AllowPlace.make();
    await place.write("elsewhere/real.yaml", PLAIN);
    await symlink(place.at("elsewhere/real.yaml"), place.file);
    await chmod(place.at("elsewhere/real.yaml"), 0o640);
    const group = isRoot ? 5 : (process.getgid?.() ?? 0);
    await chown(place.at("elsewhere/real.yaml"), process.geteuid?.() ?? 0, group);
    await place.allow([await place.folder("data")]);
    expect((await lstat(place.file)).isSymbolicLink()).to.equal(true);
    const after = await stat(place.at("elsewhere/real.yaml"));
    expect([after.mode & 0o7777, after.gid]).to.deep.equal([0o640, group]);
    expect((await stat(place.dropInFile)).mode & 0o7777).to.equal(0o644);
  });

  it("makes a missing directory only if it is asked to, and says that it is missing", async () => {
    await using place = await AllowPlace.make(PLAIN);
    const done = await place.allow(["later"]);
    expect(done.stdout).to.match(/later is not there: make it/);
    expect(await stat(place.at("later")).catch(() => "none")).to.equal("none");
    expect(await place.binds()).to.deep.equal([SPOOL, `BindPaths="-${place.at("later")}"`]);
    await place.allow(["other/deep"], { make: true });
    expect((await stat(place.at("other/deep"))).isDirectory()).to.equal(true);
  });

  it("binds a root where it really is", async function () {
    if (!isRoot) this.skip();
    await using place = await AllowPlace.make(PLAIN);
    const real = await place.folder("real");
    await symlink(real, place.at("linked"));
    await place.allow(["linked/in"]);
    expect(await place.text()).to.contain(`  - ${place.at("linked/in")}\n`);
    expect(await place.binds()).to.deep.equal([SPOOL, `BindPaths="-${real}/in"`]);
  });

  it("gives the unit a credentials file's folder in root's home, made before the file is", async () => {
    await using place = await AllowPlace.make(`${PLAIN}credentials: ssm-hybrid\n`);
    await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL]);
    await place.folder("root");
    await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL, 'BindReadOnlyPaths="-/root/.aws"']);
    expect((await stat(place.at("root/.aws"))).mode & 0o777).to.equal(0o700);
  });

  it("makes no folder in anybody's home, and gives the unit the one that is there", async () => {
    await using place = await AllowPlace.make(
      `${PLAIN}credentials: shared-file:/home/ada/keys/credentials\n`,
    );
    await place.folder("home/ada");
    await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL]);
    await place.folder("home/ada/keys");
    await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL, 'BindReadOnlyPaths="-/home/ada/keys"']);
  });

  it("gives the unit no home directory as a whole", async () => {
    await using place = await AllowPlace.make(`${PLAIN}credentials: shared-file:/root/keys\n`);
    await place.folder("root");
    const done = await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL]);
    expect(done.stdout).to.match(/folder of its own/);
  });

  it("writes file and drop-in where systemd does not run, and says so", async () => {
    await using place = await AllowPlace.make(PLAIN);
    const done = await place.allow([await place.folder("data")]);
    expect(done.stdout).to.match(/systemd does not run here, nothing was reloaded/);
    expect(await place.binds()).to.have.length(2);
    expect(await place.told()).to.deep.equal([]);
  });

  it("says when systemd could not be told, and what is left to do", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    await place.systemctl("exit 1");
    const error = await refusal(place.allow([await place.folder("data")]));
    expect(error.exitCode).to.equal(1);
    expect(error.hint).to.match(/systemctl daemon-reload/);
    expect(await place.binds()).to.have.length(2);
  });

  it("says what it did as JSON", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    const data = await place.folder("data");
    const done = await place.allow([data], { json: true });
    expect(JSON.parse(done.stdout)).to.deep.equal({
      bootstrapFile: place.file,
      added: [data],
      removed: [],
      made: [],
      dropIn: place.dropInFile,
      isDropInChanged: true,
      isReloaded: true,
      isRestartNeeded: true,
      notes: [],
    });
  });

  it("says that a variable stands for the file's list, wherever it is set", async () => {
    await using place = await AllowPlace.make(PLAIN);
    const [data, other] = [await place.folder("data"), await place.folder("other")];
    place.setEnv({ S3_OFFLOAD_ALLOWED_ROOTS: other });
    const done = await place.allow([data]);
    expect(done.stdout).to.match(
      /has no effect: S3_OFFLOAD_ALLOWED_ROOTS is set in the environment/,
    );
    expect(await place.text()).to.contain(data);
    expect(await place.binds()).to.deep.equal([`BindPaths="-${other}"`]);

    place.setEnv({});
    await place.write("etc/default/s3-offload-agent", `S3_OFFLOAD_ALLOWED_ROOTS=${other}\n`);
    const more = await place.allow([await place.folder("more")]);
    expect(more.stdout).to.match(/is set in \/etc\/default\/s3-offload-agent/);
    // Its own start has the variable, and writes what it says.
    expect(await place.binds()).to.deep.equal([`BindPaths="-${other}"`]);
  });

  it("obeys the bootstrap file with --sync, and says nothing where nothing changes", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.boot();
    await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal([SPOOL]);
    const done = await place.allow([], { sync: true });
    expect([done.exitCode, done.stdout]).to.deep.equal([0, ""]);
    expect(await place.told()).to.deep.equal(["daemon-reload"]);
    expect(await place.text()).to.equal(PLAIN);
  });

  it("leaves out with --sync what a person wrote by hand and no unit should write to", async () => {
    await using place = await AllowPlace.make("allowedRoots: [/, /etc, /srv/x]\n");
    const done = await place.allow([], { sync: true });
    expect(await place.binds()).to.deep.equal(['BindPaths="-/srv/x"']);
    expect(done.stdout.match(/cannot be an allowed root/g)).to.have.length(2);
  });

  describe("refuses, and changes nothing:", () => {
    const cases: readonly [what: string, directory: string, says: RegExp][] = [
      ["the root directory", "/", /is not the agent's business/],
      ["/etc", "/etc", /\/etc is the system's own/],
      ["a folder of /usr", "/usr/local/x", /\/usr is the system's own/],
      ["/proc", "/proc/sys", /\/proc is the system's own/],
      ["/sys", "/sys", /\/sys is the system's own/],
      ["/dev", "/dev/x", /\/dev is the system's own/],
      ["/run", "/run", /is not the agent's business/],
      ["the unit's own runtime directory", "/run/s3-offload-agent", /the system's own/],
      ["/boot", "/boot", /\/boot is the system's own/],
      ["/bin", "/bin", /\/bin is the system's own/],
      ["/var/lib", "/var/lib", /is not the agent's business/],
      ["what leads there by dots", "data/../../../etc", /\/etc is the system's own/],
      ["the state directory", "state", /keeps its state in/],
      ["a folder of the state directory", "state/x", /keeps its state in/],
      ["what holds the state directory", ".", /keeps its state in/],
      ["what holds the bootstrap file", "etc", /the bootstrap file .* is in it/],
      ["a file", "file", /it is not a directory/],
      ["a name of control characters", "da\nta", /control characters/],
      ["a name that is not UTF-8", "da\ufffdta", /not UTF-8/],
      ["what lies in a file", "file/x", /cannot be looked at/],
    ];
    for (const [what, directory, says] of cases) {
      it(what, async () => {
        await using place = await AllowPlace.make();
        const text = `${PLAIN}stateDirectory: ${place.at("state")}\n`;
        await place.write("etc/agent.yaml", text);
        await place.folder("state");
        await place.write("file", "x");
        const good = await place.folder("good");
        const error = await refusal(place.allow([good, directory], { make: true }));
        expect(error.exitCode).to.equal(2);
        expect(error.message).to.match(says);
        expect(error.hint).to.have.length.above(10);
        expect(await place.text()).to.equal(text);
        expect(await place.binds()).to.equal(undefined);
      });
    }

    it("what is reached through another user's link", async function () {
      if (!isRoot) this.skip();
      await using place = await AllowPlace.make(PLAIN);
      await symlink(await place.folder("real"), place.at("theirs"));
      await lchown(place.at("theirs"), NOBODY, NOBODY);
      const error = await refusal(place.allow(["theirs"]));
      expect(error.message).to.match(/through the link .*theirs, which user 65534 can lead/);
      expect(await place.text()).to.equal(PLAIN);
    });

    it("who is not root", async () => {
      await using place = await AllowPlace.make(PLAIN);
      const error = await refusal(place.allow(["data"], {}, 1_000));
      expect([error.exitCode, error.hint]).to.deep.equal([2, "sudo s3-offload-agent allow data"]);
      expect(await place.text()).to.equal(PLAIN);
    });

    for (const [what, text, says] of [
      ["a file that is not YAML", "fleet: [web\n", /not valid YAML at line/],
      ["a file with an unknown key", "flet: web\n", /unknown key/],
      ["a file whose list is empty", "allowedRoots: []\n", /allowedRoots must be a list/],
    ] as const) {
      it(what, async () => {
        await using place = await AllowPlace.make(text);
        for (const options of [{}, { sync: true }]) {
          const directories = "sync" in options ? [] : [await place.folder("data")];
          const error = await refusal(place.allow(directories, options));
          expect(error.exitCode).to.equal(2);
          expect(error.message).to.match(says);
        }
        expect(await place.text()).to.equal(text);
        expect(await place.binds()).to.equal(undefined);
      });
    }

    for (const [what, directories, options] of [
      ["no directory", [], {}],
      ["no directory to remove", [], { remove: true }],
      ["--sync with a directory", ["data"], { sync: true }],
      ["--sync with --make", [], { sync: true, make: true }],
      ["--remove with --make", ["data"], { remove: true, make: true }],
    ] as const satisfies readonly (readonly [string, readonly string[], AllowOptions])[]) {
      it(what, async () => {
        await using place = await AllowPlace.make(PLAIN);
        expect((await refusal(place.allow(directories, options))).exitCode).to.equal(2);
        expect(await place.text()).to.equal(PLAIN);
      });
    }
  });

  it("writes a drop-in anew that somebody has changed or linked elsewhere", async () => {
    await using place = await AllowPlace.make(PLAIN);
    await place.allow([], { sync: true });
    const good = await readFile(place.dropInFile, "utf8");
    await place.write("victim", "theirs");
    await rm(place.dropInFile);
    await link(place.at("victim"), place.dropInFile);
    await place.allow([], { sync: true });
    expect(await readFile(place.dropInFile, "utf8")).to.equal(good);
    expect(await readFile(join(place.path, "victim"), "utf8")).to.equal("theirs");
  });
});
