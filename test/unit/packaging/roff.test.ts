import { expect } from "chai";
import { helpBlocks } from "../../../packaging/manual/help-text.ts";
import { example, formatted, paragraph, section, terms } from "../../../packaging/manual/roff.ts";

describe("roff", () => {
  it("lets no line of text be taken for a request", () => {
    const long = "x".repeat(76);
    expect(paragraph(`.PP ${long} 'so ${long} .end`).lines).to.equal(
      `\\&.PP\n${long}\n\\&'so\n${long}\n\\&.end\n`,
    );
    expect(example(".a\n'b").lines).to.equal(".EX\n\\&.a\n\\(aqb\n.EE\n");
    expect(terms([[".hidden", "."]]).lines).to.equal(".TP\n\\&.hidden\n\\&.\n");
  });

  it("keeps what is to be copied as it is: hyphens, quotes, backslashes, carets, tildes", () => {
    expect(formatted("`a -b 'c' \\d ^e ~f \"g\"`")).to.equal(
      "\\fBa \\-b \\(aqc\\(aq \\ed \\(hae \\(tif \\(dqg\\(dq\\fR",
    );
    expect(formatted("last-good isn't")).to.equal("last-good isn't");
    expect(formatted("ä")).to.equal("\\[u00E4]");
  });

  it("marks options, placeholders and names of the agent's own in plain text", () => {
    expect(formatted("with --dry-run, <file> of /etc/s3-offload-agent/x.")).to.equal(
      "with \\fB\\-\\-dry\\-run\\fR, \\fIfile\\fR of \\fB/etc/s3\\-offload\\-agent/x\\fR.",
    );
    expect(formatted("`/a/<name>/b`")).to.equal("\\fB/a/\\fR\\fIname\\fR\\fB/b\\fR");
  });

  it("writes no paragraph right below a heading, and one between two", () => {
    expect(section("x", paragraph("a"), paragraph("b"))).to.equal(".SH X\na\n.PP\nb\n");
  });

  it("writes lines of 79 bytes at most, and breaks no name", () => {
    const text = `${"word ".repeat(60)}${"`s3-offload-agent`, ".repeat(20)}`;
    const lines = paragraph(text.trim()).lines.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).to.be.below(80);
    expect(lines.join(" ").match(/\\%\\fBs3\\-offload\\-agent\\fR,/g)).to.have.length(20);
  });
});

describe("helpBlocks", () => {
  it("tells paragraphs, terms and examples apart", () => {
    const blocks = helpBlocks(
      "Some text\nof two lines:\n  one    first\n  two words  second, which\n         goes on\nMore.\n\n  tool --a b\n  tool c",
    );
    expect(blocks).to.deep.equal([
      paragraph("Some text of two lines:"),
      terms([
        ["`one`", "First."],
        ["`two words`", "Second, which goes on."],
      ]),
      paragraph("More."),
      example("tool --a b\ntool c"),
    ]);
  });
});
