/** What a hook is asked about: one PutObject whose headers have arrived and whose body has not. */
export interface PutRequest {
  readonly bucket: string;
  readonly key: string;
  /** 1 for the first PutObject of this key, whatever became of it. */
  readonly attemptForThisKey: number;
  /** Its position in `requests`. */
  readonly index: number;
}

/** Decides what goes wrong with one PutObject; undefined: nothing. */
export type PutHook = (request: PutRequest) => Fault | undefined;

/**
 * When a fault strikes that can strike at two moments. Either way the whole body was read and no
 * answer was sent. `before-store` comes before the rules look at the body and at the key.
 */
export type Moment = "before-store" | "after-store";

/**
 * What can go wrong with one PutObject. Unless it says otherwise, a fault leaves the rules in
 * force: a request that they refuse is refused, and its refusal is what gets lost or delayed.
 */
export type Fault =
  /** Reads the body, stores nothing and answers with this error. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly code: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Resets the connection without reading the body. */
  | { readonly kind: "reset-before" }
  /** Resets the connection after this many bytes of the body, at the latest at its end. */
  | { readonly kind: "reset-during"; readonly afterBytes: number }
  /** Does everything except to answer: the connection is reset instead. */
  | { readonly kind: "lost-answer" }
  /** Stores the object and answers 200 without any checksum. */
  | { readonly kind: "no-checksum" }
  /** Stores the object and answers 200 with the checksum of other bytes. */
  | { readonly kind: "wrong-checksum" }
  /** Reads the body, stores nothing and answers 200 with a page of HTML. */
  | { readonly kind: "captive-portal" }
  /** Reads the body, stores nothing and answers 200 without S3's headers. */
  | { readonly kind: "empty-200" }
  /** Reads the body, stores nothing and does not answer until the server stops. */
  | { readonly kind: "hang" }
  /** Goes on when the promise resolves. `when` defaults to `after-store`. */
  | { readonly kind: "delay"; readonly until: Promise<void>; readonly when?: Moment }
  /** Calls the test back and goes on when that is done. `when` defaults to `after-store`. */
  | {
      readonly kind: "hook";
      readonly during: () => Promise<void> | void;
      readonly when?: Moment;
    };
