/** A price, and where it is from. */
export interface Price {
  /** US dollars of a unit, in us-east-1. */
  readonly dollars: number;
  readonly unit: string;
  /** When it was published or read, as far as that is known. */
  readonly asOf: string;
  readonly source: string;
  /** Whether that source says it. If not, look it up before you rest on it. */
  readonly isVerified: boolean;
}

const GUIDE = "signoz.io/guides/cloudwatch-pricing";
const ARTICLE = "factualminds.com, amazon-cloudwatch-pricing";
const ALARMS = "c3x.dev, aws_cloudwatch_metric_alarm";
const NOTES = "cost notes of several public repositories";

/**
 * Every price that the calculator knows, before taxes, discounts and free tiers. None was read from
 * a live page of AWS: they are what others published of it, with their dates.
 */
export const PRICES = {
  metric: {
    dollars: 0.3,
    unit: "custom metric and month, the first 10,000",
    asOf: "2026-02-15",
    source: GUIDE,
    isVerified: true,
  },
  alarmMetric: {
    dollars: 0.1,
    unit: "metric of a standard alarm and month",
    asOf: "undated, read 2026-11-24",
    source: ALARMS,
    isVerified: true,
  },
  compositeAlarm: {
    dollars: 0.5,
    unit: "composite alarm and month",
    asOf: "undated, read 2026-11-24",
    source: ALARMS,
    isVerified: true,
  },
  logAlarm: {
    dollars: 0.1,
    unit: "log alarm and month, as a standard alarm; its queries beside",
    asOf: "log alarms are new since 2026-06-29",
    source: "none was found",
    isVerified: false,
  },
  dashboard: {
    dollars: 3,
    unit: "dashboard and month",
    asOf: "2026-06-13",
    source: ARTICLE,
    isVerified: true,
  },
  logIngestion: {
    dollars: 0.5,
    unit: "GB of log records, Standard class",
    asOf: "2026-06-13",
    source: ARTICLE,
    isVerified: true,
  },
  logIngestionInfrequent: {
    dollars: 0.25,
    unit: "GB of log records, Infrequent Access class",
    asOf: "undated, read 2026-11-24",
    source: NOTES,
    isVerified: false,
  },
  logStorage: {
    dollars: 0.03,
    unit: "GB of compressed records and month",
    asOf: "undated, read 2026-11-24",
    source: NOTES,
    isVerified: false,
  },
  logScan: {
    dollars: 0.005,
    unit: "GB that Logs Insights looks through",
    asOf: "2026-06-13",
    source: ARTICLE,
    isVerified: true,
  },
  put: {
    dollars: 0.005 / 1_000,
    unit: "request to S3 Standard that writes ($0.005 per 1,000)",
    asOf: "undated, read 2026-11-24",
    source: "cloudkaramchari.com, per 1,000 PUT requests",
    isVerified: true,
  },
  parameterCall: {
    dollars: 0.05 / 10_000,
    unit: "call with higher throughput ($0.05 per 10,000); else free",
    asOf: "undated, read 2026-11-23",
    source: "github.com/data-dot-all/dataall issue 953",
    isVerified: true,
  },
} as const satisfies Readonly<Record<string, Price>>;

/**
 * What is stored of a record, of what was ingested: logs are stored compressed. AWS's own examples
 * reckon with this share. Not verified.
 */
export const STORED_SHARE = 0.15;

/** A GB of bills is reckoned as the lesser of the two that it could be, which is dearer. */
export const GB = 1e9;

/** Hours of a month, as AWS reckons. */
export const MONTH_HOURS = 730;
