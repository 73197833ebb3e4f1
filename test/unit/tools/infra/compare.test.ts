import { expect } from "chai";
import { differences } from "../../../../tools/infra/compare.ts";

describe("what a service tells of a resource", () => {
  const declared = { Name: "a", Days: 14, Rules: [{ Id: "x", On: true }, { Id: "y" }] };
  const told = { Name: "a", Days: "14", Rules: [{ Id: "x", On: "true" }, { Id: "y" }], Made: 1 };

  it("may be more than is declared, and numbers may be texts", () => {
    expect(differences(declared, told)).to.deep.equal([]);
  });

  for (const [what, changed, says] of [
    ["another value", { ...told, Name: "b" }, '/Name is "b", declared "a"'],
    ["no value", { ...told, Name: undefined }, '/Name is not told, declared "a"'],
    [
      "another member in a list",
      { ...told, Rules: [{ Id: "x", On: true }, { Id: "z" }] },
      '/Rules/1/Id is "z", declared "y"',
    ],
    ["null", { ...told, Days: null }, "/Days is null, declared 14"],
  ] as const) {
    it(`differs by ${what}`, () => {
      expect(differences(declared, changed)).to.deep.equal([says]);
    });
  }

  it("differs by a list that is longer or shorter, or no list", () => {
    for (const Rules of [[{ Id: "x", On: true }], [...told.Rules, {}], "x", undefined]) {
      expect(differences(declared, { ...told, Rules })).to.have.lengthOf(1);
    }
  });

  it("is not looked at where the service is known to forget", () => {
    const changed = { ...told, Name: "b", Rules: [{ Id: "x" }, { Id: "y" }] };
    expect(differences(declared, changed, ["/Name", "/Rules/On"])).to.deep.equal([]);
  });
});
