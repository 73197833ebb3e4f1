import { expect } from "chai";
import { debianCopyright } from "../../../packaging/build/copyright.ts";

const APACHE = `Apache License
                           Version 2.0, January 2004

   TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION
   1. Definitions.`;
const RULE = "-".repeat(80);

describe("Debian's copyright file", () => {
  it("has every text as the continuation of its field, so that none ends a stanza", () => {
    const text = debianCopyright({ node: "Node's\n\nlicence", thirdParty: "one\n\n\ntwo\n" });
    expect(text).to.include("License: Node.js\n Node's\n .\n licence\n\n");
    expect(text).to.include("License: bundled\n one\n .\n .\n two\n");
    const fields = text.split("\n").filter((line) => line !== "" && !line.startsWith(" "));
    for (const line of fields) expect(line).to.match(/^[A-Z][A-Za-z-]+: /);
  });

  it("points to Debian's own copy of the Apache licence, whole or without its last line", () => {
    const whole = `${APACHE}\n   END OF TERMS AND CONDITIONS\n   APPENDIX: kept`;
    const thirdParty = `first\n${whole}\n${RULE}\nsecond\n${APACHE}\n${RULE}\nthird\n${APACHE}\n`;
    const text = debianCopyright({ node: "x", thirdParty });
    expect(text).not.to.include("1. Definitions");
    expect(text.match(/\[The Apache License 2\.0: /g)).to.have.lengthOf(3);
    for (const kept of ["first", "APPENDIX: kept", "second", "third"])
      expect(text).to.include(kept);
  });
});
