import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { runTool, type ToolResult } from "../../packaging/repository/tool.ts";
import { isRootOr } from "../support/not-run.ts";
import {
  type Client,
  makeApt,
  makeDnf,
  type ServedRepository,
  serveRepository,
} from "../support/package-clients.ts";
import { copyOf, openWorkshop, type Workshop } from "../support/package-repository.ts";

const PACKAGE = "s3-offload-agent";

describe("clients of the repository", () => {
  let place: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let shop: Workshop;
  /** A repository with 1.0, and the same one with 2.0 as well, signed by the key `old`. */
  let first: string;
  let second: string;

  before(async () => {
    place = await mkdtempDisposable(join(tmpdir(), "repository-clients-"));
    shop = await openWorkshop(place.path);
    first = join(place.path, "first");
    await add(first, "1.0", "old");
    second = await copyOf(first, join(place.path, "second"));
    await add(second, "2.0", "old");
  });
  after(() => place.remove());

  async function add(out: string, version: string | undefined, ...keys: readonly string[]) {
    const packages = version === undefined ? [] : ["--packages", await shop.packages(version)];
    const named = keys.flatMap((one) => ["--key", shop.key(one)]);
    const made = await shop.run([...packages, "--out", out, ...named]);
    expect(made.status, made.stderr).to.equal(0);
  }

  let roots = 0;
  const newRoot = () => {
    roots += 1;
    return join(place.path, `root-${roots}`);
  };
  const makeAptFor = (served: ServedRepository, key = "old") =>
    makeApt(newRoot(), served.url, join(place.path, `${key}.gpg`));
  const makeDnfFor = (served: ServedRepository, ...keys: readonly string[]) =>
    makeDnf(newRoot(), served.url, keys.map(shop.publicKey));

  /** Both streams, for messages go to either. */
  const said = ({ stdout, stderr }: ToolResult) => `${stdout}\n${stderr}`;
  const succeed = async (client: Client, ...args: readonly string[]) => {
    const result = await client(...args);
    expect(result.status, `${args.join(" ")}: ${said(result)}`).to.equal(0);
    return said(result);
  };
  const fail = async (message: RegExp, client: Client, ...args: readonly string[]) => {
    const result = await client(...args);
    expect(result.status, `${args.join(" ")}: ${said(result)}`).not.to.equal(0);
    expect(said(result)).to.match(message);
  };
  /** Another byte in the middle of a file, which keeps its length. */
  const damage = (content: Buffer): Buffer => {
    const changed = Buffer.from(content);
    const at = Math.floor(changed.length / 2);
    changed[at] = (changed[at] ?? 0) ^ 1;
    return changed;
  };
  const replace = (content: Buffer, from: string, to: string): Buffer => {
    expect(content.toString()).to.contain(from);
    return Buffer.from(content.toString().replaceAll(from, to));
  };

  describe("apt", () => {
    it("finds the newest version by hash, and still an older one", async () => {
      await using served = await serveRepository({ root: second });
      const apt = await makeAptFor(served);
      await succeed(apt, "update");
      expect(served.asked.join("\n")).to.match(/by-hash\/SHA256\/[0-9a-f]{64}$/);
      expect(await succeed(apt, "download", PACKAGE)).to.contain("amd64 2.0");
      expect(await succeed(apt, "download", `${PACKAGE}=1.0`)).to.contain("amd64 1.0");
    });

    const attacks: Readonly<
      Record<string, readonly [RegExp, (path: string, content: Buffer) => Buffer]>
    > = {
      "an InRelease that was edited": [
        /BADSIG|not signed|invalid/i,
        (path, content) =>
          path.endsWith("InRelease") ? replace(content, "amd64 arm64", "amd64 armhf") : content,
      ],
      "an InRelease without its signature": [
        /not signed|NOSPLIT|unsigned/i,
        (path, content) =>
          path.endsWith("InRelease")
            ? Buffer.from(content.toString().split("-----BEGIN PGP SIGNATURE")[0] ?? "")
            : content,
      ],
      "a list of packages that was edited": [
        /Hash Sum mismatch|unexpected size/i,
        (path, content) => (/by-hash|Packages/.test(path) ? damage(content) : content),
      ],
    };
    for (const [name, [message, change]] of Object.entries(attacks)) {
      it(`refuses ${name}`, async () => {
        await using served = await serveRepository({ root: first });
        served.change = change;
        const apt = await makeAptFor(served);
        await fail(message, apt, "update");
        await fail(/Unable to locate package/, apt, "download", PACKAGE);
      });
    }

    it("refuses a package that was edited", async () => {
      await using served = await serveRepository({ root: first });
      served.change = (path, content) => (path.endsWith(".deb") ? damage(content) : content);
      const apt = await makeAptFor(served);
      await succeed(apt, "update");
      await fail(/Hash Sum mismatch/, apt, "download", PACKAGE);
    });

    it("refuses an unknown key", async () => {
      await using served = await serveRepository({ root: first });
      await fail(/NO_PUBKEY|not signed/, await makeAptFor(served, "new"), "update");
    });

    it("does not go back to a state that is older than the one it has", async () => {
      const state = { root: second };
      await using served = await serveRepository(state);
      const apt = await makeAptFor(served);
      await succeed(apt, "update");
      state.root = first;
      await apt("update");
      expect(await succeed(apt, "download", "--print-uris", PACKAGE)).to.contain("_2.0_amd64.deb");
    });

    it("ends its update well when a version is added in the middle of it", async () => {
      const root = await copyOf(first, join(place.path, "growing-apt"));
      await using served = await serveRepository({ root });
      const adding = once(
        (path) => path.includes("binary-amd64"),
        () => add(root, "2.0", "old"),
      );
      served.before = adding.before;
      const apt = await makeAptFor(served);
      await succeed(apt, "update");
      expect(adding.isDone(), "added").to.equal(true);
      expect(await succeed(apt, "download", PACKAGE)).to.contain("amd64 1.0");
      await succeed(apt, "update");
      expect(await succeed(apt, "download", PACKAGE)).to.contain("amd64 2.0");
    });
  });

  describe("dnf", () => {
    before(function () {
      // It installs into a root of its own, and rpm calls chroot(2) for that.
      if (!isRootOr("dnf as a client")) this.skip();
    });

    it("installs the newest version, and goes back to an older one", async () => {
      await using served = await serveRepository({ root: second });
      const dnf = await makeDnfFor(served, "old");
      expect(await succeed(dnf, "install", PACKAGE)).to.contain(`${PACKAGE}-2.0-1`);
      expect(await succeed(dnf, "downgrade", `${PACKAGE}-1.0`)).to.contain(`${PACKAGE}-1.0-1`);
    });

    const attacks: Readonly<
      Record<string, readonly [RegExp, (path: string, content: Buffer) => Buffer]>
    > = {
      "a repomd.xml that was edited": [
        /repomd.xml GPG signature verification error/,
        (path, content) =>
          path.endsWith("repomd.xml") ? replace(content, "<revision>", "<revision>1") : content,
      ],
      "a list of packages that was edited": [
        /checksum/i,
        (path, content) => (path.endsWith("-primary.xml.gz") ? damage(content) : content),
      ],
      "an rpm that was edited": [
        /checksum/i,
        (path, content) => (path.endsWith(".rpm") ? damage(content) : content),
      ],
    };
    for (const [name, [message, change]] of Object.entries(attacks)) {
      it(`refuses ${name}`, async () => {
        await using served = await serveRepository({ root: first });
        served.change = change;
        await fail(message, await makeDnfFor(served, "old"), "install", PACKAGE);
      });
    }

    it("refuses an unknown key", async () => {
      await using served = await serveRepository({ root: first });
      const dnf = await makeDnfFor(served, "new");
      await fail(/GPG signature verification error/, dnf, "install", PACKAGE);
    });

    /** The same rpms below an index that fits them, of somebody who has not got our key. */
    async function forge(name: string, change: (rpm: string) => Promise<void>): Promise<string> {
      const forged = await copyOf(first, join(place.path, name));
      for (const architecture of ["x86_64", "aarch64"]) {
        const folder = join(forged, "yum", architecture);
        const [rpm = ""] = await readdir(join(folder, "Packages"));
        await change(join(folder, "Packages", rpm));
        await runTool("createrepo_c", ["--quiet", folder]);
      }
      return forged;
    }
    const forgeries: Readonly<Record<string, readonly [RegExp, (rpm: string) => Promise<void>]>> = {
      "an rpm without a signature": [
        /is not signed/,
        async (rpm) => void (await runTool("rpmsign", ["--delsign", rpm])),
      ],
      "an rpm whose content was changed below its signature": [
        /digest|signature|GPG|Error opening package/i,
        async (rpm) => {
          const bytes = await readFile(rpm);
          bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
          await writeFile(rpm, bytes);
        },
      ],
    };
    for (const [name, [message, change]] of Object.entries(forgeries)) {
      it(`refuses ${name}, were the index signed or not`, async () => {
        const root = await forge(`forged-${name.length}`, change);
        await using served = await serveRepository({ root });
        const trusting = await makeDnf(newRoot(), served.url, [shop.publicKey("old")], {
          repo_gpgcheck: "0",
        });
        await fail(message, trusting, "install", PACKAGE);
        await fail(/signature verification/, await makeDnfFor(served, "old"), "install", PACKAGE);
      });
    }

    it("ends its update well when a version is added in the middle of it", async () => {
      const root = await copyOf(first, join(place.path, "growing-yum"));
      await using served = await serveRepository({ root });
      const adding = once(
        (path) => /repodata\/\w{64}-/.test(path),
        () => add(root, "2.0", "old"),
      );
      served.before = adding.before;
      const dnf = await makeDnfFor(served, "old");
      await succeed(dnf, "makecache");
      expect(adding.isDone(), "added").to.equal(true);
      expect(await succeed(dnf, "install", PACKAGE)).to.contain(`${PACKAGE}-2.0-1`);
    });
  });

  describe("a change of keys", () => {
    it("is followed by apt without a gap: both sign, hosts get both, the new one signs alone", async () => {
      const root = await copyOf(first, join(place.path, "rotated"));
      await using served = await serveRepository({ root });
      const [behind, ahead] = [await makeAptFor(served, "old"), await makeAptFor(served, "new")];
      await succeed(behind, "update");
      await add(root, undefined, "old", "new");
      // Whichever of the keys a host has.
      for (const apt of [behind, ahead]) await succeed(apt, "update");
      const both = await makeApt(newRoot(), served.url, join(root, "s3-offload-agent.gpg"));
      await add(root, "2.0", "new", "old");
      for (const apt of [behind, ahead, both]) await succeed(apt, "update");
      await add(root, undefined, "new");
      for (const apt of [ahead, both]) {
        await succeed(apt, "update");
        expect(await succeed(apt, "download", PACKAGE)).to.contain("amd64 2.0");
      }
      await fail(/NO_PUBKEY|not signed/, behind, "update");
    });

    it("is followed by dnf, which takes new keys from where gpgkey points", async function () {
      if (!isRootOr("dnf as a client")) this.skip();
      const root = await copyOf(first, join(place.path, "rotated-yum"));
      await using served = await serveRepository({ root });
      const keys = [`${served.url}/s3-offload-agent.asc`];
      const host = await makeDnf(newRoot(), served.url, keys);
      await succeed(host, "install", PACKAGE);
      await add(root, undefined, "old", "new");
      await succeed(host, "makecache");
      await add(root, "2.0", "new", "old");
      expect(await succeed(host, "upgrade", PACKAGE)).to.contain(`${PACKAGE}-2.0-1`);
      await add(root, "3.0", "new");
      expect(await succeed(host, "upgrade", PACKAGE)).to.contain(`${PACKAGE}-3.0-1`);
      // The old key stays in the file: a new host can still go back to what it signed.
      const newcomer = await makeDnf(newRoot(), served.url, keys);
      await succeed(newcomer, "install", `${PACKAGE}-1.0`);
      const retiring = [
        "--out",
        root,
        "--key",
        shop.key("new"),
        "--retire",
        shop.fingerprint("old"),
      ];
      expect((await shop.run(retiring)).status).to.equal(0);
      const later = await makeDnf(newRoot(), served.url, keys);
      await fail(/GPG|key/, later, "install", `${PACKAGE}-1.0`);
      await succeed(later, "install", PACKAGE);
    });
  });
});

/** Does something at the first of some requests, which waits for it. */
function once(isMeant: (path: string) => boolean, act: () => Promise<void>) {
  let state: "waiting" | "begun" | "done" = "waiting";
  return {
    isDone: () => state === "done",
    before: async (path: string) => {
      if (state !== "waiting" || !isMeant(path)) return;
      state = "begun";
      await act();
      state = "done";
    },
  };
}
