/** What a stack is deployed with, by the set's name, by the template's. */
export type ParameterSets = Readonly<Record<string, Readonly<Record<string, string>>>>;

const KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ANCHOR =
  "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/1234abcd-12ab-34cd-56ef-1234567890ab";
const TOPIC = "arn:aws:sns:eu-central-1:123456789012:on-call";

/**
 * For each template as few parameters as it takes (`default`), and what makes every condition true
 * once and false once. Two stacks of one template never share a name that both would take.
 */
export const PARAMETER_SETS: Readonly<Record<string, ParameterSets>> = {
  bucket: {
    default: {},
    all: {
      BucketName: "all-options",
      WriteOncePrefix: "hosts/",
      WriterAccounts: "111122223333,444455556666",
      KmsKeyArn: KEY,
      UnfinishedUploadDays: "14",
      NoncurrentVersionDays: "90",
      ObjectLockMode: "COMPLIANCE",
      ObjectLockDays: "365",
      AccessLogBucket: "access-logs",
      AccessLogPrefix: "offload/",
    },
    existing: { ExistingBucket: "all-options", WriteOnce: "no" },
  },
  fleet: {
    default: { Fleet: "plain", Bucket: "a-bucket", KeyPrefix: "" },
    all: {
      Fleet: "all.options_1-2",
      ExpectedHosts: "250",
      Hosts: "ec2-and-hybrid",
      Bucket: "a-bucket",
      BucketOwner: "123456789012",
      KeyPrefix: "from/web.1/",
      KeyPattern: "{host}/{yyyy}/{MM}/",
      ObjectKeyArn: KEY,
      ObjectTags: "yes",
      Schedule: "rate(7 minutes)",
      MinAge: "45s",
      StateLogDays: "14",
      FilesLogDays: "5",
      FilesLogClass: "INFREQUENT_ACCESS",
      LogKeyArn: KEY,
      CohortMetrics: "no",
      AlarmTopicArn: TOPIC,
      OldestFileSecondsMax: "7200",
      FilesFailedMax: "10",
      HostsMissingMax: "2",
      HostsBehindMax: "3",
      HostsUnwellMax: "4",
      FilesHeldMax: "20",
      FailureSeconds: "3600",
      FreePercentMin: "5",
    },
    certificates: {
      Fleet: "certificates",
      Hosts: "certificates",
      TrustAnchorArn: ANCHOR,
      CertificateNames: "*.web.example.com",
      Bucket: "a-bucket",
      KeyPrefix: "on-premises/",
      AlarmTopicArn: TOPIC,
      AlarmMessages: "health",
      LogAlarms: "no",
    },
    "fleet-wide": {
      Fleet: "fleet-wide",
      Hosts: "hybrid",
      WriteBelow: "fleet",
      Bucket: "a-bucket",
      KeyPrefix: "shared/",
    },
  },
  operator: {
    default: { Fleet: "web" },
    all: { Fleet: "web", HostSettings: "no" },
  },
  repository: {
    default: {},
    all: {
      BucketName: "packages-of-all",
      NoncurrentVersionDays: "30",
      DomainName: "packages.example.com",
      CertificateArn:
        "arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
      PriceClass: "PriceClass_All",
      ReaderVpcEndpoints: "vpce-0a1b2c3d,vpce-4e5f6a7b",
    },
    "bucket-only": { CloudFront: "no" },
  },
};
