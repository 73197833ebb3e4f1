import { expect } from "chai";
import fc from "fast-check";
import {
  MULTIPART_BYTES_MIN,
  OBJECT_BYTES_MAX,
  PART_BYTES_MAX,
  PART_BYTES_MIN,
  PARTS_MAX,
  partBytesOf,
  plannedParts,
} from "../../../src/sweep/part-plan.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

describe("the size of parts", () => {
  const table: readonly (readonly [bytes: number, partBytes: number])[] = [
    [MULTIPART_BYTES_MIN, 8 * MIB],
    [GIB, 8 * MIB],
    [9_000 * 8 * MIB, 8 * MIB],
    [9_000 * 8 * MIB + 1, 9 * MIB],
    [9_000 * 16 * MIB, 16 * MIB],
    [2 ** 40, 117 * MIB],
    [Number(OBJECT_BYTES_MAX), 5 * GIB],
  ];
  for (const [bytes, partBytes] of table) {
    it(`${bytes} bytes: ${partBytes / MIB} MiB`, () => {
      expect(partBytesOf(bytes)).to.equal(partBytes);
    });
  }

  it("is within S3's limits for every size up to the largest object, in whole MiB", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number(OBJECT_BYTES_MAX) }), (bytes) => {
        const partBytes = partBytesOf(bytes);
        expect(partBytes).to.be.within(PART_BYTES_MIN, PART_BYTES_MAX);
        expect(partBytes % MIB).to.equal(0);
        expect(Math.ceil(bytes / partBytes)).to.be.at.most(PARTS_MAX);
      }),
    );
  });
});

describe("the parts of a file", () => {
  it("follow each other without a gap, numbered from 1, and only the last one is smaller", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 300 }), (bytes, partBytes) => {
        const parts = [...plannedParts(bytes, partBytes)];
        let end = 0;
        for (const [index, part] of parts.entries()) {
          expect(part).to.include({ partNumber: index + 1, start: end });
          if (index + 1 < parts.length) expect(part.bytes).to.equal(partBytes);
          end += part.bytes;
        }
        expect(end).to.equal(bytes);
        expect(parts.length).to.equal(Math.max(1, Math.ceil(bytes / partBytes)));
      }),
    );
  });
});
