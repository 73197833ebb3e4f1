import type { Operation } from "./fake-s3-operations.ts";

/** What a hook is asked about: a request whose headers have arrived and whose body has not. */
export interface PutRequest {
  readonly operation: Operation;
  readonly bucket: string;
  readonly key: string;
  /** Of the operations that have one. */
  readonly partNumber?: number;
  readonly uploadId?: string;
  /** 1 for the first of this operation, key, upload and part, whatever became of it. */
  readonly attemptForThisKey: number;
  /** Its position in `requests`. */
  readonly index: number;
}

/** Decides what goes wrong with one request that stores something; undefined: nothing. */
export type PutHook = (request: PutRequest) => Fault | undefined;

/**
 * When a fault strikes that can strike at two moments. Either way the whole body was read and no
 * answer was sent. `before-store` comes before the rules look at the body and at the key.
 */
export type Moment = "before-store" | "after-store";

/**
 * What can go wrong with one request. Unless it says otherwise, a fault leaves the rules in
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
  /** Reads the body, does nothing and answers 200 with this error in the body, as a completion may. */
  | { readonly kind: "error-200"; readonly code: string }
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
