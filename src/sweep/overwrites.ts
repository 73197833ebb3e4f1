/**
 * Whether an object that stands under a file's own key may be replaced. Never, unless the setting
 * `on-conflict` and the bootstrap file say so, and the bucket keeps versions: an overwritten object
 * is then still there. Asking the bucket for that would take one more permission, so it is learned
 * from the answers to ordinary uploads; until one has told, a taken key is left alone.
 */
export class Overwrites {
  readonly #isAllowed: boolean;
  #keepsVersions = false;

  constructor(isAllowed: boolean) {
    this.#isAllowed = isAllowed;
  }

  get isAllowedNow(): boolean {
    return this.#isAllowed && this.#keepsVersions;
  }

  /**
   * Learns from the answer to an upload.
   * @param versionId S3 gives none where versioning was never on, and `null` where it is suspended
   */
  learn(versionId: string | undefined): void {
    this.#keepsVersions = versionId !== undefined && versionId !== "null";
  }
}
