import { runSimulation } from "@cloud-copilot/iam-simulate";

/** A request to AWS, as its policies see it. */
export interface PolicyRequest {
  /** Such as `s3:PutObject`. */
  readonly action: string;
  /** The ARN. */
  readonly resource: string;
  /** Condition keys, such as `aws:userid`. */
  readonly context: Readonly<Record<string, string>>;
}

/** Who asks: an assumed role's session, with the documents of the policies that the role has. */
export interface Requester {
  /** The ARN of the session. */
  readonly arn: string;
  readonly policies: readonly unknown[];
}

/**
 * Whether AWS would allow a request, by a simulator of IAM: it knows all actions, their kinds of
 * resources and condition keys, and refuses what does not fit together.
 * @param bucketPolicy the document of the policy of the resource itself, if there is one
 * @throws Error when a policy or the request is no proper one
 */
export async function isAllowed(
  requester: Requester,
  { action, resource, context }: PolicyRequest,
  bucketPolicy?: unknown,
): Promise<boolean> {
  const [, , , , accountId = ""] = requester.arn.split(":");
  const result = await runSimulation(
    {
      request: {
        principal: requester.arn,
        action,
        resource: { resource, accountId },
        contextVariables: { ...context },
      },
      identityPolicies: requester.policies.map((policy, index) => ({ name: `${index}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(bucketPolicy === undefined ? {} : { resourcePolicy: bucketPolicy }),
    },
    {},
  );
  if (result.resultType === "error") {
    throw new Error(`${action} on ${resource}: ${JSON.stringify(result.errors)}`);
  }
  const ignored = result.resultType === "single" ? (result.result.ignoredContextKeys ?? []) : [];
  if (ignored.length > 0) throw new Error(`${action} takes no ${ignored.join(", ")}`);
  return result.overallResult === "Allowed";
}
