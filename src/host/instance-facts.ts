import type { Clock } from "../lib/clock.ts";
import { InstanceMetadata, isMetadataDisabled, MetadataError } from "./instance-metadata.ts";

/** What the instance metadata service has to say about one thing. */
export type MetadataAnswer =
  | { readonly kind: "told"; readonly value: string }
  /** It says that there is no such thing. */
  | { readonly kind: "absent" }
  /** It was not asked (no reason), or does not answer. */
  | { readonly kind: "silent"; readonly reason: SilenceReason | undefined };

export interface SilenceReason {
  readonly message: string;
  readonly wayOut: string;
}

/** Asks the instance metadata service where there may be one, and takes its silence for an answer. */
export class InstanceFacts implements Disposable {
  readonly #metadata: InstanceMetadata | undefined;
  readonly #notAsked: SilenceReason | undefined;

  /**
   * @param options.isLikely whether there is anything to ask: elsewhere the question would only be
   *   waited for
   */
  constructor(options: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly isLikely: boolean;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  }) {
    const { env, isLikely } = options;
    if (!isLikely) return;
    if (isMetadataDisabled(env)) {
      this.#notAsked = {
        message: "AWS_EC2_METADATA_DISABLED keeps the agent from asking the instance metadata",
        wayOut:
          "Take the variable away, or say `hostId`, `fleet` and `region` in the bootstrap file.",
      };
      return;
    }
    try {
      this.#metadata = new InstanceMetadata(options);
    } catch (error) {
      this.#notAsked = reasonOf(error);
    }
  }

  /** @param path below `/latest/meta-data/` @throws the signal's reason */
  async ask(path: string): Promise<MetadataAnswer> {
    if (this.#metadata === undefined) return { kind: "silent", reason: this.#notAsked };
    try {
      const value = await this.#metadata.read(path);
      return value === undefined ? { kind: "absent" } : { kind: "told", value };
    } catch (error) {
      return { kind: "silent", reason: reasonOf(error) };
    }
  }

  [Symbol.dispose](): void {
    this.#metadata?.[Symbol.dispose]();
  }
}

function reasonOf(error: unknown): SilenceReason {
  if (error instanceof MetadataError) return { message: error.message, wayOut: error.hint };
  throw error;
}
