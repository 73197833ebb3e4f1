import { stableFraction } from "../../src/lib/stable-fraction.ts";
import type { Fault, PutHook, PutRequest } from "./fake-s3-faults.ts";

/** Something that S3, or whatever stands in front of it, does to many requests. */
export interface Storm {
  readonly what: string;
  /** Which part of the requests it strikes, from 0 to 1. */
  readonly share: number;
  /** What it strikes with: one of these each time. */
  readonly faults: readonly Fault[];
  /** It strikes all requests for a key or none of them. */
  readonly byKey?: boolean;
}

function refusal(status: number, code: string): Fault {
  return { kind: "status", status, code };
}

const SLOW_DOWN = refusal(503, "SlowDown");
const INTERNAL_ERROR = refusal(500, "InternalError");
const RESETS: readonly Fault[] = [
  { kind: "reset-before" },
  { kind: "reset-during", afterBytes: 1 },
  { kind: "reset-during", afterBytes: 5_000 },
];
const PORTAL: Fault = { kind: "captive-portal" };
const EMPTY: Fault = { kind: "empty-200" };
const NO_CHECKSUM: Fault = { kind: "no-checksum" };
const OTHER_CHECKSUM: Fault = { kind: "wrong-checksum" };
const LOST: Fault = { kind: "lost-answer" };
const CONFLICT = refusal(409, "ConditionalRequestConflict");
const SKEWED = refusal(403, "RequestTimeTooSkewed");
const EXPIRED = refusal(400, "ExpiredToken");
const DENIED = refusal(403, "AccessDenied");

export const STORMS: readonly Storm[] = [
  { what: "500 and SlowDown", share: 0.6, faults: [SLOW_DOWN, INTERNAL_ERROR] },
  { what: "lost answers", share: 0.3, faults: [LOST] },
  { what: "resets", share: 0.5, faults: RESETS },
  { what: "200 with HTML or nothing", share: 0.5, faults: [PORTAL, EMPTY] },
  { what: "200 without checksum", share: 0.5, faults: [NO_CHECKSUM] },
  { what: "200 with another checksum", share: 0.5, faults: [OTHER_CHECKSUM] },
  { what: "409, skewed clock, old token", share: 0.5, faults: [CONFLICT, SKEWED, EXPIRED] },
  { what: "some keys denied", share: 0.1, faults: [DENIED], byKey: true },
  {
    what: "all of it",
    share: 0.6,
    faults: [
      ...[SLOW_DOWN, INTERNAL_ERROR, LOST, ...RESETS, PORTAL, EMPTY, NO_CHECKSUM, OTHER_CHECKSUM],
      ...[CONFLICT, SKEWED, EXPIRED],
    ],
  },
  // Whatever is answered, none of it is true.
  { what: "nothing but lies", share: 1, faults: [PORTAL, EMPTY, NO_CHECKSUM, OTHER_CHECKSUM] },
];

/**
 * A hook for the fake S3 that makes a storm.
 * @param seed the same one strikes the same requests, in whatever order they arrive
 */
export function stormHook({ share, faults, byKey = false }: Storm, seed: number): PutHook {
  return (request: PutRequest): Fault | undefined => {
    const { key, operation, attemptForThisKey } = request;
    const about = byKey ? `${seed} ${key}` : `${seed} ${key} ${operation} ${attemptForThisKey}`;
    if (stableFraction(about, "strikes") >= share) return undefined;
    return faults[Math.floor(stableFraction(about, "with") * faults.length)];
  };
}
