import { makeGlob } from "./glob.ts";

/**
 * Makes the test that the settings `include` and `exclude` stand for. A glob is about the whole
 * path, so `*.log` takes files of the watched directory itself and `**\/*.log` those below it too.
 * Names that begin with a dot are like any other.
 * @returns whether a path relative to the watched directory is selected
 */
export function makeSelector(
  include: readonly string[],
  exclude: readonly string[],
): (path: string) => boolean {
  const [included, excluded] = [include.map(makeGlob), exclude.map(makeGlob)];
  return (path) => {
    const names = path.split("/");
    return included.some((has) => has(names)) && !excluded.some((has) => has(names));
  };
}
