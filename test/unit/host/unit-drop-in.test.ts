import { expect } from "chai";
import { dropInText, hiddenFolderOf, unwritablePath } from "../../../src/host/unit-drop-in.ts";

const textOf = (roots: readonly string[], readOnly: readonly string[] = []) =>
  dropInText({ bootstrapFile: "/etc/s3-offload-agent/agent.yaml", roots, readOnly });

/** `extract_first_word` of systemd: one word, its quotes and backslashes taken off. */
function firstWord(
  text: string,
  { separators, isKept }: { separators: string; isKept: boolean },
): string {
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (character === "\\") {
      at += 1;
      word += `${isKept ? "\\" : ""}${text[at] ?? ""}`;
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && /["']/.test(character)) {
      quote = character;
    } else if (quote === "" && separators.includes(character)) {
      return word;
    } else {
      word += character;
    }
  }
  expect(quote, `a quote is open in ${text}`).to.equal("");
  return word;
}

/** config_parse_bind_paths() as it was (seen in 247 and 252), and as it is (257). */
const READERS: Readonly<Record<string, (value: string) => string>> = {
  older: (value) => firstWord(value, { separators: ": \t", isKept: false }),
  newer: (value) => {
    const whole = firstWord(value, { separators: " \t", isKept: true });
    return firstWord(whole, { separators: ":", isKept: false });
  },
};

function asSystemdReads(line: string, reader: (value: string) => string): string {
  return reader(line.replace(/^BindPaths=/, "")).replaceAll("%%", "%");
}

describe("unit drop-in", () => {
  it("binds each root, and says who has made it", () => {
    expect(textOf(["/srv/a", "/srv/b"], ["/root/.aws"])).to.equal(
      [
        '# Made by "s3-offload-agent allow" from /etc/s3-offload-agent/agent.yaml: changes in here do not last.',
        "[Service]",
        'BindPaths="-/srv/a"',
        'BindPaths="-/srv/b"',
        'BindReadOnlyPaths="-/root/.aws"',
        "",
      ].join("\n"),
    );
  });

  for (const path of [
    "/srv/a b",
    "/srv/a:b",
    '/srv/a"b',
    "/srv/a'b",
    "/srv/a\\b",
    "/srv/a\\",
    "/srv/100%",
    "/srv/%i",
    "/srv/a;b#c",
    "/srv/ä",
    "/srv/$HOME",
  ]) {
    it(`writes ${path} so that systemd reads that very path`, () => {
      const line = textOf([path]).split("\n")[2] ?? "";
      for (const [which, reader] of Object.entries(READERS)) {
        expect(asSystemdReads(line, reader), which).to.equal(`-${path}`);
      }
      // Nothing that would be a line of its own, or go on in the next one.
      expect(textOf([path]).split("\n")).to.have.length(4);
      expect(line).to.match(/"$/);
    });
  }

  it("takes no path that is not text, or that a reader does not see as it is", () => {
    expect(unwritablePath("/srv/\ufffd")).to.match(/not UTF-8/);
    for (const path of ["/srv/a\nb", "/srv/a\tb", "/srv/a\u0007", "/srv/a\u202eb"]) {
      expect(unwritablePath(path), JSON.stringify(path)).to.match(/control characters/);
    }
    expect(unwritablePath("/srv/a b")).to.equal(undefined);
  });

  it("gives a folder in a home directory, and never a home directory", () => {
    const rows: readonly [string, unknown][] = [
      ["/root/.aws/credentials", { folder: "/root/.aws" }],
      ["/home/u/.aws/credentials", { folder: "/home/u/.aws" }],
      ["/run/user/1000/aws/credentials", { folder: "/run/user/1000/aws" }],
      ["/root/credentials", { tooWide: "/root" }],
      ["/home/u/credentials", { tooWide: "/home/u" }],
      ["/home/credentials", { tooWide: "/home" }],
      ["/etc/aws/credentials", undefined],
      ["/rootless/credentials", undefined],
    ];
    for (const [file, expected] of rows) {
      expect(hiddenFolderOf(file), file).to.deep.equal(expected);
    }
  });
});
