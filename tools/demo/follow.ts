/** What the demo saw of the daemon. */
export interface Followed {
  /** Resolves when so many files are gone; rejects if the daemon ends or fails before. */
  readonly allRemoved: Promise<void>;
  /** The keys of the files that are gone, by path, as the daemon told. */
  readonly keys: ReadonlyMap<string, string>;
  /** Resolves when the daemon has ended. */
  readonly ended: Promise<void>;
}

/**
 * Reads the daemon's records to the end and tells of them in words.
 * @param options.onStarted hears that the daemon is there
 * @param options.onRemoved hears of each file that is gone
 */
export function follow(
  records: AsyncIterable<Record<string, unknown>>,
  options: {
    readonly files: number;
    readonly say: (who: string, text: string) => void;
    readonly onStarted: () => void;
    readonly onRemoved: () => Promise<void>;
  },
): Followed {
  const { say } = options;
  const keys = new Map<string, string>();
  const all = Promise.withResolvers<void>();
  let waiting = 0;

  const tell = async (record: Record<string, unknown>): Promise<void> => {
    const event = String(record["event"]);
    if (event === "agent.started") {
      options.onStarted();
    } else if (event === "config.applied") {
      const [route] = record["routes"] as readonly Record<string, unknown>[];
      say(
        "agent",
        `follows ${record["configHash"]}: prefix ${route?.["prefix"]}, ${route?.["schedule"]}`,
      );
    } else if (event === "file.removed") {
      const path = String(record["path"]);
      keys.set(path, String(record["key"]));
      say("agent", `gone      ${path} -> s3://${record["bucket"]}/${record["key"]}`);
      await options.onRemoved();
      if (keys.size === options.files) all.resolve();
    } else if (event === "sweep.completed") {
      if (record["filesWaiting"] !== waiting) {
        waiting = Number(record["filesWaiting"]);
        say("agent", `${waiting} ${waiting === 1 ? "file waits" : "files wait"} to be 30 s old`);
      }
    } else if (record["level"] === "warn" || record["level"] === "error") {
      say("agent", JSON.stringify(record));
      if (event === "agent.failed") all.reject(new Error(String(record["message"])));
    }
  };

  const read = async (): Promise<void> => {
    for await (const record of records) await tell(record);
  };
  const ended = read().finally(() => {
    all.reject(new Error("the daemon ended before all files were gone"));
  });
  return { allRemoved: all.promise, keys, ended };
}
