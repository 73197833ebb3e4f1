import {
  CreateStackCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import type { Clients } from "./clients.ts";

/** A stack in the local AWS, as its CloudFormation tells of it. */
export interface DeployedStack {
  /** Logical id to the name or ARN of what was made. What was skipped has none. */
  readonly physicalIds: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
}

/** Makes a stack. @throws Error when it is refused, or does not come to be */
export async function deploy(
  { cloudFormation }: Clients,
  stack: {
    readonly name: string;
    readonly body: string;
    readonly parameters: Readonly<Record<string, string>>;
  },
): Promise<DeployedStack> {
  const StackName = stack.name;
  await cloudFormation.send(
    new CreateStackCommand({
      StackName,
      TemplateBody: stack.body,
      Capabilities: ["CAPABILITY_NAMED_IAM"],
      Parameters: Object.entries(stack.parameters).map(([ParameterKey, ParameterValue]) => ({
        ParameterKey,
        ParameterValue,
      })),
    }),
  );
  const { Stacks: [made] = [] } = await cloudFormation.send(
    new DescribeStacksCommand({ StackName }),
  );
  if (made?.StackStatus !== "CREATE_COMPLETE") {
    throw new Error(`${StackName}: ${made?.StackStatus} ${made?.StackStatusReason ?? ""}`);
  }
  const { StackResources = [] } = await cloudFormation.send(
    new DescribeStackResourcesCommand({ StackName }),
  );
  return {
    physicalIds: new Map(
      StackResources.flatMap(({ LogicalResourceId, PhysicalResourceId }) =>
        LogicalResourceId && PhysicalResourceId ? [[LogicalResourceId, PhysicalResourceId]] : [],
      ),
    ),
    outputs: new Map(
      (made.Outputs ?? []).flatMap(({ OutputKey, OutputValue }) =>
        OutputKey === undefined ? [] : [[OutputKey, OutputValue ?? ""]],
      ),
    ),
  };
}
