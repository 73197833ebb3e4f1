import { type LocalAws, startLocalAws } from "../../../tools/local-aws.ts";
import { installedHost } from "./agent-host.ts";
import { hostByApt } from "./apt-host.ts";
import { openRepository, type SignedRepository } from "./signed-repository.ts";
import type { SystemdHost } from "./systemd-host.ts";

/**
 * What the scenarios of a file share, for their `describe`: made before the first of them, ended
 * after the last. Whatever costs seconds is made once, and each scenario boots a copy of it.
 * @param open gives what is to be ended to the stack
 * @returns what was made; not before the scenarios begin
 */
export function share<T>(open: (all: AsyncDisposableStack) => Promise<T>): () => T {
  const all = new AsyncDisposableStack();
  let made: T | undefined;
  before(async () => {
    made = await open(all);
  });
  after(() => all.disposeAsync());
  return () => {
    if (made === undefined) throw new Error("it is there once the scenarios begin");
    return made;
  };
}

/** A local AWS, and a host with the package unpacked (`installedHost`), to make copies of. */
export function shareInstalledHost(): () => { readonly aws: LocalAws; readonly base: SystemdHost } {
  return share(async (all) => ({
    aws: all.use(await startLocalAws()),
    base: all.use(await installedHost("bookworm")),
  }));
}

/** A local AWS, and a signed repository with these versions. */
export async function openShop(
  all: AsyncDisposableStack,
  ...versions: readonly [string, ...string[]]
): Promise<{ readonly aws: LocalAws; readonly repository: SignedRepository }> {
  const [aws, repository] = await Promise.all([startLocalAws(), openRepository(...versions)]);
  return { aws: all.use(aws), repository: all.use(repository) };
}

/** The same, and a host of which apt has installed the first version, to make copies of. */
export function shareHostByApt(...versions: readonly [string, ...string[]]) {
  return share(async (all) => {
    const shop = await openShop(all, ...versions);
    return { ...shop, base: all.use(await hostByApt("bookworm", shop.repository, versions[0])) };
  });
}
