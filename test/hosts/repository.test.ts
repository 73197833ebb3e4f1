import {
  mkdir,
  mkdtempDisposable,
  open,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { OLD_FILES_KEPT_MS } from "../../packaging/repository/retention.ts";
import { runTool, tryTool } from "../../packaging/repository/tool.ts";
import { tryLock } from "../../src/lib/kernel.ts";
import {
  contentsOf,
  copyOf,
  openWorkshop,
  PASSPHRASE,
  readRepository,
  type Workshop,
} from "../support/package-repository.ts";

const ALL_OF = (version: string) =>
  ["aarch64", "amd64", "arm64", "x86_64"].map((one) => `${one} ${version}`);

describe("npm run repository", () => {
  let place: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let shop: Workshop;
  let packages: string;
  /** What these packages were before. */
  let given: Readonly<Record<string, string>>;
  /** A repository with 1.0, signed by the key `old`. */
  let first: string;

  before(async () => {
    place = await mkdtempDisposable(join(tmpdir(), "repository-"));
    shop = await openWorkshop(place.path);
    packages = await shop.packages("1.0");
    given = await contentsOf(packages);
    first = join(place.path, "first");
    const url = "https://packages.example.com/";
    const args = ["--packages", packages, "--out", first, "--key", shop.key("old"), "--url", url];
    const made = await shop.run(args);
    expect(made.status, made.stderr).to.equal(0);
  });
  after(() => place.remove());

  let copies = 0;
  const copy = () => {
    copies += 1;
    return copyOf(first, join(place.path, `copy-${copies}`));
  };
  const keyring = (out: string) => join(out, "s3-offload-agent.gpg");

  it("makes indexes of both architectures, whose every file is there, and signs all", async () => {
    expect(await readRepository(first, keyring(first))).to.deep.equal(ALL_OF("1.0"));
    const sums = await tryTool("gpgv", [
      ...["--keyring", keyring(first), "--output", "-"],
      join(first, "SHA256SUMS.asc"),
    ]);
    expect(sums.status).to.equal(0);
    const names = [...sums.stdout.toString().matchAll(/^[0-9a-f]{64} {2}(.+)$/gm)];
    expect(names.map(([, name]) => name)).to.deep.equal((await readdir(packages)).sort());
    expect(await readdir(join(shop.directory, "runtime")), "copies of keys").to.deep.equal([]);
  });

  it("gives hosts what they copy: lists, and the public key in both forms", async () => {
    const text = (name: string) => readFile(join(first, `s3-offload-agent.${name}`), "utf8");
    expect(await text("list")).to.equal(
      "deb [signed-by=/etc/apt/keyrings/s3-offload-agent.gpg] https://packages.example.com/apt stable main\n",
    );
    expect(await text("sources")).to.contain("URIs: https://packages.example.com/apt\n");
    expect(await text("repo"))
      .to.contain("baseurl=https://packages.example.com/yum/$basearch\n")
      .and.contain("\ngpgcheck=1\nrepo_gpgcheck=1\n");
    const dearmored = await runTool("gpg", ["--dearmor"], { input: await text("asc") });
    expect(dearmored.equals(await readFile(keyring(first)))).to.equal(true);
    expect((await stat(keyring(first))).mode & 0o777).to.equal(0o644);
  });

  it("leaves the packages that it was given as they are", async () => {
    expect(await contentsOf(packages)).to.deep.equal(given);
  });

  it("changes nothing when the same packages come again, signed or not", async () => {
    const out = await copy();
    const before = await contentsOf(out);
    for (const directory of [packages, join(first, "yum/x86_64/Packages")]) {
      const again = await shop.run([
        "--packages",
        directory,
        "--out",
        out,
        "--key",
        shop.key("old"),
      ]);
      expect(again.stdout.toString()).to.contain("nothing has changed");
      expect(await contentsOf(out)).to.deep.equal(before);
    }
  });

  it("mends a repository that has lost a file", async () => {
    const out = await copy();
    await rm(join(out, "yum/x86_64/repodata/repomd.xml.asc"));
    await rm(join(out, "apt/dists/stable/main/binary-arm64/by-hash"), { recursive: true });
    const again = await shop.run(["--out", out, "--key", shop.key("old")]);
    expect(again.status, again.stderr).to.equal(0);
    expect(await readRepository(out, keyring(out))).to.deep.equal(ALL_OF("1.0"));
  });

  it("keeps older versions, the index files of the last state, and older ones for a day", async () => {
    const out = await copy();
    const add = async (version: string) => {
      const args = ["--packages", await shop.packages(version), "--out", out];
      const added = await shop.run([...args, "--key", shop.key("old")]);
      expect(added.status, added.stderr).to.equal(0);
    };
    const hashed = async () =>
      Object.keys(await contentsOf(out)).filter((path) => /by-hash|repodata\/\w{64}-/.test(path));
    const ofFirst = await hashed();
    await add("1.1");
    expect(await readRepository(out, keyring(out))).to.have.members([
      ...ALL_OF("1.0"),
      ...ALL_OF("1.1"),
    ]);
    expect(await hashed()).to.include.members(ofFirst);
    // Superseded for longer than a day, but the last state is the last state.
    const long = new Date(Date.now() - OLD_FILES_KEPT_MS - 1_000);
    for (const path of ofFirst) await utimes(join(out, path), long, long);
    const ofSecond = (await hashed()).filter((path) => !ofFirst.includes(path));
    for (const path of ofSecond) await utimes(join(out, path), long, long);
    await add("1.2");
    expect(await hashed())
      .to.include.members(ofSecond)
      .and.not.include.members(ofFirst);
    expect(await readRepository(out, keyring(out))).to.have.length(12);
  });

  describe("refuses, and changes nothing", () => {
    const wrong: Readonly<Record<string, readonly [() => Promise<string>, RegExp]>> = {
      "another deb of the same version": [
        () => shop.packages("1.0", { content: "other", formats: ["deb"] }),
        /has another s3-offload-agent_1\.0_amd64\.deb/,
      ],
      "another rpm of the same version": [
        () => shop.packages("1.0", { content: "other", formats: ["rpm"] }),
        /has another s3-offload-agent-1\.0-1\.aarch64\.rpm/,
      ],
      "another architecture": [
        () => shop.packages("2.0", { architectures: ["386"] }),
        /is for i[36]86, which the repository does not have/,
      ],
      "a version that S3 cannot serve": [
        () => shop.packages("2.0+1"),
        /not all clients can ask S3 for/,
      ],
      "a cut deb": [() => cutPackages("deb"), /is damaged/],
      "a cut rpm": [() => cutPackages("rpm"), /is damaged/],
      "a file that SHA256SUMS knows otherwise": [
        async () => {
          const directory = await shop.packages("2.0");
          const line = `${"0".repeat(64)}  s3-offload-agent_2.0_amd64.deb\n`;
          await writeFile(join(directory, "SHA256SUMS"), line);
          return directory;
        },
        /is not the file that SHA256SUMS beside it names/,
      ],
      "an empty directory": [() => shop.packages("2.0", { formats: [] }), /There is no package in/],
    };

    /** A good package, and another one that has lost its end. */
    async function cutPackages(format: string): Promise<string> {
      const directory = await shop.packages("2.0");
      const [name = ""] = (await readdir(directory)).filter((one) => one.endsWith(format));
      const bytes = await readFile(join(directory, name));
      await writeFile(join(directory, name), bytes.subarray(0, bytes.length - 40));
      return directory;
    }

    for (const [name, [make, message]] of Object.entries(wrong)) {
      it(name, async () => {
        const before = await contentsOf(first);
        const directory = await make();
        const args = ["--packages", directory, "--out", first, "--key", shop.key("old")];
        const refused = await shop.run(args);
        expect(refused.stderr).to.match(message).and.contain("way out: ");
        expect(refused.status).to.equal(2);
        expect(await contentsOf(first)).to.deep.equal(before);
      });
    }

    const wrongKeys: Readonly<Record<string, readonly [() => readonly string[], RegExp]>> = {
      "a key that is not there": [() => ["nobody@example.com"], /There is no secret key nobody/],
      "a key that has expired": [() => [shop.key("expired")], /expired on 2020-01-02/],
      "a key that cannot sign": [() => [shop.key("certifying")], /cannot sign/],
      "a key without its passphrase": [() => [shop.key("locked")], /needs a passphrase/],
      "a public key": [() => [shop.publicKey("old")], /holds a public key only/],
      "a file that is no key": [() => [join(first, "SHA256SUMS.asc")], /holds no key/],
      "one key twice": [() => [shop.key("old"), shop.key("old")], /one key twice/],
      "a file and a name": [() => [shop.key("old"), "new@example.com"], /both files and keys/],
      "a name of several keys": [() => ["example.com"], /secret keys answer to example\.com/],
      "no key": [() => [], /--key is missing/],
    };
    for (const [name, [keys, message]] of Object.entries(wrongKeys)) {
      it(name, async () => {
        const out = join(place.path, "not-made");
        const named = keys().flatMap((one) => ["--key", one]);
        const refused = await shop.run(["--packages", packages, "--out", out, ...named]);
        expect(refused.stderr).to.match(message).and.contain("way out: ");
        expect(refused.status).to.equal(2);
        expect(await readdir(place.path)).not.to.include("not-made");
        expect(await readdir(join(shop.directory, "runtime"))).to.deep.equal([]);
      });
    }

    it("a wrong passphrase, and takes the right one for indexes and rpms", async () => {
      const out = join(place.path, "locked");
      const args = ["--packages", packages, "--out", out, "--key", shop.key("locked")];
      const refused = await shop.run(args, { env: { REPOSITORY_KEY_PASSPHRASE: "wrong" } });
      expect(refused.stderr).to.contain("is another one than REPOSITORY_KEY_PASSPHRASE");
      const made = await shop.run(args, { env: { REPOSITORY_KEY_PASSPHRASE: PASSPHRASE } });
      expect(made.status, made.stderr).to.equal(0);
      expect(await readRepository(out, keyring(out))).to.deep.equal(ALL_OF("1.0"));
    });
  });

  it("signs with a key of the caller's keyring, and adds nothing to that", async () => {
    const out = join(place.path, "by-name");
    const listed = async () => {
      const home = ["--homedir", join(place.path, "keyring")];
      const listing = await runTool("gpg", [...home, "--list-keys", "--with-colons"]);
      return listing.toString().match(/^fpr:.*$/gm);
    };
    const before = await listed();
    const args = ["--packages", packages, "--out", out, "--key", "new@example.com"];
    const made = await shop.run(args);
    expect(made.status, made.stderr).to.equal(0);
    expect(made.stdout.toString()).to.contain(`signed by ${shop.fingerprint("new")}`);
    expect(await readRepository(out, keyring(out))).to.deep.equal(ALL_OF("1.0"));
    expect(await listed())
      .to.deep.equal(before)
      .and.have.length(5);
  });

  it("does not let two work on one repository", async () => {
    const out = await copy();
    await using directory = await open(out, "r");
    expect(tryLock(directory.fd)).to.equal(true);
    const refused = await shop.run(["--out", out, "--key", shop.key("old")]);
    expect(refused.stderr).to.contain("Another process works on");
    expect(refused.status).to.equal(1);
    await directory.close();
    expect((await shop.run(["--out", out, "--key", shop.key("old")])).status).to.equal(0);
  });

  it("removes its copies of keys when it is asked to stop, and leaves the repository usable", async () => {
    const out = await copy();
    const programs = join(place.path, "programs");
    await mkdir(programs);
    // Asks the one who calls it to stop, in the middle of its work.
    const script = "#!/bin/sh\nkill -TERM $PPID\nexec sleep 60\n";
    await writeFile(join(programs, "createrepo_c"), script, { mode: 0o755 });
    const stopped = await shop.run(
      ["--packages", await shop.packages("2.0"), "--out", out, "--key", shop.key("old")],
      { env: { PATH: `${programs}:${process.env["PATH"]}` } },
    );
    expect(stopped.status).to.equal(143);
    expect(await readdir(join(shop.directory, "runtime"))).to.deep.equal([]);
    expect(await readdir(out)).not.to.include(".work");
    expect(await readRepository(out, keyring(out))).to.have.members([
      ...ALL_OF("1.0"),
      "amd64 2.0",
      "arm64 2.0",
    ]);
  });
});
