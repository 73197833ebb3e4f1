/**
 * A program for the tests of the fault hook and of the striker: does, in the directory of its first
 * argument, what the others say, one after the other, and prints `OPERATION ok` or the error of it.
 */
import fs, { constants } from "node:fs";
import { lstat, open, readFile, rename, unlink, writeFile } from "node:fs/promises";
import koffi from "koffi";

const libc = koffi.load("libc.so.6");
const renameat2 = libc.func("int renameat2(int, const char *, int, const char *, unsigned int)");
const fcntl = libc.func("int fcntl(int, int, int)");
const F_SETLEASE = 1024;
const F_RDLCK = 0;

const [directory = "", ...operations] = process.argv.slice(2);
const a = `${directory}/a`;
const b = `${directory}/b`;
// A broken lease is a signal that ends the process otherwise.
process.on("SIGIO", () => {});

const known: Readonly<Record<string, () => unknown>> = {
  async writeSynced() {
    const file = await open(a, "w");
    await file.writeFile("first\n");
    await file.datasync();
    await file.close();
  },
  append: () => fs.appendFileSync(a, "second\n"),
  writeUnsynced: () => writeFile(b, "unsynced\n"),
  renameUnsynced: () => rename(b, a),
  async syncDirectory() {
    const file = await open(directory, constants.O_DIRECTORY);
    await file.sync();
    await file.close();
  },
  outside: () => readFile("/etc/hostname"),
  async unlinkByDescriptor() {
    const file = await open(directory, constants.O_DIRECTORY);
    await unlink(Buffer.concat([Buffer.from(`/proc/self/fd/${file.fd}/a\xff`, "latin1")])).catch(
      () => {},
    );
    await unlink(Buffer.from(`/proc/self/fd/${file.fd}/a`));
    await file.close();
  },
  renameByKernel() {
    if (renameat2(-100, a, -100, b, 0) !== 0) throw new Error(`errno ${koffi.errno()}`);
  },
  lookSync: () => fs.lstatSync(a),
  look: () => lstat(a),
  async lookCallback() {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    fs.lstat(a, (error) => (error === null ? resolve() : reject(error)));
    await promise;
  },
  async readHandle() {
    await using file = await open(a);
    await file.read(Buffer.alloc(1), 0, 1, 0);
  },
  lease() {
    const fd = fs.openSync(a, "r");
    if (fcntl(fd, F_SETLEASE, F_RDLCK) !== 0) throw new Error(`errno ${koffi.errno()}`);
  },
};

for (const name of operations) {
  try {
    await known[name]?.();
    process.stdout.write(`${name} ok\n`);
  } catch (error) {
    const { code, errno, syscall, message } = error as NodeJS.ErrnoException;
    process.stdout.write(`${name} ${code ?? message} ${errno} ${syscall}\n`);
  }
}
process.exit();
