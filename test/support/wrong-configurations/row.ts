import type { Host } from "../../../src/config/config.ts";
import type { Written } from "../parameter-sets.ts";

/** A value that no layer may give a setting, and what its refusal must say would be right. */
export type WrongValue = readonly [leaf: string, value: string, says: string];

/** Parameters that are refused for what they are together. */
export interface WrongWhole {
  readonly about: string;
  /** Beside the fleet's `bucket`, unless that is written as undefined. */
  readonly written: Written;
  readonly guards?: Partial<Host>;
  /** The parameter that must be named: `fleet/<leaf>` or `host/<leaf>`. */
  readonly names: string;
  readonly says: string;
}
