import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setAside } from "../lib/record-log.ts";
import { firstOf, HEADER_BYTES_MAX, headerOf, ownerMark, SEGMENT_VERSION } from "./segment.ts";
import { endOf, SEGMENT_FILE_BYTES_MAX, SegmentFile } from "./segment-file.ts";

/**
 * What an earlier process left, oldest first. A segment without a record is deleted, one of a newer
 * version set aside; what is no segment is left alone.
 * @param owner see SpoolDisk.open
 * @returns `takenTo`: the number behind the last record; `foreignTo`: behind the last one of another
 *   owner, or 0
 * @throws system errors
 */
export async function findSegments(directory: string, owner: string) {
  const found: SegmentFile[] = [];
  const aside: string[] = [];
  let takenTo = 0;
  let foreignTo = 0;
  for (const name of (await readdir(directory)).toSorted()) {
    const first = firstOf(name);
    if (first === undefined) continue;
    const path = join(directory, name);
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size > SEGMENT_FILE_BYTES_MAX) continue;
    found.push(SegmentFile.found(path, { first, end: first, bytes: stats.size }));
  }
  const segments: SegmentFile[] = [];
  for (const [nth, segment] of found.entries()) {
    const header = headerOf(await segment.read(0, HEADER_BYTES_MAX));
    if (header !== undefined && header.version > SEGMENT_VERSION) {
      aside.push(await setAside(segment.path));
      continue;
    }
    segment.end = found[nth + 1]?.first ?? endOf(await segment.read(0), segment.first);
    takenTo = Math.max(takenTo, segment.end);
    if (header?.owner !== undefined && header.owner !== ownerMark(owner)) foreignTo = segment.end;
    if (segment.end > segment.first) segments.push(segment);
    else await segment.remove().catch(() => undefined);
  }
  return { segments, aside, takenTo, foreignTo };
}
