import { CREDENTIALS_MUTATIONS } from "./credentials.ts";
import { GUARD_MUTATIONS } from "./guards.ts";
import { METRICS_MUTATIONS } from "./metrics.ts";
import type { Mutation } from "./mutation.ts";
import { REFRESH_MUTATIONS } from "./refresh.ts";
import { REMOVAL_MUTATIONS } from "./removal.ts";
import { SCAN_MUTATIONS } from "./scan.ts";
import { SERVICE_MUTATIONS } from "./service.ts";
import { SPOOL_MUTATIONS } from "./spool.ts";
import { STATE_MUTATIONS } from "./state.ts";
import { UPLOAD_MUTATIONS } from "./upload.ts";

/** Every safety step of the transfer, of the credentials, of the log records, of what alarms rest on, and of what keeps an agent to its host and its place, taken out. */
export const MUTATIONS: readonly Mutation[] = [
  ...SCAN_MUTATIONS,
  ...UPLOAD_MUTATIONS,
  ...STATE_MUTATIONS,
  ...REMOVAL_MUTATIONS,
  ...GUARD_MUTATIONS,
  ...REFRESH_MUTATIONS,
  ...CREDENTIALS_MUTATIONS,
  ...METRICS_MUTATIONS,
  ...SERVICE_MUTATIONS,
  ...SPOOL_MUTATIONS,
];
