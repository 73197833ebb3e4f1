import { crc32 } from "node:zlib";

/**
 * The checksum that stands before what is kept in files of the agent's own, so that what a disk or
 * a power cut has damaged is known: the CRC-32 in eight hexadecimal digits.
 */
export function checksumOf(content: string | Buffer): string {
  return crc32(content).toString(16).padStart(8, "0");
}
