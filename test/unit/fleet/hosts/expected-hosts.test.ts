import { expect } from "chai";
import { parseExpectedHosts } from "../../../../src/fleet/hosts/expected-hosts.ts";
import { AgentError } from "../../../../src/lib/errors.ts";

const read = (text: string) => parseExpectedHosts(text, "hosts.txt").map(({ host }) => host);

describe("parseExpectedHosts", () => {
  for (const [what, text, hosts] of [
    ["lines", "web-1\nweb-2\n", ["web-1", "web-2"]],
    ["comments and spaces", "# all\n\n  web-1  # rack 4\r\nweb-2", ["web-1", "web-2"]],
    ["the same twice", "a\na\n", ["a"]],
    ["a JSON array", '["a", "b"]', ["a", "b"]],
    ["objects", '[{"host":"a"},{"host":"b"}]', ["a", "b"]],
    ["what fleet hosts --json writes", '{"fleet":"web","hosts":[{"host":"a"}]}', ["a"]],
    ["nothing", "\n", []],
  ] as const) {
    it(`reads ${what}`, () => expect(read(text)).to.deep.equal(hosts));
  }

  for (const [what, text, where] of [
    ["a line that is no id", "web-1\nweb 2\n", /hosts\.txt .*line 2: "web 2"/],
    ["an element that is none", '["a", 3]', /element 2: 3/],
    ["broken JSON", '["a"', /begins as JSON but is none/],
  ] as const) {
    it(`refuses ${what}, and says where`, () => {
      expect(() => read(text))
        .to.throw(AgentError, where)
        .with.property("exitCode", 2);
    });
  }
});
