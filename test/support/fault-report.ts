import type { Verdict } from "./oracle.ts";
import { printTable } from "./table.ts";

const COLUMNS = [
  ...["family", "cases", "kills", "faults", "files", "bytes"],
  ...["lost", "touched unfinished", "duplicates"],
];

/** Counts what a family of fault tests did and found, for one line of a table. */
export class FaultReport {
  readonly #family: string;
  #cases = 0;
  #kills = 0;
  #faults = 0;
  #files = 0;
  #bytes = 0;
  #lost = 0;
  #touched = 0;
  #duplicates = 0;

  constructor(family: string) {
    this.#family = family;
  }

  /** Adds one case, with the last verdict of it. */
  add(one: { readonly kills?: number; readonly faults?: number; readonly verdict: Verdict }): void {
    const { kills = 0, faults = 0, verdict } = one;
    this.#cases += 1;
    this.#kills += kills;
    this.#faults += faults;
    this.#files += verdict.files;
    this.#bytes += verdict.bytes;
    this.#lost += verdict.lost.length;
    this.#touched += verdict.touched.length;
    this.#duplicates += verdict.duplicates;
  }

  get kills(): number {
    return this.#kills;
  }

  get cells(): readonly string[] {
    const numbers = [this.#cases, this.#kills, this.#faults, this.#files, this.#bytes];
    const found = [this.#lost, this.#touched, this.#duplicates];
    return [this.#family, ...numbers, ...found].map(String);
  }
}

/** Prints the table of a suite: one line for each family that has come to its end. */
export function printReports(reports: readonly FaultReport[]): void {
  printTable([COLUMNS, ...reports.map(({ cells }) => cells)]);
}
