import { expect } from "chai";
import {
  CREDENTIAL_CHOICE_PATTERN,
  type CredentialChoice,
  parseCredentialChoice,
} from "../../../src/config/credential-choice.ts";

const TABLE: readonly (readonly [text: string, choice: CredentialChoice])[] = [
  ["auto", { kind: "auto" }],
  ["environment", { kind: "environment" }],
  ["web-identity", { kind: "web-identity" }],
  ["container", { kind: "container" }],
  ["instance-profile", { kind: "instance-profile" }],
  ["profile", { kind: "profile", name: undefined }],
  ["profile:web", { kind: "profile", name: "web" }],
  ["shared-file:/var/lib/x/credentials", { kind: "shared-file", path: "/var/lib/x/credentials" }],
  ["shared-file:/a b:c", { kind: "shared-file", path: "/a b:c" }],
  ["ssm-hybrid", { kind: "shared-file", path: "/root/.aws/credentials" }],
  ["process:helper --arn arn:x:y", { kind: "process", command: "helper --arn arn:x:y" }],
  ["process: helper", { kind: "process", command: "helper" }],
];

describe("parseCredentialChoice", () => {
  for (const [text, choice] of TABLE) {
    it(`reads ${text}`, () => {
      expect(parseCredentialChoice(text)).to.deep.equal(choice);
    });
  }

  const WRONG = ["", "sso", "Auto", "auto ", "profile:", "profile:a b", "process:", "process: "];
  for (const text of [
    ...WRONG,
    "shared-file",
    "shared-file:x",
    "process",
    "ssm-hybrid:x",
    "a\nauto",
  ]) {
    it(`refuses ${JSON.stringify(text)}, with all that it may be`, () => {
      expect(CREDENTIAL_CHOICE_PATTERN.test(text)).to.equal(false);
      expect(() => parseCredentialChoice(text)).to.throw(
        RangeError,
        "auto, environment, profile, profile:NAME, shared-file:/PATH, ssm-hybrid, process:COMMAND, web-identity, container or instance-profile",
      );
    });
  }
});
