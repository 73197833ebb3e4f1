import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { BuildError } from "./build-error.ts";

/** A file of an ar archive, which is what a deb is (deb(5)). */
interface Member {
  /** The 60 bytes in front of the content: name, time, owner, mode, size. */
  readonly header: string;
  readonly content: Buffer;
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;
/** Where name and size are in a header: offset and width. */
const NAME = [0, 16] as const;
const SIZE = [48, 10] as const;

/**
 * Compresses the data of a deb that has them uncompressed, in place, with the xz of the machine:
 * nfpm's own xz makes a file that is a quarter larger. One thread, so that the bytes do not depend
 * on the number of processors.
 * @throws BuildError if the file is no such deb, or xz is missing or fails.
 */
export async function compressDeb(path: string): Promise<void> {
  const members = readMembers(await readFile(path));
  const data = members.find(({ header }) => field(header, NAME) === "data.tar");
  if (!data) throw new BuildError(`${path} has no data.tar`);
  const content = await xz(data.content);
  const header = [
    "data.tar.xz".padEnd(NAME[1]),
    data.header.slice(NAME[1], SIZE[0]),
    String(content.length).padEnd(SIZE[1]),
    data.header.slice(SIZE[0] + SIZE[1]),
  ].join("");
  const packed = members.map((member) => (member === data ? { header, content } : member));
  await writeFile(path, Buffer.concat([Buffer.from(MAGIC), ...packed.flatMap(writeMember)]));
}

function readMembers(deb: Buffer): Member[] {
  const members: Member[] = [];
  let offset = MAGIC.length;
  while (offset < deb.length) {
    const start = offset + HEADER_BYTES;
    const header = deb.toString("latin1", offset, start);
    const size = Number(field(header, SIZE));
    members.push({ header, content: deb.subarray(start, start + size) });
    // Each member starts at an even offset.
    offset = start + size + (size % 2);
  }
  return members;
}

function writeMember({ header, content }: Member): Buffer[] {
  return [Buffer.from(header, "latin1"), content, Buffer.from("\n".repeat(content.length % 2))];
}

function field(header: string, [offset, width]: readonly [number, number]): string {
  return header.slice(offset, offset + width).trim();
}

/** Level 6, as dpkg-deb has it: a host needs 9 MB to unpack it, and 65 MB at level 9. */
async function xz(content: Buffer): Promise<Buffer> {
  const child = spawn("xz", ["-6", "--threads=1", "--stdout"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", (error) => reject(new BuildError(`xz does not start: ${error.message}`)));
    child.once("close", (status) =>
      status === 0 ? resolve() : reject(new BuildError(`xz ended with ${status}`)),
    );
  });
  // What is said about a pipe that broke is said better by how xz ended.
  child.stdin.on("error", () => {});
  child.stdin.end(content);
  const [packed] = await Promise.all([buffer(child.stdout), ended]);
  return packed;
}
