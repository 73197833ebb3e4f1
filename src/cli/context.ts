import type { Readable, Writable } from "node:stream";

/**
 * What a command gets from the process. Commands never touch `process` themselves, and only
 * `main.ts` ends it.
 */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  /** Where a person answers questions, if it is a terminal. */
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly isTerminal: boolean;
  /** The first signal asks to stop: finish what is in flight. */
  readonly stop: AbortSignal;
  /** Registers what a SIGHUP does. */
  onReload(refresh: () => void): void;
}

/** Options that every command which reads the bootstrap configuration has. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}
