import { RemovalPolicy } from "aws-cdk-lib";
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from "aws-cdk-lib/aws-dynamodb";
import type { Construct } from "constructs";
import { indexName, projected, timeToLiveAttribute } from "../../backend/aws/item.ts";
import type { Topology } from "../topology.ts";

/** The table with its index. Outside `dev` nothing deletes it by accident. */
export function addTable(scope: Construct, { table, stage }: Topology): Table {
  const string = (name: string) => ({ name, type: AttributeType.STRING });
  const made = new Table(scope, "Table", {
    tableName: table,
    partitionKey: string("id"),
    sortKey: string("part"),
    billingMode: BillingMode.PAY_PER_REQUEST,
    encryption: TableEncryption.AWS_MANAGED,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute,
    deletionProtection: stage !== "dev",
    removalPolicy: stage === "dev" ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
  });
  made.addGlobalSecondaryIndex({
    indexName,
    partitionKey: string("ix"),
    sortKey: string("so"),
    projectionType: ProjectionType.INCLUDE,
    nonKeyAttributes: [...projected],
  });
  return made;
}
