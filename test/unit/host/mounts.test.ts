import { expect } from "chai";
import { accessOf, mountOf, parseMounts } from "../../../src/host/mounts.ts";

/** As the kernel writes them; the first mount is that of the root. */
function mounts(...lines: string[]) {
  return parseMounts(`${lines.join("\n")}\n`);
}

const ROOT = "10 1 254:0 /host / ro,nosuid,relatime shared:1 master:2 - ext4 /dev/vda rw,discard";

describe("mounts", () => {
  it("reads a line with any number of optional fields", () => {
    const [root, plain] = mounts(
      ROOT,
      "11 10 0:40 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1k",
      "not a mount",
    );
    expect(root).to.deep.equal({
      id: 10,
      parent: 1,
      point: "/",
      isReadOnly: true,
      isFilesystemReadOnly: false,
      isRemoved: false,
    });
    expect(plain).to.include({ id: 11, point: "/tmp", isReadOnly: false });
  });

  it("takes no other option for ro", () => {
    const [mount] = mounts("10 1 0:1 / / rw,ro_x - btrfs none rw,errors=remount-ro");
    expect(mount).to.include({ isReadOnly: false, isFilesystemReadOnly: false });
  });

  it("reads escaped names", () => {
    const [, mount] = mounts(ROOT, "11 10 0:1 / /a\\040b\\011c\\134d\\012e rw - ext4 none rw");
    expect(mount?.point).to.equal("/a b\tc\\d\ne");
  });

  it("finds the mount that a path leads to", () => {
    const all = mounts(
      ROOT,
      "11 10 0:1 / /srv/in rw - ext4 none rw",
      "12 11 0:2 / /srv/in/deep ro - ext4 none ro",
    );
    const idOf = (path: string) => mountOf(all, path)?.id;
    expect(idOf("/srv/in")).to.equal(11);
    expect(idOf("/srv/in/x")).to.equal(11);
    expect(idOf("/srv/inner")).to.equal(10);
    expect(idOf("/srv/in/deep/x")).to.equal(12);
    expect(idOf("/")).to.equal(10);
    expect(mountOf([], "/srv")).to.equal(undefined);
  });

  it("sees what lies on top, and nothing of what that has covered", () => {
    const all = mounts(
      ROOT,
      "11 10 0:1 / /home/u/out rw - ext4 none rw",
      // Over the folder in which that is; it cannot be reached any more.
      "12 10 0:2 / /home ro - tmpfs none rw",
      "13 10 0:3 / /srv rw - ext4 none rw",
      "14 13 0:4 / /srv ro - ext4 none ro",
    );
    expect(mountOf(all, "/home/u/out")?.id).to.equal(12);
    expect(mountOf(all, "/srv/x")?.id).to.equal(14);
  });

  it("comes to an end in a list that is no tree", () => {
    const all = mounts("1 2 0:1 / / rw - ext4 none rw", "2 1 0:1 / / rw - ext4 none rw");
    expect(accessOf(all, "/srv")).to.equal("unknown");
    expect(accessOf(mounts("1 1 0:1 / / rw - ext4 none rw"), "/srv")).to.equal("writable");
  });

  it("tells what a sandbox keeps shut from what nobody can write", () => {
    const all = mounts(
      ROOT,
      "11 10 0:1 / /open rw - ext4 none rw",
      "12 10 0:2 / /broken rw - ext4 none ro",
      "13 10 0:2 / /both ro - ext4 none ro",
      "14 10 0:1 /out//deleted /gone rw - ext4 none rw",
    );
    expect(accessOf(all, "/open/x")).to.equal("writable");
    expect(accessOf(all, "/shut")).to.equal("sealed");
    expect(accessOf(all, "/broken")).to.equal("read-only");
    expect(accessOf(all, "/both")).to.equal("read-only");
    expect(accessOf(all, "/gone")).to.equal("removed");
  });

  it("reads this process's own mounts", async () => {
    const { readFile } = await import("node:fs/promises");
    const own = parseMounts(await readFile("/proc/self/mountinfo", "utf8"));
    expect(mountOf(own, "/proc")?.point).to.equal("/proc");
  });
});
