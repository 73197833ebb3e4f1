/** What happened to one file that was decided to be transferred. */
export type Outcome =
  /** Its bytes are in the bucket, proved, and it is gone locally. */
  | {
      readonly kind: "removed";
      readonly key: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly attempts: number;
      readonly uploadMs: number;
      /** The object was there already, under a key that names its content. */
      readonly wasStored: boolean;
    }
  /** Nothing is wrong, but it must stay for now. */
  | { readonly kind: "kept"; readonly reason: KeptReason; readonly key: string }
  | {
      readonly kind: "failed";
      readonly reason: string;
      readonly scope: "service" | "file";
      readonly message: string;
      readonly key: string;
      readonly attempts: number;
    };

export type KeptReason =
  /** It changed between the scan and the removal; it is looked at again in the next sweep. */
  | "changed"
  /** Somebody else removed or renamed it. */
  | "vanished"
  /** The agent is stopping. */
  | "interrupted"
  /** The sweep stopped transferring because the destination is down. */
  | "deferred";
