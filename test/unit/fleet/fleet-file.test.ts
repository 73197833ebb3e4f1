import { expect } from "chai";
import fc from "fast-check";
import { SETTING_NAMES } from "../../../src/config/schema.ts";
import { parseFleetFile } from "../../../src/fleet/fleet-file.ts";
import { isListSetting } from "../../../src/fleet/values.ts";
import { writeFleetFile } from "../../../src/fleet/write-fleet-file.ts";
import { AgentError } from "../../../src/lib/errors.ts";

const WHOLE = `# the web servers
fleet: web
settings:
  bucket: my-bucket
  concurrency: 007          # text, as in SSM
  include: ["**/*.csv", "**/*.{log,txt}"]
  exclude: []
  tags: [team=web]
routes:
  raw: {directory: /var/raw}
canary:
  percent: 1
  settings: {prefix: "new/{host}/"}
  routes: {raw: {concurrency: 4}}
expected-hosts: 1000
hosts:
  i-0abc:
    settings: {prefix: special/}
    routes: {raw: {min-age: 1m}}
  i-0def: {}
`;

describe("the fleet file", () => {
  it("says what each parameter should be, where, and in which line", () => {
    const { fleet, values, lines, hosts } = parseFleetFile(WHOLE, "web.yaml");
    expect(fleet).to.equal("web");
    expect(hosts).to.eql(["i-0abc", "i-0def"]);
    expect(Object.fromEntries(values)).to.eql({
      bucket: "my-bucket",
      concurrency: "007",
      include: "**/*.csv,**/*.{log,txt}",
      exclude: "none",
      tags: "team=web",
      "routes/raw/directory": "/var/raw",
      "canary/percent": "1",
      "canary/prefix": "new/{host}/",
      "canary/routes/raw/concurrency": "4",
      "expected-hosts": "1000",
      "hosts/i-0abc/prefix": "special/",
      "hosts/i-0abc/routes/raw/min-age": "1m",
    });
    expect(lines.get("bucket")).to.equal(4);
    expect(lines.get("hosts/i-0abc/routes/raw/min-age")).to.equal(19);
  });

  it("may name a part once and use it again", () => {
    const text = "fleet: web\nsettings: {include: &globs [a, b], exclude: *globs}\n";
    expect(parseFleetFile(text, "f").values.get("exclude")).to.equal("a,b");
  });

  const bad: Readonly<Record<string, readonly [text: string, ...told: string[]]>> = {
    "nothing at all": ["", "f:1: fleet is missing"],
    "a list": ["- a\n", "f:1: the file must hold `name: value` lines"],
    "no fleet": ["settings: {bucket: b}\n", "f:1: fleet is missing"],
    "a fleet that is no name": ["fleet: a/b\n", "f:1: fleet's name must be"],
    "a broken line": ["fleet: web\nsettings: {bucket: [\n", "f:3: "],
    "the same twice": ["fleet: web\nsettings: {}\nsettings: {}\n", "f:3: Map keys must be unique"],
    "a mistyped setting": [
      "fleet: web\nsettings:\n  bukcet: b\n",
      "f:3: bukcet is not known: did you mean bucket?",
    ],
    "a mistyped part": ["fleet: web\nroute: {}\n", "f:2: route is not known: did you mean routes?"],
    "a setting at the top": [
      "fleet: web\nbucket: b\n",
      "f:2: bucket does not belong here: write it below `settings:`",
    ],
    "a mistyped setting at the top": [
      "fleet: web\nprefx: b\n",
      "f:2: prefx is not known: did you mean prefix? It has another place",
    ],
    "a part in the wrong place": [
      "fleet: web\ncanary: {expected-hosts: 3}\n",
      "f:2: expected-hosts does not belong here: write it at the top level",
    ],
    "a revision": ["fleet: web\nrevision: 3\n", "f:2: revision does not belong here"],
    "an empty value": ["fleet: web\nsettings:\n  bucket:\n", "f:3: bucket is empty"],
    "a map for a value": [
      "fleet: web\nsettings:\n  bucket: {a: b}\n",
      "f:3: bucket must be one text",
    ],
    "a list for one value": [
      "fleet: web\nsettings:\n  bucket: [a]\n",
      "f:3: bucket must be one text",
    ],
    "a list with a comma in it": [
      'fleet: web\nsettings:\n  include: ["a,b"]\n',
      "f:3: include must be a list of texts without commas",
    ],
    "a list with nothing in it": [
      'fleet: web\nsettings:\n  include: [a, ""]\n',
      "f:3: include must be a list of texts",
    ],
    "a route's name": [
      "fleet: web\nroutes:\n  Raw: {directory: /d}\n",
      "f:3: directory: a route's name must be",
    ],
    "the default route": [
      "fleet: web\nroutes: {default: {directory: /d}}\n",
      "`default` is the top",
    ],
    "an empty route": ["fleet: web\nroutes:\n  raw:\n", "f:3: route raw is empty"],
    "a host's setting in a route": [
      "fleet: web\nroutes:\n  raw:\n    log-level: info\n",
      "f:4: log-level: is of the whole host",
    ],
    "a host's id": ["fleet: web\nhosts:\n  a/b: {}\n", "f:3: a host's name must be"],
    "a host's canary": ["fleet: web\nhosts:\n  a: {canary: {}}\n", "canary does not belong here"],
    "two things at once": [
      "fleet: web\nsettings: {a1: 1}\nxyzzy: 2\n",
      "f:2: a1 is",
      "f:3: xyzzy is",
    ],
  };
  for (const [what, [text, ...told]] of Object.entries(bad)) {
    it(`is refused with the line and the way out: ${what}`, () => {
      const error = errorOf(() => parseFleetFile(text, "f"));
      expect(error.exitCode).to.equal(2);
      for (const one of told) expect(error.message).to.include(one);
    });
  }

  it("survives being written and read, whatever the values are", () => {
    const text = fc.oneof(
      fc.string({ minLength: 1 }),
      fc.constantFrom(" a ", "#", "on", "0x1", "a: b", "x\n", "'", "- a", "{a}"),
    );
    const part = fc
      .stringMatching(/^[a-z*./=#:"'{}[\]-]{1,12}$/)
      .filter((one) => /^[^{}]*$/.test(one) && one !== "none");
    const value = (name: (typeof SETTING_NAMES)[number]) =>
      isListSetting(name)
        ? fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(","))
        : text;
    const setting = fc
      .constantFrom(...SETTING_NAMES)
      .chain((name) => fc.tuple(fc.constant(name), value(name)));
    const prefix = fc.constantFrom("", "canary/", "hosts/i-1/", "hosts/10.0/", "hosts/__proto__/");
    const entry = fc
      .tuple(prefix, setting)
      .map(([at, [name, said]]) => [`${at}${name}`, said] as const);
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const values = new Map(entries);
        const { fleet, values: read } = parseFleetFile(writeFleetFile("f-1", values), "f");
        expect(fleet).to.equal("f-1");
        expect([...read].sort()).to.eql([...values].sort());
      }),
    );
  });

  it("tells in a comment what it cannot say", () => {
    const text = writeFleetFile("web", new Map([["bukcet", "x\ny: z"]]));
    expect(text).to.match(/^# {3}bukcet: "x\\ny: z"$/m);
    expect(parseFleetFile(text, "f").values.size).to.equal(0);
  });
});

function errorOf(work: () => unknown): AgentError {
  try {
    work();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}
