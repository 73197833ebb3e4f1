/** A safety step taken out of the product, and the test that must fail then. */
export interface Mutation {
  /** What is wrong with the product then. */
  readonly name: string;
  /** The source file, below `src/`. */
  readonly file: string;
  /** Texts that occur exactly once each, and what stands in their places. */
  readonly edits: readonly (readonly [from: string, to: string])[];
  /** A file of tests, below `test/`, and a part of the names of those that notice. */
  readonly foundBy: readonly [file: string, grep: string];
}

/**
 * Makes the edits of a mutation.
 * @throws Error if a text is not there, or not once: the mutation has to follow the source
 */
export function mutate(source: string, { name, file, edits }: Mutation): string {
  return edits.reduce((text, [from, to]) => {
    const pieces = text.split(from);
    if (pieces.length === 2) return pieces.join(to);
    throw new Error(`"${name}": ${file} has ${pieces.length - 1} times, not once: ${from}`);
  }, source);
}
