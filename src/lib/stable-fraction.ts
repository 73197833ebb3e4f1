import { createHash } from "node:crypto";

const FRACTION_BYTES = 6;

/**
 * A number that spreads hosts evenly and is the same at every call: the first six bytes of
 * SHA-256(`hostId:purpose`), divided by 2^48. Anybody can compute it, for example with
 * `printf 'web-1:sweep' | sha256sum`.
 * @returns a number in [0, 1)
 */
export function stableFraction(hostId: string, purpose: string): number {
  const digest = createHash("sha256").update(`${hostId}:${purpose}`).digest();
  return digest.readUIntBE(0, FRACTION_BYTES) / 2 ** (8 * FRACTION_BYTES);
}
