import { styleText } from "node:util";

/** Colours for a terminal, or none. */
export interface Palette {
  green(text: string): string;
  yellow(text: string): string;
  red(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

/**
 * Colours where they are wanted: on a terminal that knows them, unless NO_COLOR is set
 * (https://no-color.org).
 */
export function makePalette(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Palette {
  const isColoured = isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  const paint = (style: keyof Palette) => (text: string) =>
    isColoured ? styleText(style, text, { validateStream: false }) : text;
  return {
    green: paint("green"),
    yellow: paint("yellow"),
    red: paint("red"),
    bold: paint("bold"),
    dim: paint("dim"),
  };
}

/** A value in quotes, with everything escaped that a terminal would obey or turn round. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}
