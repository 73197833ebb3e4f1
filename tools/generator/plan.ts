import { seededRandom } from "./random.ts";

/** How a producer behaves. */
export interface GeneratorOptions {
  readonly directory: string;
  /** How many files; undefined: until it is stopped. */
  readonly count: number | undefined;
  /** Mean time between two files, in milliseconds. */
  readonly everyMs: number;
  /** Least and greatest size of a file, in bytes. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** The longest that a slow file is held open, in milliseconds; 0: no file is slow. */
  readonly slowWriteMs: number;
  /** Over how many sub-directories the files are spread; 0: none. */
  readonly subdirectories: number;
  readonly seed: number;
}

/** What the producer does next. */
export interface PlannedFile {
  /** How long after the one before it is begun, in milliseconds; the first one is begun at once. */
  readonly delayMs: number;
  readonly bytes: number;
  /** Over how long it is written, in milliseconds; 0: in one go. */
  readonly writeMs: number;
  /** Tells apart files of one millisecond: six hexadecimal digits. */
  readonly tag: string;
  /** Sub-directory, or undefined. */
  readonly subdirectory: string | undefined;
  readonly contentSeed: number;
}

/** One file in so many is written slowly. */
const SLOW_SHARE = 0.25;

/** The shape of every name: the time of the data in UTC, and a tag. */
export const FILE_NAME = /^data-\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}\.csv$/;

/**
 * The endless sequence of files that a seed stands for: intervals of half to one and a half times
 * the mean, sizes spread evenly over their orders of magnitude.
 */
export function* planFiles(options: GeneratorOptions): Generator<PlannedFile, never> {
  const random = seededRandom(options.seed);
  const logMin = Math.log(options.bytesMin + 1);
  const logMax = Math.log(options.bytesMax + 1);
  for (let index = 0; ; index += 1) {
    const delayMs = Math.round(options.everyMs * (0.5 + random()));
    const size = Math.round(Math.exp(logMin + random() * (logMax - logMin))) - 1;
    const bytes = Math.min(options.bytesMax, Math.max(options.bytesMin, size));
    const isSlow = random() < SLOW_SHARE;
    const writeMs = Math.round(options.slowWriteMs * (0.3 + 0.7 * random()));
    const tag = Math.floor(random() * 2 ** 24)
      .toString(16)
      .padStart(6, "0");
    const folder = Math.floor(random() * options.subdirectories);
    yield {
      delayMs: index === 0 ? 0 : delayMs,
      bytes,
      // An empty file has nothing to grow with.
      writeMs: isSlow && bytes > 0 ? writeMs : 0,
      tag,
      subdirectory: options.subdirectories > 0 ? `source-${folder + 1}` : undefined,
      contentSeed: Math.floor(random() * 2 ** 32),
    };
  }
}

/**
 * The name of a file whose data is of this time.
 * @param timestamp wall-clock milliseconds
 */
export function fileName(timestamp: number, tag: string): string {
  const time = new Date(timestamp).toISOString().replaceAll("-", "").replaceAll(":", "");
  return `data-${time}-${tag}.csv`;
}
