import type { RouteSettings } from "../config/schema.ts";
import type { Destination } from "../sweep/object-store.ts";

/** Where a route's objects go, and how they are written. */
export function destinationOf(settings: RouteSettings): Destination {
  return {
    bucket: settings.bucket,
    storageClass: settings["storage-class"],
    kmsKeyId: settings["kms-key-id"],
    tags: Object.fromEntries(settings.tags),
    bucketOwner: settings["bucket-owner"],
  };
}
