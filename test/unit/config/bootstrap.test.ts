import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  BOOTSTRAP_KEYS,
  type LocalBootstrap,
  readBootstrap,
} from "../../../src/config/bootstrap.ts";
import { AgentError } from "../../../src/lib/errors.ts";

interface Row {
  readonly key: string;
  readonly env: string;
  /** A value in the file, another one in the variable, and what they become. */
  readonly inFile: string;
  readonly inEnv: string;
  readonly member: keyof LocalBootstrap;
  readonly ofFile: unknown;
  readonly ofEnv: unknown;
  readonly bad: string;
}

const row = (
  key: string,
  env: string,
  member: keyof LocalBootstrap,
  [inFile, ofFile]: readonly [string, unknown],
  [inEnv, ofEnv]: readonly [string, unknown],
  bad: string,
): Row => ({ key, env: `S3_OFFLOAD_${env}`, member, inFile, ofFile, inEnv, ofEnv, bad });

const ROLE = "arn:aws:iam::123456789012:role/agent";

const ROWS: readonly Row[] = [
  row("fleet", "FLEET", "fleet", ["a", "a"], ["b", "b"], "not a name"),
  row(
    "region",
    "REGION",
    "region",
    ["eu-west-1", "eu-west-1"],
    ["us-gov-west-1", "us-gov-west-1"],
    "europe",
  ),
  row("hostId", "HOST_ID", "hostId", ["h1", "h1"], ["h2", "h2"], "h/2"),
  row("parameterRoot", "PARAMETER_ROOT", "parameterRoot", ["/a/b", "/a/b"], ["/c", "/c"], "/c/"),
  row(
    "allowedRoots",
    "ALLOWED_ROOTS",
    "allowedRoots",
    ["[/a, /b]", ["/a", "/b"]],
    ["/c:/d", ["/c", "/d"]],
    "/c::/d",
  ),
  row(
    "allowedBuckets",
    "ALLOWED_BUCKETS",
    "allowedBuckets",
    ["[xyz]", ["xyz"]],
    ["abc:xyz", ["abc", "xyz"]],
    "abc:",
  ),
  row("stateDirectory", "STATE_DIRECTORY", "stateDirectory", ["/s", "/s"], ["/t", "/t"], "\0"),
  row(
    "credentials",
    "CREDENTIALS",
    "credentials",
    ["profile:a", { kind: "profile", name: "a" }],
    ["ssm-hybrid", { kind: "shared-file", path: "/root/.aws/credentials" }],
    "sso",
  ),
  row("allowImdsV1", "ALLOW_IMDS_V1", "allowImdsV1", ["true", true], ["false", false], "1"),
  row("roleArn", "ROLE_ARN", "roleArn", [ROLE, ROLE], [`${ROLE}2`, `${ROLE}2`], "agent"),
  row(
    "allowOverwrite",
    "ALLOW_OVERWRITE",
    "allowOverwrite",
    ["true", true],
    ["false", false],
    "yes",
  ),
  row("minAgeFloor", "MIN_AGE_FLOOR", "minAgeFloorMs", ["1m", 60_000], ["2m", 120_000], "30"),
];

describe("readBootstrap from a file and variables", () => {
  let folder = "";
  let file = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "s3-offload-bootstrap-"));
    file = join(folder, "agent.yaml");
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  const read = (text: string, env: Readonly<Record<string, string>> = {}) => {
    writeFileSync(file, text);
    return readBootstrap({ file, env });
  };

  const refusal = (text: string, env: Readonly<Record<string, string>> = {}): AgentError => {
    try {
      read(text, env);
    } catch (error) {
      if (error instanceof AgentError) return error;
      throw error;
    }
    throw new Error("was not refused");
  };

  it("is tested with every key there is", () => {
    expect(ROWS.map(({ key, env }) => [key, env])).to.deep.equal(
      BOOTSTRAP_KEYS.map(({ key, env }) => [key, env]),
    );
  });

  for (const { key, env, inFile, inEnv, member, ofFile, ofEnv, bad } of ROWS) {
    const base = key === "fleet" ? "" : "fleet: web\n";

    it(`reads ${key} from the file, and ${env} above it`, () => {
      expect(read(`${base}${key}: ${inFile}\n`)[member]).to.deep.equal(ofFile);
      expect(read(`${base}${key}: ${inFile}\n`, { [env]: inEnv })[member]).to.deep.equal(ofEnv);
      expect(read("fleet: web\n", { [env]: inEnv })[member]).to.deep.equal(ofEnv);
    });

    it(`takes an empty ${env} as not set`, () => {
      expect(read(`${base}${key}: ${inFile}\n`, { [env]: "" })[member]).to.deep.equal(ofFile);
    });

    it(`refuses ${env}=${JSON.stringify(bad)} by the variable's name`, () => {
      const { message, exitCode } = refusal("fleet: web\n", { [env]: bad });
      expect(exitCode).to.equal(2);
      expect(message).to.include(`${env} must be`);
    });
  }

  it("leaves open what only the host can tell", () => {
    for (const text of ["", "# nothing yet\n", "fleet:\n", "hostId: ''\n"]) {
      expect(read(text)).to.include({ fleet: undefined, hostId: undefined, region: undefined });
    }
  });

  for (const name of [".", "..", "a/b", "a b", "é", "a".repeat(129)]) {
    it(`takes ${JSON.stringify(name.slice(0, 9))} for no fleet's and no host's name`, () => {
      expect(refusal(`fleet: ${name}\n`).message).to.include("line 1: fleet must be");
      expect(refusal(`hostId: ${name}\n`).message).to.include("line 1: hostId must be");
    });
  }

  const ROOTS: readonly (readonly [root: string, isRight: boolean])[] = [
    ["/s3-offload-agent", true],
    ["/team/aws/ssm", true],
    ["/aws-agents", false],
    ["/AWS/agents", false],
    ["/ssm", false],
    ["/a/../b", false],
    ["/a/.", false],
    ["/a/.b/..c", true],
    ["/1/2/3/4/5/6/7/8/9/10", true],
    ["/1/2/3/4/5/6/7/8/9/10/11", false],
    [`/${"a".repeat(255)}`, true],
    [`/${"a".repeat(256)}`, false],
  ];
  for (const [root, isRight] of ROOTS) {
    it(`${isRight ? "takes" : "refuses"} ${root.slice(0, 30)} as parameterRoot`, () => {
      if (isRight) expect(read(`parameterRoot: ${root}\n`).parameterRoot).to.equal(root);
      else expect(refusal(`parameterRoot: ${root}\n`).message).to.include("parameterRoot must be");
    });
  }

  const ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/offload";
  const BUCKETS: readonly (readonly [bucket: string, isRight: boolean])[] = [
    ["logs.example-1", true],
    [ACCESS_POINT, true],
    ["logs-*", false],
    ["s3://logs", false],
    ["logs/prefix", false],
    ["Logs", false],
    ["arn:aws:s3:::logs", false],
    ["''", false],
  ];
  for (const [bucket, isRight] of BUCKETS) {
    it(`${isRight ? "takes" : "refuses"} ${bucket} as an allowed bucket`, () => {
      const text = `allowedBuckets:\n  - good-one\n  - ${bucket}\n`;
      if (isRight) expect(read(text).allowedBuckets).to.deep.equal(["good-one", bucket]);
      else {
        const { message } = refusal(text);
        expect(message).to.include("line 1: allowedBuckets must be").and.include("no pattern");
      }
    });
  }

  it("refuses a floor that no min-age could reach", () => {
    expect(refusal("minAgeFloor: 31d\n").message).to.include("minAgeFloor must be at most 30d");
  });

  it("does not repeat what stands where a choice of credentials should", () => {
    const { message } = refusal("fleet: web\ncredentials: AKIA:wJalrXUtnFEMI\n");
    expect(message).to.include("credentials must be auto,").and.not.include("wJalrXUtnFEMI");
  });

  it("takes any bucket where a star is among the allowed ones", () => {
    expect(read("fleet: web\n").allowedBuckets).to.equal(undefined);
    expect(read("fleet: web\nallowedBuckets: ['*', xyz]\n").allowedBuckets).to.equal(undefined);
  });

  it("reports all that is wrong at once, by file and key", () => {
    const { message } = refusal("fleet: a b\nregion: europe\nminAgeFloor: 30\n");
    const parts = ["line 1: fleet must", "line 2: region must", "line 3: minAgeFloor must"];
    for (const part of [file, ...parts]) {
      expect(message).to.include(part);
    }
  });

  const WRONG_YAML: readonly (readonly [text: string, says: string])[] = [
    ["fleet: web\nregion: 'eu\n", "at line 3"],
    ["fleet: web\nregion: [eu\nhostId: x\n", "at line 3"],
    ["fleet: web\n\n\tregion: x\n", "at line 3"],
    ["fleet: web\nfleet: web\n", "at line 2"],
    ["fleet: web\n# a comment\n\nflet: web\n", "unknown key in line 4: flet"],
    ["flet: web\n", "unknown key in line 1: flet"],
    ["a: &a [x, x]\n", "unknown key in line 1: a"],
    ["fleet: [web]\n", "line 1: fleet must be"],
    ["\n\nfleet:\n  web: x\n", "line 3: fleet must be"],
    ["fleet: web\nallowedRoots: /var\nallowedRoots: /\n", "at line 3"],
    ["fleet: !secret web\n", "at line 1"],
    ["fleet: web\n---\nfleet: other\n", "at line 2"],
    ["? [fleet]\n: web\n", "does not hold keys and values"],
    ["__proto__: x\n", "unknown key in line 1: __proto__"],
    ["constructor: x\n", "unknown key in line 1: constructor"],
    ["- fleet\n", "does not hold keys and values"],
    ["just text\n", "does not hold keys and values"],
  ];
  for (const [text, says] of WRONG_YAML) {
    it(`says of ${JSON.stringify(text)}: ${says}`, () => {
      const { message, exitCode } = refusal(text);
      expect(message).to.include(says).and.include(file);
      expect(exitCode).to.equal(2);
    });
  }

  it("names the known keys and variables when one is unknown", () => {
    const ofFile = refusal("flet: web\n").hint;
    expect(ofFile).to.include("Did you mean fleet?").and.include("fleet, region, hostId");
    expect(refusal("colour: red\n").hint).not.to.include("Did you mean");
    const { message, hint } = refusal("fleet: web\n", { S3_OFFLOAD_FLET: "web" });
    expect(message).to.include("S3_OFFLOAD_FLET.");
    expect(hint).to.include("Did you mean S3_OFFLOAD_FLEET?").and.include("S3_OFFLOAD_FLEET, ");
  });

  it("unfolds no aliases of aliases, which a small file could grow by to any size", () => {
    const names = ["fleet", "region", "hostId", "parameterRoot", "roleArn", "stateDirectory"];
    const [first, ...rest] = names.map((name, index) => {
      const of = `*a${index - 1}`;
      return `${name}: &a${index} [${index === 0 ? "x" : Array(9).fill(of).join(", ")}]`;
    });
    const { message, exitCode } = refusal([first, ...rest].join("\n"));
    expect(exitCode).to.equal(2);
    expect(message).to.include("cannot be unfolded").and.include(file);
  });

  it("does not do without a file that a person named", () => {
    const env = { S3_OFFLOAD_FLEET: "web" };
    expect(() => readBootstrap({ file: join(folder, "absent.yaml"), env }))
      .to.throw(AgentError, "absent.yaml cannot be read")
      .with.property("exitCode", 2);
    expect(() => readBootstrap({ file: folder, env })).to.throw(AgentError, "cannot be read");
  });
});
