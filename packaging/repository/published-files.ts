/** How a file of the repository is published. */
export interface PublishedForm {
  /** Files of a lower stage are in the bucket before any of a higher one is sent. */
  readonly stage: number;
  readonly contentType: string;
  readonly cacheControl: string;
  /** Its name never stands for another content: it is written once. */
  readonly isImmutable: boolean;
  /** Hosts see what is new from here on: written only if nobody else has published meanwhile. */
  readonly isCommit: boolean;
}

const FOREVER = "public, max-age=31536000, immutable";
/** As infra/repository.yaml has it, so that hosts see a release within a minute. */
const A_MINUTE = "public, max-age=60";
/**
 * dnf reads repomd.xml and its signature one after the other: a cache that held one of them longer
 * than the other would give hosts a signature that does not fit.
 */
const ASK_EACH_TIME = "no-cache";

const TEXT = "text/plain; charset=utf-8";

/** The first that fits holds. What fits nowhere is not part of the repository. */
const FORMS: readonly (readonly [RegExp, Omit<PublishedForm, "isImmutable" | "isCommit">])[] = [
  [/^apt\/pool\/.+\.deb$/, form(0, "application/vnd.debian.binary-package", FOREVER)],
  [/^yum\/[^/]+\/Packages\/[^/]+\.rpm$/, form(0, "application/x-rpm", FOREVER)],
  [/^apt\/dists\/.+\/by-hash\/SHA256\/[0-9a-f]{64}$/, form(1, "application/octet-stream", FOREVER)],
  [/^yum\/[^/]+\/repodata\/[0-9a-f]{64}-.+\.gz$/, form(1, "application/gzip", FOREVER)],
  // The keys before what is signed with them.
  [/^s3-offload-agent\.asc$/, form(2, TEXT, A_MINUTE)],
  [/^s3-offload-agent\.gpg$/, form(2, "application/octet-stream", A_MINUTE)],
  [/^s3-offload-agent\.(repo|sources|list)$/, form(2, TEXT, A_MINUTE)],
  [/^apt\/dists\/[^/]+\/InRelease$/, form(3, TEXT, A_MINUTE)],
  // For clients that ask neither by hash nor for InRelease.
  [/^apt\/dists\/.+\/Packages$/, form(4, TEXT, A_MINUTE)],
  [/^apt\/dists\/.+\/Packages\.gz$/, form(4, "application/gzip", A_MINUTE)],
  [/^apt\/dists\/.+\/Packages\.xz$/, form(4, "application/x-xz", A_MINUTE)],
  [/^apt\/dists\/[^/]+\/Release(\.gpg)?$/, form(4, TEXT, A_MINUTE)],
  // Sorted by path, each signature comes right after its index.
  [/^yum\/[^/]+\/repodata\/repomd\.xml$/, form(5, "text/xml; charset=utf-8", ASK_EACH_TIME)],
  [/^yum\/[^/]+\/repodata\/repomd\.xml\.asc$/, form(5, TEXT, ASK_EACH_TIME)],
  [/^SHA256SUMS\.asc$/, form(6, TEXT, A_MINUTE)],
];

function form(stage: number, contentType: string, cacheControl: string) {
  return { stage, contentType, cacheControl };
}

/** @returns how a file is published, by its path in the repository; undefined: not at all. Pure. */
export function publishedForm(path: string): PublishedForm | undefined {
  const found = FORMS.find(([pattern]) => pattern.test(path))?.[1];
  if (found === undefined) return undefined;
  return {
    ...found,
    isImmutable: found.cacheControl === FOREVER,
    isCommit: /\/(InRelease|repomd\.xml)$/.test(path),
  };
}

/** Whether a path is that of a package. Pure. */
export function isPackage(path: string): boolean {
  return publishedForm(path)?.stage === 0;
}

/** Whether a path is that of an index file that bears its hash. Pure. */
export function isHashedIndex(path: string): boolean {
  return publishedForm(path)?.stage === 1;
}

/** Where the repository goes. */
export interface Target {
  readonly bucket: string;
  /** Empty, or with a slash at its end. */
  readonly prefix: string;
}

/** @returns undefined if the text is no `s3://BUCKET[/PREFIX]`. Pure. */
export function parseTarget(text: string): Target | undefined {
  const found = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._~/-]*))?$/.exec(text);
  if (found === null) return undefined;
  const [, bucket = "", path = ""] = found;
  const prefix = path.replace(/^\/+|\/+$/g, "");
  return { bucket, prefix: prefix === "" ? "" : `${prefix}/` };
}
