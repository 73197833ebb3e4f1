import type { SettingName, Settings } from "../../src/config/schema.ts";

const KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab";
const DAY_MS = 86_400_000;

/** Good texts of every setting that are not its default, with what they are read as. */
export const GOOD_VALUES: {
  readonly [Name in SettingName]: readonly (readonly [string, Settings[Name]])[];
} = {
  bucket: [
    ["my.bucket-1", "my.bucket-1"],
    ["a1b", "a1b"],
    ["a".repeat(63), "a".repeat(63)],
    ["data-abc123-s3alias", "data-abc123-s3alias"],
    ["1.2.3", "1.2.3"],
    [
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/data",
      "arn:aws:s3:eu-west-1:123456789012:accesspoint/data",
    ],
    [
      "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:data",
      "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint:data",
    ],
  ],
  prefix: [
    ["logs/{fleet}/{yyyy}/{MM}/{dd}/{HH}/{host}/", "logs/{fleet}/{yyyy}/{MM}/{dd}/{HH}/{host}/"],
    ["none", ""],
    [" none\n", ""],
    ["none/", "none/"],
    ["web-", "web-"],
    ["a b/ü/日本/...x/", "a b/ü/日本/...x/"],
    [`${"x".repeat(511)}/`, `${"x".repeat(511)}/`],
  ],
  schedule: [
    ["rate(1 second)", "rate(1 second)"],
    ["rate( 366 days )\n", "rate( 366 days )\n"],
    ["cron(0 12 ? * 2-6 *)", "cron(0 12 ? * 2-6 *)"],
    ["*/5 8-18 * * MON-FRI", "*/5 8-18 * * MON-FRI"],
    ["0 0 L * *", "0 0 L * *"],
  ],
  splay: [
    ["90s", 90_000],
    ["0s", 0],
    ["10m", 600_000],
  ],
  timezone: [
    ["Europe/Berlin", "Europe/Berlin"],
    ["Etc/GMT+5", "Etc/GMT+5"],
    ["+05:30", "+05:30"],
  ],
  directory: [
    ["relative/path", "relative/path"],
    ["/data/with space/ü/", "/data/with space/ü/"],
    ["/data/./x...y", "/data/./x...y"],
    [`/${"x".repeat(4_094)}`, `/${"x".repeat(4_094)}`],
  ],
  "min-age": [
    ["45s", 45_000],
    ["0.75m", 45_000],
    [" 45 s\n", 45_000],
    ["30000ms", 30_000],
    ["30d", 30 * DAY_MS],
  ],
  include: [
    ["*.log", ["*.log"]],
    [" *.log , *.csv\n", ["*.log", "*.csv"]],
    ["*.{log,csv}", ["*.{log,csv}"]],
    ["a/*.{log,csv},b/{x,y}/**,c", ["a/*.{log,csv}", "b/{x,y}/**", "c"]],
    ["[(]1[)]*", ["[(]1[)]*"]],
    [Array(100).fill("a").join(","), Array(100).fill("a")],
  ],
  exclude: [
    ["*.tmp", ["*.tmp"]],
    ["none", []],
    [" none\n", []],
  ],
  "on-conflict": [["overwrite", "overwrite"]],
  concurrency: [
    ["256", 256],
    ["1", 1],
    [" 08\n", 8],
  ],
  "quarantine-after": [
    ["0", 0],
    ["1000000", 1_000_000],
  ],
  "storage-class": [["GLACIER_IR", "GLACIER_IR"]],
  "kms-key-id": [
    ["alias/my-key", "alias/my-key"],
    [KEY_ID, KEY_ID],
    [
      `arn:aws:kms:eu-west-1:123456789012:key/${KEY_ID}`,
      `arn:aws:kms:eu-west-1:123456789012:key/${KEY_ID}`,
    ],
    [`mrk-${"0123456789abcdef".repeat(2)}`, `mrk-${"0123456789abcdef".repeat(2)}`],
    [
      "arn:aws-cn:kms:cn-north-1:123456789012:alias/my/key",
      "arn:aws-cn:kms:cn-north-1:123456789012:alias/my/key",
    ],
  ],
  tags: [
    [
      "team=data, cost = a=b,empty=",
      [
        ["team", "data"],
        ["cost", "a=b"],
        ["empty", ""],
      ],
    ],
    [`${"𝒳".repeat(128)}=${"ü".repeat(256)}`, [["𝒳".repeat(128), "ü".repeat(256)]]],
    ["x aws:y=+-=._:/@ 1", [["x aws:y", "+-=._:/@ 1"]]],
  ],
  "bucket-owner": [["123456789012", "123456789012"]],
  "bandwidth-limit": [
    ["10MiB", 10_485_760],
    ["10MiB/s", 10_485_760],
    ["1024B", 1_024],
    ["1.5GB", 1_500_000_000],
  ],
  "file-events": [["failures", "failures"]],
  "file-events-percent": [
    ["0", 0],
    ["7", 7],
    ["100", 100],
  ],
  "log-level": [
    ["debug", "debug"],
    ["warn", "warn"],
    ["error", "error"],
  ],
  "log-spool-limit": [
    ["1MiB", 1_048_576],
    ["128MiB", 134_217_728],
    ["16GiB", 17_179_869_184],
    ["none", 0],
  ],
  "refresh-interval": [
    ["1s", 1_000],
    ["24h", DAY_MS],
  ],
};
