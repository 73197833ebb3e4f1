/** Something about who this host is that a person should know; the agent works on all the same. */
export interface Finding {
  readonly kind: /** Another machine has this very name, or had it: an image with the agent's state was cloned. */
    | "host.cloned"
    /** A source does not tell now; what it told before stands. */
    | "host.recalled"
    /** It has another name than before. */
    | "host.renamed"
    /** A source that would come first does not tell, and never has. */
    | "host.unsure"
    /** Who it is cannot be saved: a source that is silent at the next start makes another host. */
    | "host.unsaved";
  readonly message: string;
  readonly wayOut: string;
}
