import { CONTENT_MARK } from "../marks.ts";
import { seededRandom } from "./random.ts";

const PIECE_BYTES_MAX = 64 * 1_024;

/**
 * The content of a file: lines of measured values, cut to exactly so many bytes. The same
 * seed gives the same bytes.
 * @returns pieces of at most 64 KiB, so that a large file needs no more memory than a small one
 */
export function* contentPieces(bytes: number, seed: number): Generator<Buffer> {
  const random = seededRandom(seed);
  let left = bytes;
  while (left > 0) {
    let text = "";
    while (text.length < Math.min(left, PIECE_BYTES_MAX)) {
      text += `${CONTENT_MARK},${random().toFixed(9)},${random().toFixed(9)}\n`;
    }
    const piece = Buffer.from(text.slice(0, Math.min(left, PIECE_BYTES_MAX)), "latin1");
    left -= piece.length;
    yield piece;
  }
}
