import { errnoOf, messageOf } from "../lib/errors.ts";

/** What happened to one file that was decided to be transferred. */
export type Outcome =
  /** Its bytes are in the bucket, proved, and it is gone locally. */
  | {
      readonly kind: "removed";
      readonly key: string;
      readonly bytes: number;
      readonly sha256: string;
      /** How often it was sent in this sweep; 0: an earlier sweep had uploaded it. */
      readonly attempts: number;
      readonly uploadMs: number;
      /** The object was there already, under a key that names its content. */
      readonly wasStored: boolean;
      /** Somebody opened it for writing in the moment of its removal: what he writes is lost, or some. */
      readonly wasOpenedLate: boolean;
      /** Where what he wrote is, or what of it could be saved, relative to the watched directory. */
      readonly rescuedAs?: string;
    }
  /** Nothing is wrong, but it must stay for now. */
  | { readonly kind: "kept"; readonly reason: KeptReason; readonly key: string }
  | Failed;

export interface Failed {
  readonly kind: "failed";
  readonly reason: string;
  /**
   * Whose failure it is: the `service`'s, and others would fail as well; the `host`'s (full disk,
   * no descriptors), likewise; or this `file`'s alone.
   */
  readonly scope: "service" | "host" | "file";
  readonly message: string;
  readonly key: string;
  readonly attempts: number;
}

export type KeptReason =
  /** It changed between the scan and the removal; it is looked at again in the next sweep. */
  | "changed"
  /** A process has it open, or mapped, for writing. */
  | "busy"
  /** Somebody else removed or renamed it. */
  | "vanished"
  /** The agent is stopping. */
  | "interrupted"
  /** The sweep stopped transferring because the destination is down. */
  | "deferred";

/** What the host is short of, or has lost; another file would fail for it too. */
const HOST_CODES: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOLCK",
  "ENOSPC",
  "EDQUOT",
]);

export function kept(reason: KeptReason, key: string): Outcome {
  return { kind: "kept", reason, key };
}

/** A failure of this host or file, of what the system said. */
export function failedHere(reason: string, error: unknown, key: string, attempts = 0): Failed {
  const code = errnoOf(error);
  const isHost = code !== undefined && HOST_CODES.has(code);
  return {
    kind: "failed",
    reason: isHost ? code : reason,
    scope: isHost ? "host" : "file",
    message: withCode(code ?? "", messageOf(error)),
    key,
    attempts,
  };
}

/** A message that begins with its code, once. */
export function withCode(code: string, message: string): string {
  return code === "" || message.startsWith(code) ? message : `${code}: ${message}`;
}
