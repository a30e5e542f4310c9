import { CfnOutput } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import type { PodRole } from "../topology.ts";
import { addGrants, type Granting } from "./grants.ts";

const names: Readonly<Record<PodRole, string>> = { api: "Api", work: "Work", sweeper: "Sweep" };

/** The roles that pods assume, through EKS Pod Identity: one for each kind of process. */
export function addPods(scope: Construct, resources: Granting): ReadonlyMap<PodRole, Role> {
  const { topology } = resources;
  const pods = new ServicePrincipal("pods.eks.amazonaws.com");
  const statuses = topology.queues.map(({ status }) => status);
  return new Map(
    topology.pods.map(({ role: kind, publishes }) => {
      const id = `Pods${names[kind]}`;
      const role = new Role(scope, id, { assumedBy: pods });
      // The agent on the node tags the session with cluster, namespace and service account.
      role.assumeRolePolicy?.addStatements(new PolicyStatement({ actions: ["sts:TagSession"], principals: [pods] }));
      addGrants(role, { role: kind, publishes, statuses }, resources);
      new CfnOutput(scope, `${id}Arn`, { value: role.roleArn, description: `The role of the pods: ${kind}.` });
      return [kind, role] as const;
    }),
  );
}
