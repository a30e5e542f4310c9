import { Duration, Fn, RemovalPolicy } from "aws-cdk-lib";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, Code, Function as Lambda, RecursiveLoop, Runtime } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { indexName } from "../../backend/aws/item.ts";
import { type Grant, grantsOf } from "../permissions.ts";
import type { FunctionPlan, Topology } from "../topology.ts";
import type { Messaging } from "./messaging.ts";

export interface FunctionsOptions {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
  /** The folder of a function's bundle. */
  readonly codeOf: (plan: FunctionPlan) => string;
  /** What the request function's environment holds beside what each has: its API keys, or that there are none. */
  readonly access: Readonly<Record<string, string>>;
}

export function addFunctions(scope: Construct, options: FunctionsOptions): ReadonlyMap<string, Lambda> {
  const { topology, table, messaging, codeOf, access } = options;
  const { topic, queues } = messaging;
  const [first] = topology.queues;
  const queueOf = (status: string) => queues.get(status)?.queue as NonNullable<ReturnType<typeof queues.get>>["queue"];

  const resourcesOf = ({ target }: Grant, statuses: readonly string[]): string[] => {
    if (target === "table") return [table.tableArn];
    if (target === "index") return [`${table.tableArn}/index/${indexName}`];
    if (target === "topic") return [topic.topicArn];
    return statuses.map((status) => queueOf(status).queueArn);
  };

  const functions = new Map<string, Lambda>();
  for (const plan of topology.functions) {
    const id = plan.name.slice(topology.workflow.length + 1, -topology.stage.length - 1);
    const statuses = plan.role === "processing" ? plan.statuses : topology.queues.map(({ status }) => status);
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
    for (const grant of grantsOf(plan)) {
      const resources = resourcesOf(grant, statuses);
      if (resources.length > 0) role.addToPolicy(new PolicyStatement({ actions: [...grant.actions], resources }));
    }
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
        environment: {
          CAUCE_STAGE: topology.stage,
          CAUCE_DELIVERY: topology.delivery,
          CAUCE_TOPIC_ARN: topic.topicArn,
          ...(first === undefined ? {} : { CAUCE_QUEUE_URL_BASE: baseOf(queueOf(first.status).queueUrl) }),
          ...(plan.role === "request" ? access : {}),
        },
        // A status's function publishes to the topic that invokes it, once for each transition: AWS would take that for
        // a runaway loop and drop the message after about 16 hops. `visitsMax` bounds it.
        ...(plan.role === "processing" ? { recursiveLoop: RecursiveLoop.ALLOW } : {}),
      }),
    );
  }
  for (const { status, function: name, batchSize, concurrencyMost } of topology.sources) {
    functions.get(name)?.addEventSource(
      new SqsEventSource(queueOf(status), {
        batchSize,
        maxConcurrency: concurrencyMost,
        reportBatchItemFailures: true,
      }),
    );
  }
  const sweep = topology.functions.find(({ role }) => role === "sweep");
  if (sweep !== undefined) {
    new Rule(scope, "Schedule", {
      ruleName: sweep.name,
      schedule: Schedule.rate(Duration.seconds(topology.sweepEverySeconds)),
      targets: [new LambdaFunction(functions.get(sweep.name) as Lambda, { retryAttempts: 0 })],
    });
  }
  return functions;
}

/** Where queues are: a queue's URL up to its last slash. */
function baseOf(queueUrl: string): string {
  const parts = Fn.split("/", queueUrl, 5);
  return Fn.join("/", [...parts.slice(0, 4), ""]);
}
