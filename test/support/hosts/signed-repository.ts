import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveRepository } from "../package-clients.ts";
import { openWorkshop, type Workshop } from "../package-repository.ts";
import { fastPackages } from "./packages.ts";
import type { SystemdHost } from "./systemd-host.ts";

/** A repository of our packages, signed and served over http on loopback. */
export interface SignedRepository extends AsyncDisposable {
  readonly url: string;
  /** Its directory, and the keys it is signed with: `old`. */
  readonly directory: string;
  readonly shop: Workshop;
  /** Where what hosts get is read from: another directory may take its place at any time. */
  readonly source: { root: string };
  /** Puts packages of this checkout into it, as this version. */
  add(version: string): Promise<void>;
  /** Makes a host know it, as docs/install.md says: key and list, for apt or for dnf. */
  introduce(host: SystemdHost, tool: "apt" | "dnf"): Promise<void>;
}

/** Makes a repository, with the versions given in it. */
export async function openRepository(...versions: readonly string[]): Promise<SignedRepository> {
  await using stack = new AsyncDisposableStack();
  const place = await mkdtempDisposable(join(tmpdir(), "hosts-repository-"));
  stack.defer(() => place.remove());
  const shop = await openWorkshop(place.path);
  const out = join(place.path, "out");
  const source = { root: out };
  const served = stack.use(await serveRepository(source));
  const add = async (version: string) => {
    const { directory } = await fastPackages(version);
    const args = ["--packages", directory, "--out", out, "--key", shop.key("old")];
    const { status, stderr } = await shop.run([...args, "--url", `${served.url}/`]);
    if (status !== 0) throw new Error(`the repository was not made: ${stderr}`);
  };
  for (const version of versions) await add(version);
  const owned = stack.move();
  const get = async (name: string) => {
    const response = await fetch(`${served.url}/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  };
  return {
    url: served.url,
    directory: out,
    shop,
    source,
    add,
    async introduce(host, tool) {
      const name = "s3-offload-agent";
      if (tool === "apt") {
        await host.write(`/etc/apt/keyrings/${name}.gpg`, await get(`${name}.gpg`));
        await host.write(`/etc/apt/sources.list.d/${name}.list`, await get(`${name}.list`));
      } else {
        await host.write(`/etc/yum.repos.d/${name}.repo`, await get(`${name}.repo`));
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
