import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parseDocument } from "yaml";
import { withAllowedRoots } from "../../../src/config/bootstrap-roots.ts";

const FILE = "/etc/s3-offload-agent/agent.yaml";

function change(
  text: string,
  { add = [], remove = [] }: { add?: readonly string[]; remove?: readonly string[] },
): { readonly text: string; readonly values: Readonly<Record<string, unknown>> } {
  const before = parseDocument(text, { schema: "failsafe" }).toJS()?.["allowedRoots"] ?? [];
  const listed: string[] = typeof before === "string" ? before.split(":") : before;
  const roots = [...listed.filter((root) => !remove.includes(root)), ...add];
  const changed = withAllowedRoots(text, FILE, { roots, add, remove });
  const values = parseDocument(changed, { schema: "failsafe" }).toJS();
  expect(values["allowedRoots"]).to.deep.equal(roots);
  return { text: changed, values };
}

/** The lines that only one of two texts has. */
function difference(before: string, after: string): readonly string[] {
  const [one, other] = [before.split("\n"), after.split("\n")];
  return [
    ...one.filter((line) => !other.includes(line)).map((line) => `- ${line}`),
    ...other.filter((line) => !one.includes(line)).map((line) => `+ ${line}`),
  ];
}

const ODD = `# top


fleet:   web   # the fleet
allowedRoots:   # roots here
# before the first
- "/a b"   # one

  # before the second
- '/c'
# behind

hostId:    007
credentials: >-
  process:foo
  bar
# end
`;

describe("the list of allowed roots in a bootstrap file", () => {
  it("gets a line more, and nothing else of the file is touched", () => {
    const after = change(ODD, { add: ["/new: dir #1"] }).text;
    expect(difference(ODD, after)).to.deep.equal(['+ - "/new: dir #1"']);
    expect(after.replace('- "/new: dir #1"\n', "")).to.equal(ODD);
  });

  it("loses a line, and nothing else of the file is touched", () => {
    const after = change(ODD, { remove: ["/c"] }).text;
    expect(after).to.equal(ODD.replace("- '/c'\n", ""));
  });

  it("comes where the packaged sample shows it", () => {
    const sample = readFileSync(new URL("../../../packaging/agent.yaml", import.meta.url), "utf8");
    const after = change(sample, { add: ["/data"] }).text;
    expect(after).to.contain(
      "#allowedRoots:\n#  - /var/spool/s3-offload\nallowedRoots:\n  - /data\n",
    );
    expect(after.replace("allowedRoots:\n  - /data\n", "")).to.equal(sample);
    // And once more, and away again.
    const twice = change(after, { add: ["/more"] }).text;
    expect(change(twice, { remove: ["/more"] }).text).to.equal(after);
  });

  it("comes to the end of a file without a sample, with or without a line end", () => {
    expect(change("fleet: web", { add: ["/a"] }).text).to.equal(
      "fleet: web\nallowedRoots:\n  - /a\n",
    );
    expect(change("", { add: ["/a"] }).text).to.equal("allowedRoots:\n  - /a\n");
    expect(change("# only this\n", { add: ["/a"] }).text).to.equal(
      "# only this\nallowedRoots:\n  - /a\n",
    );
  });

  for (const [what, text] of [
    ["a flow list", "fleet: web # x\nallowedRoots: [/a, /b] # y\n"],
    ["a flow map", "{fleet: web, allowedRoots: [/a, /b]}\n"],
    ["one text with colons", "allowedRoots: /a:/b\n# y\n"],
    ["items of several lines", 'allowedRoots:\n  - "/a"\n  - "/b"\n  - "/c\n    d"\n'],
    ["a document with its ends written", "---\nallowedRoots:\n  - /a\n  - /b\n...\n"],
    ["a document that ends before the list", "---\nfleet: web\n...\n"],
    ["CRLF lines", "fleet: web\r\nallowedRoots:\r\n  - /a\r\n  - /b\r\nhostId: h1\r\n"],
    ["an anchor elsewhere", "fleet: &x web\nhostId: *x\nallowedRoots:\n  - /a\n"],
  ] as const) {
    it(`is changed rightly in ${what}, comments and all other keys kept`, () => {
      const { text: after, values } = change(text, { add: ["/new"] });
      const { allowedRoots: _, ...rest } = values;
      const { allowedRoots: __, ...before } = parseDocument(text, { schema: "failsafe" }).toJS();
      expect(rest).to.deep.equal(before);
      for (const [comment] of text.matchAll(/# \w+/g)) expect(after).to.contain(comment);
    });
  }

  it("writes a path so that it is read again as it is", () => {
    for (const path of ["/a: b", "/a #b", '/a"b', "/a'b", "/a\\b", "/ä", "/[x]", "/a "]) {
      change("fleet: web\n", { add: [path] });
      change("allowedRoots:\n  - /x\n", { add: [path] });
    }
  });
});
