import type { ParameterSource } from "../config/parameters.ts";
import type { Progress } from "../lib/progress.ts";

const TASK = "a request to the Parameter Store";

/** The same source, each of whose requests is watched from its beginning to its end. */
export function watchParameters(source: ParameterSource, progress: Progress): ParameterSource {
  return {
    readPage: (path, token, signal) =>
      progress.watch(TASK, () => source.readPage(path, token, signal)),
    readNames: (names, signal) => progress.watch(TASK, () => source.readNames(names, signal)),
  };
}
