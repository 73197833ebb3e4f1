import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { endAtLast } from "../leftover-children.ts";
import type { SystemdHost } from "./systemd-host.ts";

/**
 * Runs a shell's script in the root of a host that is not booted, as builders of images do: no
 * systemd is running there. @returns all that it said @throws Error with that if it fails
 */
export async function inChroot(host: SystemdHost, script: string): Promise<string> {
  const child = endAtLast(
    spawn(
      "unshare",
      [
        ...["--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-ec"],
        'mount -t proc proc "$1/proc"; exec chroot "$1" sh -ec "$2" 2>&1',
        ...["sh", host.root, script],
      ],
      {
        env: {
          PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
          HOME: "/root",
          LANG: "C.UTF-8",
          DEBIAN_FRONTEND: "noninteractive",
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    ),
  );
  const output = text(child.stdout);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`in the chroot ${host.root}, ${code}: ${await output}`);
  return await output;
}
