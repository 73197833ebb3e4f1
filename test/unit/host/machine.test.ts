import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { expect } from "chai";
import { readMachine } from "../../../src/host/machine.ts";
import { SystemFiles } from "../../../src/host/system-files.ts";
import { MACHINE_ID, type MachineFiles, makeMachine } from "../../support/machine-files.ts";
import { notRun } from "../../support/not-run.ts";

const DMI = "/sys/class/dmi/id";

const read = async ({ root }: MachineFiles) => await readMachine(new SystemFiles(root));

/** Whether a change of the machine's files makes another digest. */
async function changes(change: (machine: MachineFiles) => Promise<unknown>): Promise<boolean> {
  await using machine = await makeMachine();
  const before = await read(machine);
  await change(machine);
  return (await read(machine)).digest !== before.digest;
}

describe("the digest of a machine", () => {
  it("is 12 hexadecimal digits, the same each time, and does not show the machine id", async () => {
    await using machine = await makeMachine();
    const { digest } = await read(machine);
    expect(digest).to.match(/^[0-9a-f]{12}$/);
    expect((await read(machine)).digest).to.equal(digest);
    expect(MACHINE_ID).not.to.include(digest);
  });

  const card = (address: string, place: string | undefined, assigned?: number) => ({
    address,
    place,
    ...(assigned === undefined ? {} : { assigned }),
  });
  const sets = (path: string, text: string) => (machine: MachineFiles) => machine.write(path, text);
  const adds =
    (name: string, ...parts: Parameters<typeof card>) =>
    (machine: MachineFiles) =>
      machine.addCard(name, card(...parts));

  const others: readonly (readonly [string, (machine: MachineFiles) => Promise<unknown>])[] = [
    ["another machine id", sets("/etc/machine-id", "f".repeat(32))],
    ["another card in the first one's place", sets("/sys/class/net/eth0/address", "02::9")],
    ["another Xen domain", sets("/sys/hypervisor/uuid", "1f2e-3d")],
    ["another board", sets("/proc/device-tree/serial-number", "10000000a1\0")],
  ];
  for (const [what, change] of others) {
    it(`is another one with ${what}`, async () => expect(await changes(change)).to.equal(true));
  }

  const same: readonly (readonly [string, (machine: MachineFiles) => Promise<unknown>])[] = [
    ["another host name", sets("/proc/sys/kernel/hostname", "other")],
    ["another card after the first", adds("eth1", "02::1", "pci0000:00/0000:00:04.0")],
    ["a card on USB", adds("usb0", "02::2", "pci0000:00/0000:00:01.0/usb1/1-1")],
    ["a virtual interface", adds("docker0", "02::3", undefined)],
    ["a card with a drawn address", adds("wlan0", "02::4", "pci0000:00/0000:00:02.0", 1)],
    ["a DMI UUID that only root reads", sets(`${DMI}/product_uuid`, "11-22")],
    ["a board without a number", sets("/proc/device-tree/serial-number", "0000000000")],
    [
      "the card in a bond, which gives it another address",
      async (machine) => {
        await machine.write("/sys/class/net/eth0/bonding_slave/perm_hwaddr", "02:00:00:00:00:01");
        await machine.write("/sys/class/net/eth0/address", "02::8");
        await machine.write("/sys/class/net/eth0/addr_assign_type", "3");
      },
    ],
  ];
  for (const [what, change] of same) {
    it(`is the same with ${what}`, async () => expect(await changes(change)).to.equal(false));
  }

  it("is that of the instance where the firmware names one, whatever cards there are", async () => {
    await using machine = await makeMachine({
      [`${DMI}/board_asset_tag`]: "i-0abcdef0123456789\n",
    });
    const { digest } = await read(machine);
    await machine.write("/sys/class/net/eth0/address", "02::9");
    expect((await read(machine)).digest).to.equal(digest);
    await machine.write(`${DMI}/board_asset_tag`, "i-0abcdef0123456780\n");
    expect((await read(machine)).digest).not.to.equal(digest);
  });

  it("is there even where a machine says nothing", async () => {
    await using machine = await makeMachine();
    await rm(machine.root, { recursive: true });
    const { digest, appId, hostname, isEc2 } = await read(machine);
    expect(digest).to.match(/^[0-9a-f]{12}$/);
    expect({ appId, hostname, isEc2 }).to.deep.equal({
      appId: undefined,
      hostname: "",
      isEc2: false,
    });
  });
});

describe("the id made of the machine id", () => {
  it("is the one that systemd makes of it", async () => {
    await using machine = await makeMachine();
    const { appId } = await read(machine);
    expect(appId).to.match(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    expect(appId).not.to.equal(MACHINE_ID);
    let expected: string;
    try {
      const args = ["machine-id", "--app-specific=b1d0f0a54d3c4c0c8f0e6a2f6c7b9e51"];
      expected = execFileSync("systemd-id128", args, { encoding: "utf8", stdio: "pipe" }).trim();
    } catch (error) {
      return notRun(`systemd's own answer: ${error}`);
    }
    expect((await readMachine(new SystemFiles())).appId).to.equal(expected);
  });

  for (const text of ["", "uninitialized", "0123", "g".repeat(32)]) {
    it(`is not made of ${JSON.stringify(text)}`, async () => {
      await using machine = await makeMachine({ "/etc/machine-id": text });
      expect((await read(machine)).appId).to.equal(undefined);
    });
  }
});

describe("an EC2 instance", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    [`${DMI}/sys_vendor`, "Amazon EC2\n", true],
    [`${DMI}/board_asset_tag`, "i-0abcdef0123456789\n", true],
    [`${DMI}/bios_version`, "4.11.amazon\n", true],
    [`${DMI}/product_uuid`, "EC2A1B2C-0000\n", true],
    ["/sys/hypervisor/uuid", "ec2e1916-9099\n", true],
    [`${DMI}/sys_vendor`, "QEMU\n", false],
    [`${DMI}/board_asset_tag`, "Not Specified\n", false],
    ["/sys/hypervisor/uuid", "ab2e1916-9099\n", false],
  ];
  for (const [path, text, isEc2] of table) {
    it(`is ${isEc2 ? "" : "not "}known by ${text.trim()} in ${path}`, async () => {
      await using machine = await makeMachine({ [path]: text });
      expect((await read(machine)).isEc2).to.equal(isEc2);
    });
  }

  it("is not believed to have any other asset tag for its id", async () => {
    await using machine = await makeMachine({
      [`${DMI}/sys_vendor`]: "Amazon EC2",
      [`${DMI}/board_asset_tag`]: "i-love-tags",
    });
    expect(await read(machine)).to.include({ isEc2: true, firmwareInstanceId: undefined });
  });
});
