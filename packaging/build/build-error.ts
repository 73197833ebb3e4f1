/** A build that cannot go on, with a message for the person who started it. Needs no stack trace. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}
