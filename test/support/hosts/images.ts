import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** Debian 11, 12 and 13; and a Debian 12 whose packages are managed by dnf and rpm. */
export type ImageName = "bullseye" | "bookworm" | "trixie" | "rpm";

/** Where images and hosts are: a filesystem on which leases are trusted, as `/tmp` may not be. */
export const HOSTS_DIRECTORY = fileURLToPath(new URL("../../../build/hosts/", import.meta.url));

const IMAGES = join(HOSTS_DIRECTORY, "images");

const MIRROR = "http://deb.debian.org/debian";

/** What every host has, on top of what is essential to Debian. The first line is what boots. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus"],
  // What the agent's package asks for: no repository but its own is there when it is installed.
  ...["ca-certificates", "libatomic1", "libgcc-s1", "libstdc++6"],
  // What tests look and act with.
  ...["faketime", "procps"],
];

interface Recipe {
  readonly suite: string;
  readonly packages: readonly string[];
  /** Programs of this folder that are called with the root, in this order. */
  readonly customize: readonly string[];
}

const debian = (suite: string): Recipe => ({
  suite,
  packages: PACKAGES,
  customize: ["customize-image.sh"],
});

const RECIPES: Readonly<Record<ImageName, Recipe>> = {
  bullseye: debian("bullseye"),
  bookworm: debian("bookworm"),
  trixie: debian("trixie"),
  rpm: {
    suite: "bookworm",
    packages: [...PACKAGES, "dnf", "rpm"],
    customize: ["customize-rpm-image.sh", "customize-image.sh"],
  },
};

const scriptOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * The root of an image, which is made when it is asked for the first time: that takes half a minute
 * and a Debian mirror. From then on nothing but loopback is needed. Whoever asks at the same time,
 * in whatever process, waits. To be copied, never to be changed.
 * @throws Error if this is not root, or the image cannot be made
 */
export async function imageRoot(name: ImageName): Promise<string> {
  if (process.geteuid?.() !== 0) {
    throw new Error("whole hosts can only be booted by root: run the host tests with sudo");
  }
  const root = rootOf(name);
  if (existsSync(root)) return root;
  await mkdir(IMAGES, { recursive: true });
  const maker = [process.execPath, scriptOf("make-image.ts"), name];
  const child = spawn("flock", [`${root}.lock`, ...maker], { stdio: ["ignore", "pipe", "pipe"] });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the image ${name} was not made: ${(await output).join("")}`);
  return root;
}

/** Makes an image, if it is not there. Only one process at a time may do so. */
export async function makeImage(name: ImageName): Promise<void> {
  const root = rootOf(name);
  if (existsSync(root)) return;
  const { suite, packages, customize } = RECIPES[name];
  const unfinished = `${root}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const hooks = customize.map((script) => `--customize-hook=sh ${scriptOf(script)} "$1"`);
  const child = spawn(
    "mmdebstrap",
    [
      ...["--quiet", "--variant=minbase", `--include=${packages.join(",")}`, ...hooks],
      ...[suite, unfinished, MIRROR],
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`mmdebstrap ended with ${code}`);
  for (const other of await readdir(IMAGES)) {
    const isOlder = other.startsWith(`${name}-`) && !other.includes(".");
    if (isOlder) await rm(join(IMAGES, other), { recursive: true });
  }
  await rename(unfinished, root);
}

export function isImageName(name: string | undefined): name is ImageName {
  return name !== undefined && Object.hasOwn(RECIPES, name);
}

/** What went into an image is in the name of its root: a changed recipe makes another one. */
function rootOf(name: ImageName): string {
  const recipe = RECIPES[name];
  const hash = createHash("sha256").update(JSON.stringify([recipe, MIRROR]));
  for (const script of recipe.customize) hash.update(readFileSync(scriptOf(script)));
  return join(IMAGES, `${name}-${hash.digest("hex").slice(0, 12)}`);
}
