import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, statfs } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Row } from "./race-run.ts";

/** A filesystem to run races on. */
export interface Filesystem {
  readonly name: "ext4" | "tmpfs" | "xfs" | "btrfs" | "overlayfs";
  /** Where it is mounted on this machine already. */
  readonly mounted: readonly string[];
  /** From linux/magic.h, to know it by. */
  readonly magic: number;
  /** Commands that mount it at $MOUNT, with $WORK to work in, in a mount namespace of their own. */
  readonly mount: string;
  readonly programs: readonly string[];
}

const IMAGE = 'truncate -s 512M "$WORK/image"';
const LOOP = 'mount -o loop "$WORK/image" "$MOUNT"';

export const FILESYSTEMS: readonly Filesystem[] = [
  {
    name: "ext4",
    mounted: ["/tmp", "/var/tmp"],
    magic: 0xef53,
    mount: `${IMAGE}; mkfs.ext4 -q "$WORK/image"; ${LOOP}`,
    programs: ["mkfs.ext4"],
  },
  {
    name: "tmpfs",
    mounted: ["/dev/shm", "/tmp"],
    magic: 0x01021994,
    mount: 'mount -t tmpfs none "$MOUNT"',
    programs: [],
  },
  {
    name: "xfs",
    mounted: [],
    magic: 0x58465342,
    mount: `${IMAGE}; mkfs.xfs -q "$WORK/image"; ${LOOP}`,
    programs: ["mkfs.xfs"],
  },
  {
    name: "btrfs",
    mounted: [],
    magic: 0x9123683e,
    mount: `${IMAGE}; mkfs.btrfs -q "$WORK/image"; ${LOOP}`,
    programs: ["mkfs.btrfs"],
  },
  {
    name: "overlayfs",
    mounted: [],
    magic: 0x794c7630,
    // The upper directory must not lie on an overlay itself, as it would in a container.
    mount: `mkdir "$WORK/layers"; mount -t tmpfs none "$WORK/layers"; cd "$WORK/layers"; mkdir lower upper work
      mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none "$MOUNT"; cd /`,
    programs: [],
  },
];

/** How races come to run on a filesystem: as they are, or in a mount namespace with it. */
export type Place =
  | { readonly kind: "mounted"; readonly directory: string }
  | { readonly kind: "mountable" }
  | { readonly kind: "missing"; readonly reason: string };

/** The kernel does not know the filesystem, or has no loop devices to spare. */
export class NotMountedError extends Error {
  constructor() {
    super("it cannot be mounted; the reason is above");
    this.name = "NotMountedError";
  }
}

/** Exit code of a run without a mount. */
const NOT_MOUNTED = 77;

/** Finds out whether races can run on a filesystem here. */
export async function placeOf(filesystem: Filesystem): Promise<Place> {
  for (const directory of filesystem.mounted) {
    const found = await statfs(directory).catch(() => undefined);
    if (found?.type === filesystem.magic) return { kind: "mounted", directory };
  }
  if (process.getuid?.() !== 0) return { kind: "missing", reason: "only root can mount it" };
  for (const program of ["unshare", ...filesystem.programs]) {
    if (!(await isInstalled(program))) {
      return { kind: "missing", reason: `${program} is not installed` };
    }
  }
  return { kind: "mountable" };
}

async function isInstalled(program: string): Promise<boolean> {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/sbin", "/usr/sbin"];
  const found = await Promise.allSettled(folders.map((folder) => access(join(folder, program))));
  return found.some(({ status }) => status === "fulfilled");
}

/**
 * Runs races; see race-run.ts.
 * @param work an empty directory, for what a mount needs
 * @throws NotMountedError; Error if they did not end well. The reason is on the standard error
 *   output
 */
export async function* runRaces(options: {
  readonly filesystem: Filesystem;
  readonly place: Exclude<Place, { kind: "missing" }>;
  readonly work: string;
  readonly races: number;
  readonly protocols: readonly string[];
  readonly cases: readonly string[];
}): AsyncGenerator<Row> {
  const { filesystem, place, work } = options;
  const mount = join(work, "mount");
  const directory = place.kind === "mounted" ? place.directory : mount;
  const command = [
    process.execPath,
    fileURLToPath(new URL("race-run.ts", import.meta.url)),
    ...["--directory", directory, "--races", `${options.races}`],
    ...options.protocols.flatMap((protocol) => ["--protocol", protocol]),
    ...options.cases.flatMap((name) => ["--case", name]),
  ];
  await mkdir(mount, { recursive: true });
  // The mount goes with the last process in its namespace.
  const script = `export PATH="$PATH:/sbin:/usr/sbin"; set -e
    mount_it() { ${filesystem.mount}; }
    trap 'exit ${NOT_MOUNTED}' EXIT; mount_it >&2; trap - EXIT; exec "$@"`;
  const around =
    place.kind === "mounted"
      ? []
      : ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"];
  const [program = "", ...rest] = [...around, ...command];
  const child = spawn(program, rest, {
    env: { ...process.env, WORK: work, MOUNT: mount },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Row;
  const [code, signal] = await ended;
  if (code === NOT_MOUNTED) throw new NotMountedError();
  if (code !== 0) throw new Error(`the races on ${filesystem.name} ended with ${code ?? signal}`);
}
