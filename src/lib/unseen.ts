/**
 * What a reader does not see, or sees as something else: control and format characters (those that
 * turn the direction of text, of no width, tags), line ends of Unicode, halves of a pair, and what
 * is no character at all.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/u;
const ALL_UNSEEN = new RegExp(UNSEEN, "gu");

/** Whether a text holds a character that a reader does not see as what it is. */
export function hasUnseen(text: string): boolean {
  return UNSEEN.test(text);
}

/** The text on one line, with `\u{...}` for every character that a reader would not see. */
export function withUnseenEscaped(text: string): string {
  return text.replace(ALL_UNSEEN, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
