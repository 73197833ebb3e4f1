import picomatch from "picomatch";

/**
 * Makes the test that the settings `include` and `exclude` stand for. A glob without a slash is
 * about the whole path, so `*.log` takes files of the watched directory itself and `**\/*.log`
 * those below it too. Names that begin with a dot are like any other.
 * @returns whether a path relative to the watched directory is selected
 */
export function makeSelector(
  include: readonly string[],
  exclude: readonly string[],
): (path: string) => boolean {
  const options = { dot: true };
  const isIncluded = picomatch([...include], options);
  const isExcluded = picomatch([...exclude], options);
  return (path) => isIncluded(path) && !isExcluded(path);
}
