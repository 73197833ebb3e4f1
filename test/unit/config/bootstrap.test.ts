import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { BOOTSTRAP_KEYS, type Bootstrap, readBootstrap } from "../../../src/config/bootstrap.ts";
import { AgentError } from "../../../src/lib/errors.ts";

interface Row {
  readonly key: string;
  readonly env: string;
  /** A value in the file, another one in the variable, and what they become. */
  readonly inFile: string;
  readonly inEnv: string;
  readonly member: keyof Bootstrap;
  readonly ofFile: unknown;
  readonly ofEnv: unknown;
  readonly bad: string;
}

const row = (
  key: string,
  env: string,
  member: keyof Bootstrap,
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
    ["[x]", ["x"]],
    ["y:z", ["y", "z"]],
    "y:",
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

  it("does not repeat what stands where a choice of credentials should", () => {
    const { message } = refusal("fleet: web\ncredentials: AKIA:wJalrXUtnFEMI\n");
    expect(message).to.include("credentials must be auto,").and.not.include("wJalrXUtnFEMI");
  });

  it("takes the host name as host id where none is given", () => {
    expect(read("fleet: web\n").hostId).to.equal(hostname());
  });

  it("takes any bucket where a star is among the allowed ones", () => {
    expect(read("fleet: web\n").allowedBuckets).to.equal(undefined);
    expect(read("fleet: web\nallowedBuckets: ['*', x]\n").allowedBuckets).to.equal(undefined);
  });

  it("reports all that is wrong at once, by file and key", () => {
    const { message } = refusal("fleet: a b\nregion: europe\nminAgeFloor: 30\n");
    for (const part of [file, "fleet must", "region must", "minAgeFloor must"]) {
      expect(message).to.include(part);
    }
  });

  it("says that the fleet is missing and what the least file is", () => {
    for (const text of ["", "# nothing yet\n", "region: eu-west-1\n"]) {
      const { message, hint } = refusal(text);
      expect(message).to.include("fleet is required");
      expect(hint).to.include("fleet: NAME");
    }
  });

  const WRONG_YAML: readonly (readonly [text: string, says: string])[] = [
    ["fleet: web\nregion: 'eu\n", "at line 3"],
    ["fleet: web\nregion: [eu\nhostId: x\n", "at line 3"],
    ["fleet: web\n\n\tregion: x\n", "at line 3"],
    ["fleet: web\nfleet: web\n", "at line 2"],
    ["fleet: web\n# a comment\n\nflet: web\n", "unknown key in line 4: flet"],
    ["flet: web\n", "unknown key in line 1: flet"],
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
    expect(refusal("flet: web\n").hint).to.include("fleet, region, hostId");
    const { message, hint } = refusal("fleet: web\n", { S3_OFFLOAD_FLET: "web" });
    expect(message).to.include("S3_OFFLOAD_FLET.");
    expect(hint).to.include("S3_OFFLOAD_FLEET, ");
  });

  it("does not do without a file that a person named", () => {
    const env = { S3_OFFLOAD_FLEET: "web" };
    expect(() => readBootstrap({ file: join(folder, "absent.yaml"), env }))
      .to.throw(AgentError, "absent.yaml cannot be read")
      .with.property("exitCode", 2);
    expect(() => readBootstrap({ file: folder, env })).to.throw(AgentError, "cannot be read");
  });
});
