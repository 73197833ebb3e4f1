/**
 * The CRC-32 of two pieces of bytes one behind the other, from those of each: to append n bytes is
 * to multiply by x^(8n) modulo the polynomial (zlib, crc32_combine).
 */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  let power = X_TO_THE_8;
  let shifted = first;
  for (let rest = secondBytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) shifted = multiply(power, shifted);
    power = multiply(power, power);
  }
  return (shifted ^ second) >>> 0;
}

// Polynomials are reflected, as CRC-32 has them: the highest bit is the factor of x^0.
const POLYNOMIAL = 0xedb88320;
const X_TO_THE_8 = 0x80000000 >>> 8;

function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit -= 1) {
    if ((a >>> bit) & 1) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}
