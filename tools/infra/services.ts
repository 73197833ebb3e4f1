import {
  DescribeAlarmsCommand,
  GetDashboardCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
} from "@aws-sdk/client-cloudwatch";
import {
  DescribeLogGroupsCommand,
  DescribeMetricFiltersCommand,
  PutMetricFilterCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  GetBucketEncryptionCommand,
  GetBucketPolicyCommand,
  PutBucketPolicyCommand,
} from "@aws-sdk/client-s3";
import { GetTopicAttributesCommand } from "@aws-sdk/client-sns";
import { DescribeParametersCommand, GetParameterCommand } from "@aws-sdk/client-ssm";
import type { Clients } from "./clients.ts";
import { instanceProfile, managedPolicy, role } from "./iam.ts";
import type { ValueMap } from "./template.ts";

/** What a service tells of a resource, in the words of its template. */
export interface Told {
  readonly properties: Readonly<Record<string, unknown>>;
  /** What `Fn::GetAtt` gives. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** How a type of resource is checked. */
export type Service =
  | {
      /** Made by the local CloudFormation, and then asked for through its own API. */
      readonly by: "CloudFormation";
      /** @param id its name or ARN; @throws the service's error when there is none */
      readonly ask: (clients: Clients, id: string) => Promise<Told>;
      /**
       * Properties that the local AWS does not keep, as paths without the places in lists: the
       * schema alone checks them.
       */
      readonly forgets?: readonly string[];
    }
  | {
      /** Skipped by the local CloudFormation: made through its own API, and then asked for there. */
      readonly by: "API";
      /** @param name for a resource that has none; @returns its name or ARN */
      readonly make: (clients: Clients, properties: ValueMap, name: string) => Promise<string>;
      readonly ask: (clients: Clients, id: string, properties: ValueMap) => Promise<Told>;
      readonly forgets?: readonly string[];
    }
  | {
      /** The local AWS has no such thing: the schema of the resource provider checks it. */
      readonly by: "schema";
    };

/** Every type that a template may have. One that is not here is a finding. */
export const SERVICES: Readonly<Record<string, Service>> = {
  // It keeps the documents of inline policies as something that is no JSON.
  "AWS::IAM::Role": { by: "CloudFormation", ask: role, forgets: ["/Policies/PolicyDocument"] },
  "AWS::IAM::ManagedPolicy": { by: "CloudFormation", ask: managedPolicy },
  "AWS::IAM::InstanceProfile": { by: "CloudFormation", ask: instanceProfile },
  "AWS::SSM::Parameter": {
    by: "CloudFormation",
    async ask({ ssm }, Name) {
      const { Parameter } = await ssm.send(new GetParameterCommand({ Name }));
      const ParameterFilters = [{ Key: "Name", Values: [Name] }];
      const { Parameters: [about] = [] } = await ssm.send(
        new DescribeParametersCommand({ ParameterFilters }),
      );
      return { properties: { ...about, Value: Parameter?.Value } };
    },
  },
  "AWS::Logs::LogGroup": {
    by: "CloudFormation",
    forgets: ["/FieldIndexPolicies", "/KmsKeyId", "/LogGroupClass"],
    async ask({ logs }, logGroupNamePrefix) {
      const { logGroups = [] } = await logs.send(
        new DescribeLogGroupsCommand({ logGroupNamePrefix }),
      );
      const group = logGroups.find(({ logGroupName }) => logGroupName === logGroupNamePrefix);
      if (group === undefined) throw new Error("there is no such log group");
      return {
        properties: {
          LogGroupName: group.logGroupName,
          RetentionInDays: group.retentionInDays,
        },
        attributes: { Arn: group.arn ?? "" },
      };
    },
  },
  "AWS::Logs::MetricFilter": {
    by: "API",
    async make({ logs }, properties, name) {
      const filterName = String(properties["FilterName"] ?? name);
      await logs.send(
        new PutMetricFilterCommand({
          filterName,
          logGroupName: String(properties["LogGroupName"]),
          filterPattern: String(properties["FilterPattern"]),
          metricTransformations: (properties["MetricTransformations"] as readonly ValueMap[]).map(
            (one) => ({
              metricNamespace: String(one["MetricNamespace"]),
              metricName: String(one["MetricName"]),
              metricValue: String(one["MetricValue"]),
              unit: one["Unit"] as "Count",
              dimensions: Object.fromEntries(
                (one["Dimensions"] as readonly { Key: string; Value: string }[]).map(
                  ({ Key, Value }) => [Key, Value],
                ),
              ),
            }),
          ),
        }),
      );
      return filterName;
    },
    async ask({ logs }, filterNamePrefix, { LogGroupName }) {
      const { metricFilters: [filter] = [] } = await logs.send(
        new DescribeMetricFiltersCommand({ filterNamePrefix, logGroupName: String(LogGroupName) }),
      );
      return {
        properties: {
          LogGroupName: filter?.logGroupName,
          FilterName: filter?.filterName,
          FilterPattern: filter?.filterPattern,
          MetricTransformations: filter?.metricTransformations?.map((one) => ({
            MetricNamespace: one.metricNamespace,
            MetricName: one.metricName,
            MetricValue: one.metricValue,
            Unit: one.unit,
            Dimensions: Object.entries(one.dimensions ?? {}).map(([Key, Value]) => ({
              Key,
              Value,
            })),
          })),
        },
      };
    },
  },
  "AWS::S3::Bucket": {
    by: "CloudFormation",
    forgets: [
      "/BucketEncryption/ServerSideEncryptionConfiguration/BucketKeyEnabled",
      "/LifecycleConfiguration",
      "/LoggingConfiguration",
      "/ObjectLockConfiguration",
      "/ObjectLockEnabled",
      "/OwnershipControls",
      "/PublicAccessBlockConfiguration",
      "/VersioningConfiguration",
    ],
    async ask({ s3 }, Bucket) {
      const { ServerSideEncryptionConfiguration } = await s3.send(
        new GetBucketEncryptionCommand({ Bucket }),
      );
      const rules = ServerSideEncryptionConfiguration?.Rules?.map((rule) => ({
        ServerSideEncryptionByDefault: rule.ApplyServerSideEncryptionByDefault,
      }));
      return {
        properties: {
          BucketName: Bucket,
          BucketEncryption: { ServerSideEncryptionConfiguration: rules },
        },
        attributes: {
          Arn: `arn:aws:s3:::${Bucket}`,
          DomainName: `${Bucket}.s3.amazonaws.com`,
          RegionalDomainName: `${Bucket}.s3.eu-central-1.amazonaws.com`,
        },
      };
    },
  },
  "AWS::S3::BucketPolicy": {
    by: "API",
    async make({ s3 }, { Bucket, PolicyDocument }) {
      const Policy = JSON.stringify(PolicyDocument);
      await s3.send(new PutBucketPolicyCommand({ Bucket: String(Bucket), Policy }));
      return String(Bucket);
    },
    async ask({ s3 }, Bucket) {
      const { Policy = "" } = await s3.send(new GetBucketPolicyCommand({ Bucket }));
      return { properties: { Bucket, PolicyDocument: JSON.parse(Policy) } };
    },
  },
  "AWS::CloudWatch::Alarm": {
    by: "API",
    async make({ cloudWatch }, properties, name) {
      // The API and the template call everything the same.
      const input = { AlarmName: name, ...properties } as unknown as PutMetricAlarmCommandInput;
      await cloudWatch.send(new PutMetricAlarmCommand(input));
      return input.AlarmName ?? name;
    },
    async ask({ cloudWatch }, name) {
      const { MetricAlarms: [alarm] = [] } = await cloudWatch.send(
        new DescribeAlarmsCommand({ AlarmNames: [name] }),
      );
      return { properties: { ...alarm }, attributes: { Arn: alarm?.AlarmArn ?? "" } };
    },
  },
  "AWS::CloudWatch::Dashboard": {
    by: "CloudFormation",
    async ask({ cloudWatch }, DashboardName) {
      const { DashboardBody } = await cloudWatch.send(new GetDashboardCommand({ DashboardName }));
      return { properties: { DashboardName, DashboardBody } };
    },
  },
  "AWS::SNS::Topic": {
    by: "CloudFormation",
    async ask({ sns }, TopicArn) {
      const { Attributes = {} } = await sns.send(new GetTopicAttributesCommand({ TopicArn }));
      return {
        properties: { ...Attributes, TopicName: TopicArn.split(":").at(-1) },
        attributes: { TopicArn, TopicName: TopicArn.split(":").at(-1) ?? "" },
      };
    },
  },
  "AWS::CloudFront::CachePolicy": { by: "schema" },
  "AWS::CloudFront::Distribution": { by: "schema" },
  "AWS::CloudFront::OriginAccessControl": { by: "schema" },
  "AWS::CloudWatch::AlarmMuteRule": { by: "schema" },
  "AWS::CloudWatch::CompositeAlarm": { by: "schema" },
  "AWS::CloudWatch::LogAlarm": { by: "schema" },
  "AWS::Logs::QueryDefinition": { by: "schema" },
  "AWS::Logs::ScheduledQuery": { by: "schema" },
  "AWS::SNS::Subscription": { by: "schema" },
  "AWS::SNS::TopicPolicy": { by: "schema" },
};
