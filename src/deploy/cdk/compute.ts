import { CfnOutput, Duration, Fn, RemovalPolicy } from "aws-cdk-lib";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { type IRole, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  EventSourceMapping,
  Function as Lambda,
  RecursiveLoop,
  Runtime,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { indexName } from "../../backend/aws/item.ts";
import { type DutyValues, environmentOf } from "../../node/settings.ts";
import { type Grant, type Granted, grantsOf } from "../permissions.ts";
import type { FunctionPlan, PodRole, ProcessPlan, Topology } from "../topology.ts";
import type { Messaging } from "./messaging.ts";

export interface FunctionsOptions extends Granting {
  /** The folder of a function's bundle. */
  readonly codeOf: (plan: FunctionPlan) => string;
  /** What the functions are told besides where the resources are. */
  readonly told: DutyValues;
}

export function addFunctions(scope: Construct, options: FunctionsOptions): ReadonlyMap<string, Lambda> {
  const { topology, messaging, codeOf, told } = options;
  const functions = new Map<string, Lambda>();
  for (const plan of topology.functions) {
    const id = shortNameOf(plan.name, topology);
    const logGroup = new LogGroup(scope, `Log-${id}`, {
      logGroupName: `/aws/lambda/${plan.name}`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(scope, `Role-${id}`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    role.addToPolicy(
      new PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logGroup.logGroupArn],
      }),
    );
    addGrants(role, plan, options);
    functions.set(
      plan.name,
      new Lambda(scope, `Function-${id}`, {
        functionName: plan.name,
        runtime: Runtime.NODEJS_24_X,
        architecture: Architecture.ARM_64,
        handler: "index.handler",
        code: Code.fromAsset(codeOf(plan)),
        timeout: Duration.seconds(plan.timeoutSeconds),
        memorySize: plan.memoryMegabytes,
        logGroup,
        role,
        environment: environmentOf(plan.duty, {
          stage: topology.stage,
          delivery: topology.delivery,
          topicArn: messaging.topic.topicArn,
          queueUrlBase: queueUrlBase(messaging),
          ...told,
        }),
        // A sweep that failed or found no room is made good by the next minute's: repeats would only stand beside it.
        ...(plan.duty === "maintain"
          ? { retryAttempts: 0, maxEventAge: Duration.seconds(topology.sweepEverySeconds) }
          : {}),
        // A status's function publishes to the topic that invokes it, once for each transition: AWS would take that for
        // a runaway loop and drop the message after about 16 hops. `visitsMax` bounds it.
        ...(plan.duty === "work" ? { recursiveLoop: RecursiveLoop.ALLOW } : {}),
      }),
    );
  }
  for (const { status, function: name, batchSize, concurrencyMost } of topology.sources) {
    // Not `addEventSource`: that grants sqs:GetQueueUrl too, which nothing asks for.
    new EventSourceMapping(scope, `Source-${status}`, {
      target: functions.get(name) as Lambda,
      eventSourceArn: messaging.queueOf(status).queueArn,
      batchSize,
      maxConcurrency: concurrencyMost,
      reportBatchItemFailures: true,
    });
  }
  for (const { name } of topology.functions.filter(({ duty }) => duty === "maintain")) {
    new Rule(scope, "Schedule", {
      ruleName: name,
      schedule: Schedule.rate(Duration.seconds(topology.sweepEverySeconds)),
      targets: [new LambdaFunction(functions.get(name) as Lambda, { retryAttempts: 0 })],
    });
  }
  return functions;
}

/** What stands between workflow and stage: `processing` of `orders-processing-dev`. */
export function shortNameOf(name: string, { workflow, stage }: Topology): string {
  return name.slice(workflow.length + 1, -stage.length - 1);
}

/** Where queues are: a queue's URL up to its last slash. The catch-all is there whatever the statuses are. */
export function queueUrlBase({ unrouted }: Messaging): string {
  const parts = Fn.split("/", unrouted.queueUrl, 5);
  return Fn.join("/", [...parts.slice(0, 4), ""]);
}

const names: Readonly<Record<PodRole, string>> = { api: "Api", work: "Work", sweeper: "Sweep" };

/** The roles that pods assume, through EKS Pod Identity: one for each kind of process. */
export function addPods(scope: Construct, resources: Granting): ReadonlyMap<PodRole, Role> {
  const { topology } = resources;
  const pods = new ServicePrincipal("pods.eks.amazonaws.com");
  return new Map(
    topology.pods.map((plan) => {
      const kind = plan.role;
      const id = `Pods${names[kind]}`;
      const role = new Role(scope, id, { assumedBy: pods });
      // The agent on the node tags the session with cluster, namespace and service account.
      role.assumeRolePolicy?.addStatements(new PolicyStatement({ actions: ["sts:TagSession"], principals: [pods] }));
      addGrants(role, plan, resources);
      new CfnOutput(scope, `${id}Arn`, { value: role.roleArn, description: `The role of the pods: ${kind}.` });
      return [kind, role] as const;
    }),
  );
}

export interface Granting {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
}

/** Gives a role what its process asks for, by the ARN of each thing: no wildcards. */
function addGrants(role: IRole, process: Granted & ProcessPlan, { topology, table, messaging }: Granting): void {
  const resourcesOf = ({ target }: Grant): string[] => {
    if (target === "table") return [table.tableArn];
    if (target === "index") return [`${table.tableArn}/index/${indexName}`];
    if (target === "topic") return [messaging.topic.topicArn];
    const all = topology.queues.map(({ status }) => status);
    // What runs no handlers counts, or sends to, every queue.
    const statuses = target === "queues" && process.duty === "work" ? process.statuses : all;
    return statuses.map((status) => messaging.queueOf(status).queueArn);
  };
  for (const grant of grantsOf(process, topology.delivery)) {
    role.addToPrincipalPolicy(new PolicyStatement({ actions: [...grant.actions], resources: resourcesOf(grant) }));
  }
}
