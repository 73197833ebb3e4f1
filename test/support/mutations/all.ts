import { CREDENTIALS_MUTATIONS } from "./credentials.ts";
import type { Mutation } from "./mutation.ts";
import { REMOVAL_MUTATIONS } from "./removal.ts";
import { SCAN_MUTATIONS } from "./scan.ts";
import { STATE_MUTATIONS } from "./state.ts";
import { UPLOAD_MUTATIONS } from "./upload.ts";

/** Every safety step of the transfer and of the credentials, taken out. */
export const MUTATIONS: readonly Mutation[] = [
  ...SCAN_MUTATIONS,
  ...UPLOAD_MUTATIONS,
  ...STATE_MUTATIONS,
  ...REMOVAL_MUTATIONS,
  ...CREDENTIALS_MUTATIONS,
];
