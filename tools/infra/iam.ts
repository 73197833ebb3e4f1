import {
  GetInstanceProfileCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  ListAttachedRolePoliciesCommand,
  ListEntitiesForPolicyCommand,
  ListRolePoliciesCommand,
} from "@aws-sdk/client-iam";
import type { Clients } from "./clients.ts";
import type { Told } from "./services.ts";

/** What IAM tells of a role, with the policies that it has. */
export async function role({ iam }: Clients, RoleName: string): Promise<Told> {
  const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
  const { AttachedPolicies = [] } = await iam.send(
    new ListAttachedRolePoliciesCommand({ RoleName }),
  );
  const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  return {
    properties: {
      ...Role,
      AssumeRolePolicyDocument: documentOf(Role?.AssumeRolePolicyDocument),
      ManagedPolicyArns: AttachedPolicies.map(({ PolicyArn }) => PolicyArn),
      Policies: PolicyNames.map((PolicyName) => ({ PolicyName })),
    },
    attributes: { Arn: Role?.Arn ?? "", RoleId: Role?.RoleId ?? "" },
  };
}

/** What IAM tells of a managed policy, with the roles that have it. */
export async function managedPolicy({ iam }: Clients, PolicyArn: string): Promise<Told> {
  const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn }));
  const { PolicyVersion } = await iam.send(
    new GetPolicyVersionCommand({ PolicyArn, VersionId: Policy?.DefaultVersionId }),
  );
  const { PolicyRoles = [] } = await iam.send(new ListEntitiesForPolicyCommand({ PolicyArn }));
  return {
    properties: {
      ...Policy,
      ManagedPolicyName: Policy?.PolicyName,
      PolicyDocument: documentOf(PolicyVersion?.Document),
      Roles: PolicyRoles.map(({ RoleName }) => RoleName),
    },
    attributes: { PolicyArn },
  };
}

/** What IAM tells of an instance profile, with its roles. */
export async function instanceProfile(
  { iam }: Clients,
  InstanceProfileName: string,
): Promise<Told> {
  const { InstanceProfile } = await iam.send(
    new GetInstanceProfileCommand({ InstanceProfileName }),
  );
  const Roles = InstanceProfile?.Roles?.map(({ RoleName }) => RoleName);
  return {
    properties: { ...InstanceProfile, Roles },
    attributes: { Arn: InstanceProfile?.Arn ?? "" },
  };
}

/** Policies come as JSON that is escaped as in a URL. */
function documentOf(text = "null"): unknown {
  return JSON.parse(decodeURIComponent(text));
}
