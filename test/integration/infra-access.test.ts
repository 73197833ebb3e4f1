import { expect } from "chai";
import { expandPrefix } from "../../src/sweep/object-key.ts";
import type { CheckedStack } from "../../tools/infra/check-stack.ts";
import { ACCOUNT, REGION } from "../../tools/infra/made-up.ts";
import { type LocalAws, startLocalAws } from "../../tools/local-aws.ts";
import { deployInfra, toldOf } from "../support/checked-infra.ts";
import { isAllowed, type Requester } from "../support/iam-simulation.ts";

const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const ANCHOR = `arn:aws:rolesanywhere:${REGION}:${ACCOUNT}:trust-anchor/1234abcd-12ab-34cd-56ef-1234567890ab`;

/** What a key's policy says unless somebody changed it: IAM policies of the account count. */
const KEY_POLICY = {
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
      Action: "kms:*",
      Resource: "*",
    },
  ],
};

/** The hosts of these tests, by how AWS knows who they are. */
const IDENTITIES = {
  "an EC2 instance": {
    parameters: {},
    host: "i-0123456789abcdef0",
    other: "i-0fedcba9876543210",
    knows: (roleId: string, host: string) => ({ "aws:userid": `${roleId}:${host}` }),
    // Names of parameters and of log streams have no colon, and aws:userid has one.
    provesItsName: false,
  },
  "a machine of a hybrid activation": {
    parameters: { Hosts: "ec2-and-hybrid" },
    host: "mi-0123456789abcdef0",
    other: "mi-0fedcba9876543210",
    knows: (roleId: string, host: string) => ({ "aws:userid": `${roleId}:${host}` }),
    provesItsName: false,
  },
  "a host with a certificate": {
    parameters: { Hosts: "certificates", TrustAnchorArn: ANCHOR },
    host: "web-1.example.com",
    other: "web-2.example.com",
    knows: (roleId: string, host: string) => ({
      "aws:userid": `${roleId}:00c0ffee`,
      "aws:PrincipalTag/x509Subject/CN": host,
    }),
    provesItsName: true,
  },
} as const;

const ssmArn = (path: string) =>
  `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/s3-offload-agent/${path}`;
const streamArn = (group: string, stream: string) =>
  `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/s3-offload-agent/${group}:log-stream:${stream}`;

describe("what a stolen host could do, by the deployed policies", () => {
  let aws: LocalAws;
  let bucketStack: CheckedStack;
  let bucket: string;
  let bucketPolicy: unknown;

  before(async function () {
    // A cold start of the local AWS.
    this.timeout(120_000);
    aws = await startLocalAws();
    bucketStack = await deployInfra(aws, { template: "bucket", name: "kept", parameters: {} });
    bucket = String(bucketStack.resolved.outputs["BucketName"]);
    bucketPolicy = toldOf(bucketStack, "BucketPolicy")["PolicyDocument"];
  });
  after(async () => await aws?.stop());

  /** What S3 knows of a request to write as the agent sends it. */
  const WRITES = {
    "aws:SecureTransport": "true",
    "s3:if-none-match": "*",
    "s3:ObjectCreationOperation": "true",
  };

  let stacks = 0;
  async function deployFleet(parameters: Readonly<Record<string, string>>) {
    const fleet = `web-${++stacks}`;
    const stack = await deployInfra(aws, {
      template: "fleet",
      name: fleet,
      parameters: { Fleet: fleet, Bucket: bucket, KeyPrefix: "from/web/", ...parameters },
    });
    return {
      fleet,
      stack,
      roleId: String(toldOf(stack, "HostRole")["RoleId"]),
      prefix: String(toldOf(stack, "PrefixParameter")["Value"]),
      requester: (session: string): Requester => ({
        arn: `arn:aws:sts::${ACCOUNT}:assumed-role/HostRole/${session}`,
        policies: [toldOf(stack, "HostPolicy")["PolicyDocument"]],
      }),
    };
  }

  /** The key that the agent gives to a file, by its own code. */
  const keyOf = (prefix: string, host: string, fleet: string) =>
    `${expandPrefix({ prefix, host, fleet, mtimeMs: 0 })}a/file`;

  for (const [who, identity] of Object.entries(IDENTITIES)) {
    describe(who, () => {
      let fleet: Awaited<ReturnType<typeof deployFleet>>;
      before(async () => {
        fleet = await deployFleet(identity.parameters);
      });

      async function may(
        action: string,
        resource: string,
        context: Readonly<Record<string, string>> = {},
      ): Promise<boolean> {
        const known = identity.knows(fleet.roleId, identity.host);
        const isOfBucket = resource.startsWith(`arn:aws:s3:::${bucket}`);
        return await isAllowed(
          fleet.requester(identity.host),
          { action, resource, context: { ...known, ...context } },
          isOfBucket ? bucketPolicy : undefined,
        );
      }
      const object = (key: string) => `arn:aws:s3:::${bucket}/${key}`;
      const own = () => object(keyOf(fleet.prefix, identity.host, fleet.fleet));
      const others = () => object(keyOf(fleet.prefix, identity.other, fleet.fleet));

      it("writes below its own prefix, whole or in parts, and gives up what it began", async () => {
        expect(await may("s3:PutObject", own(), WRITES)).to.equal(true);
        const part = { ...WRITES, "s3:ObjectCreationOperation": "false" };
        const { "s3:if-none-match": _, ...bare } = part;
        expect(await may("s3:PutObject", own(), bare)).to.equal(true);
        expect(await may("s3:AbortMultipartUpload", own())).to.equal(true);
      });

      it("writes nowhere else, nor gives up what others began", async () => {
        const places = [
          others(),
          object("from/web/file"),
          object(`from/web/${identity.host}x/file`),
          object("from/other-fleet/file"),
          object("file"),
          "arn:aws:s3:::another-bucket/from/web/file",
          own().replace(bucket, "another-bucket"),
        ];
        for (const place of places) {
          expect(await may("s3:PutObject", place, WRITES), place).to.equal(false);
          expect(await may("s3:AbortMultipartUpload", place), place).to.equal(false);
        }
      });

      it("overwrites nothing and uses no connection without encryption", async () => {
        const { "s3:if-none-match": _, ...unconditional } = WRITES;
        expect(await may("s3:PutObject", own(), unconditional)).to.equal(false);
        const bare = { ...WRITES, "aws:SecureTransport": "false" };
        expect(await may("s3:PutObject", own(), bare)).to.equal(false);
      });

      it("neither lists, reads, deletes nor changes who may", async () => {
        for (const action of [
          "s3:GetObject",
          "s3:GetObjectVersion",
          "s3:GetObjectAttributes",
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:PutObjectAcl",
          "s3:PutObjectTagging",
          "s3:PutObjectRetention",
          "s3:BypassGovernanceRetention",
          "s3:RestoreObject",
          "s3:ListMultipartUploadParts",
        ]) {
          expect(await may(action, own()), action).to.equal(false);
        }
        for (const action of [
          "s3:ListBucket",
          "s3:ListBucketVersions",
          "s3:ListBucketMultipartUploads",
          "s3:GetBucketPolicy",
          "s3:PutBucketPolicy",
          "s3:DeleteBucketPolicy",
          "s3:PutBucketVersioning",
          "s3:PutLifecycleConfiguration",
          "s3:DeleteBucket",
        ]) {
          expect(await may(action, `arn:aws:s3:::${bucket}`), action).to.equal(false);
        }
      });

      it("reads its fleet's settings and its own, and writes none", async () => {
        const fleets = `fleets/${fleet.fleet}`;
        const hosts = `hosts/${identity.host}`;
        for (const path of [fleets, hosts]) {
          expect(await may("ssm:GetParametersByPath", ssmArn(path)), path).to.equal(true);
          const revision = ssmArn(`${path}/revision`);
          expect(await may("ssm:GetParameters", revision), path).to.equal(true);
          for (const action of [
            "ssm:PutParameter",
            "ssm:DeleteParameter",
            "ssm:DeleteParameters",
            "ssm:GetParameterHistory",
          ]) {
            expect(await may(action, revision), action).to.equal(false);
          }
        }
      });

      it("reads no other fleet's settings", async () => {
        for (const path of [`fleets/${fleet.fleet}x`, "fleets/other", "fleets", "releases"]) {
          expect(await may("ssm:GetParametersByPath", ssmArn(path)), path).to.equal(false);
          expect(await may("ssm:GetParameters", ssmArn(`${path}/bucket`)), path).to.equal(false);
        }
        const foreign = `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/database/password`;
        expect(await may("ssm:GetParameters", foreign)).to.equal(false);
      });

      it("logs to its fleet's two groups, and reads, makes and deletes no group", async () => {
        for (const group of [fleet.fleet, `${fleet.fleet}/files`]) {
          const stream = streamArn(group, identity.host);
          expect(await may("logs:CreateLogStream", stream), group).to.equal(true);
          expect(await may("logs:PutLogEvents", stream), group).to.equal(true);
          expect(await may("logs:GetLogEvents", stream), group).to.equal(false);
          expect(await may("logs:DeleteLogStream", stream), group).to.equal(false);
          const whole = stream.replace(/:log-stream:.*/, ":*");
          for (const action of [
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:PutRetentionPolicy",
            "logs:StartQuery",
          ]) {
            expect(await may(action, whole), action).to.equal(false);
          }
        }
        for (const group of ["other", `${fleet.fleet}x`, `${fleet.fleet}/other`]) {
          const stream = streamArn(group, identity.host);
          expect(await may("logs:PutLogEvents", stream), group).to.equal(false);
          expect(await may("logs:CreateLogStream", stream), group).to.equal(false);
        }
      });

      // For the first two IAM can not express more; infra/README.md says so.
      const reach = identity.provesItsName ? "reaches no" : "reaches any";
      it(`${reach} other host's log stream and settings in its fleet's groups`, async () => {
        const stream = streamArn(fleet.fleet, identity.other);
        expect(await may("logs:PutLogEvents", stream)).to.equal(!identity.provesItsName);
        const settings = ssmArn(`hosts/${identity.other}`);
        expect(await may("ssm:GetParametersByPath", settings)).to.equal(!identity.provesItsName);
        const one = ssmArn(`hosts/${identity.other}/bucket`);
        expect(await may("ssm:GetParameters", one)).to.equal(!identity.provesItsName);
      });
    });
  }

  it("tags and encrypts only where the stack says so, and through S3 only", async () => {
    const may = async (
      { requester, prefix, fleet, roleId }: Awaited<ReturnType<typeof deployFleet>>,
      action: string,
      context: Readonly<Record<string, string>> = {},
    ) => {
      const host = "i-0123456789abcdef0";
      const object = `arn:aws:s3:::${bucket}/${keyOf(prefix, host, fleet)}`;
      const resource = action.startsWith("kms:") ? KEY : object;
      const known = { "aws:userid": `${roleId}:${host}`, ...context };
      const policy = action.startsWith("kms:") ? KEY_POLICY : undefined;
      return await isAllowed(requester(host), { action, resource, context: known }, policy);
    };
    const plain = await deployFleet({});
    const more = await deployFleet({ ObjectTags: "yes", ObjectKeyArn: KEY });
    const viaS3 = { "kms:ViaService": `s3.${REGION}.amazonaws.com` };
    const viaSsm = { "kms:ViaService": `ssm.${REGION}.amazonaws.com` };
    for (const [fleet, is] of [
      [plain, false],
      [more, true],
    ] as const) {
      expect(await may(fleet, "s3:PutObjectTagging")).to.equal(is);
      expect(await may(fleet, "kms:GenerateDataKey", viaS3)).to.equal(is);
      expect(await may(fleet, "kms:Decrypt", viaS3)).to.equal(is);
      expect(await may(fleet, "kms:Decrypt", viaSsm)).to.equal(false);
      expect(await may(fleet, "kms:Encrypt", viaS3)).to.equal(false);
    }
  });

  it("writes anywhere below the fleet's prefix where the stack says so", async () => {
    const { fleet, prefix, requester, roleId } = await deployFleet({ WriteBelow: "fleet" });
    const may = async (key: string) =>
      await isAllowed(requester("i-1"), {
        action: "s3:PutObject",
        resource: `arn:aws:s3:::${bucket}/${key}`,
        context: { "aws:userid": `${roleId}:i-1`, ...WRITES },
      });
    expect(keyOf(prefix, "i-1", fleet)).to.equal("from/web/i-1/a/file");
    expect(await may(keyOf(prefix, "i-1", fleet))).to.equal(true);
    expect(await may(keyOf(prefix, "i-2", fleet))).to.equal(true);
    expect(await may("from/other/file")).to.equal(false);
  });

  it("is a host only by AWS's own word, from this account", async () => {
    const trustOf = async (parameters: Readonly<Record<string, string>>) => {
      const { stack } = await deployFleet(parameters);
      return toldOf(stack, "HostRole")["AssumeRolePolicyDocument"];
    };
    const ec2 = {
      Effect: "Allow",
      Action: "sts:AssumeRole",
      Principal: { Service: "ec2.amazonaws.com" },
    };
    const hybrid = {
      Effect: "Allow",
      Action: "sts:AssumeRole",
      Principal: { Service: "ssm.amazonaws.com" },
      Condition: {
        StringEquals: { "aws:SourceAccount": ACCOUNT },
        ArnEquals: { "aws:SourceArn": `arn:aws:ssm:${REGION}:${ACCOUNT}:*` },
      },
    };
    const certificates = {
      Effect: "Allow",
      Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
      Principal: { Service: "rolesanywhere.amazonaws.com" },
      Condition: {
        StringLike: { "aws:PrincipalTag/x509Subject/CN": "*.web.example.com" },
        ArnEquals: { "aws:SourceArn": ANCHOR },
      },
    };
    const trust = (...Statement: unknown[]) => ({ Version: "2012-10-17", Statement });
    expect(await trustOf({})).to.deep.equal(trust(ec2));
    expect(await trustOf({ Hosts: "hybrid" })).to.deep.equal(trust(hybrid));
    expect(await trustOf({ Hosts: "ec2-and-hybrid" })).to.deep.equal(trust(ec2, hybrid));
    expect(
      await trustOf({
        Hosts: "certificates",
        TrustAnchorArn: ANCHOR,
        CertificateNames: "*.web.example.com",
      }),
    ).to.deep.equal(trust(certificates));
  });
});
