import { createHash, createHmac } from "node:crypto";
import type { SystemFiles } from "./system-files.ts";

/** What the machine says about itself. Nothing of it asks the network. */
export interface Machine {
  /**
   * 12 hexadecimal digits of the SHA-256 over the machine id and one thing that the hardware, real
   * or virtual, has for itself: machines that were cloned from one image differ in it.
   */
  readonly digest: string;
  /** An id made from /etc/machine-id for this program alone; undefined: there is none. */
  readonly appId: string | undefined;
  /** "" if the kernel has none. */
  readonly hostname: string;
  /** Whether the firmware says that this is an EC2 instance. */
  readonly isEc2: boolean;
  /** The instance id as the firmware of Nitro instances says it. */
  readonly firmwareInstanceId: string | undefined;
}

export const INSTANCE_ID_PATTERN = /^i-[0-9a-f]{8,17}$/;

const MACHINE_ID_PATTERN = /^[0-9a-f]{32}$/;

/** Names this program to sd_id128_get_machine_app_specific(3). Drawn once; it never changes. */
const APP_ID = Buffer.from("b1d0f0a54d3c4c0c8f0e6a2f6c7b9e51", "hex");

const DMI = "/sys/class/dmi/id";

/** Reads what the machine says. Never fails: what is not there is left out. */
export async function readMachine(files: SystemFiles): Promise<Machine> {
  const machineId = await files.read("/etc/machine-id");
  // Not yet set ("uninitialized") is as good as none.
  const isMachineId = MACHINE_ID_PATTERN.test(machineId);
  const assetTag = await files.read(`${DMI}/board_asset_tag`);
  const isEc2 = await isEc2Firmware(files, assetTag);
  const firmwareInstanceId = isEc2 && INSTANCE_ID_PATTERN.test(assetTag) ? assetTag : undefined;
  const hardware = firmwareInstanceId ?? (await hardwareFact(files));
  return {
    digest: createHash("sha256")
      .update(`s3-offload-agent machine\0${isMachineId ? machineId : ""}\0${hardware}`)
      .digest("hex")
      .slice(0, 12),
    appId: isMachineId ? appSpecificId(Buffer.from(machineId, "hex")) : undefined,
    hostname: await files.read("/proc/sys/kernel/hostname"),
    isEc2,
    firmwareInstanceId,
  };
}

/**
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html: Nitro instances
 * say so in sys_vendor and have their id as asset tag; Xen instances have a UUID that begins with
 * ec2, which only root reads in DMI, and a BIOS version that says amazon.
 */
async function isEc2Firmware(files: SystemFiles, assetTag: string): Promise<boolean> {
  if (INSTANCE_ID_PATTERN.test(assetTag)) return true;
  if ((await files.read(`${DMI}/sys_vendor`)) === "Amazon EC2") return true;
  if (/amazon/i.test(await files.read(`${DMI}/bios_version`))) return true;
  for (const path of ["/sys/hypervisor/uuid", `${DMI}/product_uuid`]) {
    if (/^ec2/i.test(await files.read(path))) return true;
  }
  return false;
}

/**
 * One thing that differs between clones and stays as it is over reboots. Every user must be able
 * to read it, else the agent and root at a terminal would not see the same machine: that leaves out
 * DMI's product_uuid and serial numbers. One thing, not all there are: a card that is plugged in
 * must not make another machine. "" where there is none, as in a container.
 */
async function hardwareFact(files: SystemFiles): Promise<string> {
  const known = ["/sys/hypervisor/uuid", "/proc/device-tree/serial-number"];
  for (const path of known) {
    const text = await files.read(path);
    if (text !== "" && !/^[0-]+$/.test(text)) return text;
  }
  return await firstAddress(files);
}

/**
 * The hardware address of the network card that comes first on the machine's buses: what is built
 * in comes before what is plugged in. Cards on USB come and go, and virtual interfaces have no
 * device behind them.
 */
async function firstAddress(files: SystemFiles): Promise<string> {
  const NET = "/sys/class/net";
  const cards: { place: string; address: string }[] = [];
  for (const name of await files.names(NET)) {
    const place = await files.target(`${NET}/${name}/device`);
    if (place === "" || place.includes("/usb")) continue;
    // A card in a bond has the bond's address, and its own one here.
    const ofBonded = await files.read(`${NET}/${name}/bonding_slave/perm_hwaddr`);
    // 0: the card's own address, neither drawn at random nor set by somebody.
    const isOwn = (await files.read(`${NET}/${name}/addr_assign_type`)) === "0";
    const address = ofBonded || (isOwn ? await files.read(`${NET}/${name}/address`) : "");
    if (address !== "") cards.push({ place, address });
  }
  cards.sort((one, other) => (one.place + one.address < other.place + other.address ? -1 : 1));
  return cards[0]?.address ?? "";
}

/**
 * As sd_id128_get_machine_app_specific(3) makes it: machine-id(5) asks not to show the machine id
 * itself to anybody, since it names the machine to every program.
 */
function appSpecificId(machineId: Buffer): string {
  const bytes = createHmac("sha256", machineId).update(APP_ID).digest().subarray(0, 16);
  // A UUID of version 4, by its two marks.
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex");
}
