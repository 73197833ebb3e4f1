import { mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The files by which a machine tells about itself, below a folder of their own. */
export interface MachineFiles extends AsyncDisposable {
  readonly root: string;
  /** A directory for the agent's state, not made yet. */
  readonly stateDirectory: string;
  /** Writes a file of the machine. */
  write(path: string, text: string): Promise<void>;
  /** Puts a network card at a place of the machine's buses; undefined: a virtual interface. */
  addCard(name: string, card: NetworkCard): Promise<void>;
}

export interface NetworkCard {
  /** Below /sys/devices, such as `pci0000:00/0000:00:03.0`. */
  readonly place: string | undefined;
  readonly address: string;
  /** 0 but for addresses that were drawn at random or set. */
  readonly assigned?: number;
}

export const MACHINE_ID = "0123456789abcdef0123456789abcdef";

/** Makes a machine that is called `host-7` and has one card. @param files on top, by path */
export async function makeMachine(
  files: Readonly<Record<string, string>> = {},
): Promise<MachineFiles> {
  const temporary = await mkdtempDisposable(join(tmpdir(), "s3-offload-machine-"));
  const root = join(temporary.path, "root");
  const write = async (path: string, text: string): Promise<void> => {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  };
  const addCard: MachineFiles["addCard"] = async (name, { place, address, assigned = 0 }) => {
    await write(`/sys/class/net/${name}/address`, `${address}\n`);
    await write(`/sys/class/net/${name}/addr_assign_type`, `${assigned}\n`);
    if (place === undefined) return;
    const device = join(root, "sys/devices", place);
    await mkdir(device, { recursive: true });
    await symlink(device, join(root, `sys/class/net/${name}/device`));
  };
  const own = { "/etc/machine-id": `${MACHINE_ID}\n`, "/proc/sys/kernel/hostname": "host-7\n" };
  for (const [path, text] of Object.entries({ ...own, ...files })) await write(path, text);
  await addCard("eth0", { place: "pci0000:00/0000:00:03.0", address: "02:00:00:00:00:01" });
  return {
    root,
    stateDirectory: join(temporary.path, "state"),
    write,
    addCard,
    [Symbol.asyncDispose]: () => temporary.remove(),
  };
}
