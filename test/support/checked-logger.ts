import type { Clock } from "../../src/lib/clock.ts";
import { type Logger, makeLogger } from "../../src/logs/logger.ts";
import { checkRecord } from "../../tools/records/record-rules.ts";

/**
 * The product's logger, for parts of an agent within a test: it keeps no record, but every one must
 * be as the tables say, of whatever level.
 * @throws Error that tells what is wrong with a record, from `log`
 */
export function checkedLogger(clock: Clock): Logger {
  const logger = makeLogger({
    clock,
    random: Math.random,
    base: { fleet: "web", host: "h1", version: "1" },
    local: [
      {
        write(line) {
          const problems = checkRecord(line);
          if (problems.length > 0) throw new Error(`${problems.join("; ")}: ${line}`);
        },
      },
    ],
    state: [],
    files: [],
  });
  logger.setLevel("debug");
  return logger;
}
