/** A build that cannot go on. Its message is for whoever started it, without a stack trace. */
export class BuildError extends Error {
  override readonly name = "BuildError";
}
