import type { Verdict } from "./oracle.ts";

const COLUMNS = [
  ...["family", "cases", "kills", "faults", "files", "bytes"],
  ...["lost", "touched unfinished", "duplicates"],
];

/** Counts what a family of fault tests did and found, and says it in one line of a table. */
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

  /** Two lines: the names of the columns, and the numbers. */
  toString(): string {
    const numbers = [this.#cases, this.#kills, this.#faults, this.#files, this.#bytes];
    const found = [this.#lost, this.#touched, this.#duplicates];
    const cells = [this.#family, ...numbers, ...found].map(String);
    const widths = COLUMNS.map((name, index) => Math.max(name.length, cells[index]?.length ?? 0));
    const line = (row: readonly string[]) =>
      row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ");
    return `${line(COLUMNS)}\n${line(cells)}\n`;
  }

  print(): void {
    process.stdout.write(`\n${this}\n`);
  }
}
