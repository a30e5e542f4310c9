import type { Table } from "aws-cdk-lib/aws-dynamodb";
import { type IRole, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { indexName } from "../../backend/aws/item.ts";
import { type Grant, type Granted, grantsOf } from "../permissions.ts";
import type { Topology } from "../topology.ts";
import type { Messaging } from "./messaging.ts";

export interface Granting {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
}

/** Gives a role what its process asks for, by the ARN of each thing: no wildcards. */
export function addGrants(
  role: IRole,
  process: Granted & { readonly statuses: readonly string[] },
  { topology, table, messaging }: Granting,
): void {
  const resourcesOf = ({ target }: Grant): string[] => {
    if (target === "table") return [table.tableArn];
    if (target === "index") return [`${table.tableArn}/index/${indexName}`];
    if (target === "topic") return [messaging.topic.topicArn];
    const statuses = target === "allQueues" ? topology.queues.map(({ status }) => status) : process.statuses;
    return statuses.map((status) => messaging.queueOf(status).queueArn);
  };
  for (const grant of grantsOf(process, topology.delivery)) {
    role.addToPrincipalPolicy(new PolicyStatement({ actions: [...grant.actions], resources: resourcesOf(grant) }));
  }
}
