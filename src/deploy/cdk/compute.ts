import { CfnOutput, Duration, Fn, RemovalPolicy, Validations } from "aws-cdk-lib";
import { AccessLogFormat } from "aws-cdk-lib/aws-apigateway";
import { HttpApi, HttpStage, LogGroupLogDestination } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { type IRole, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { indexName } from "../../backend/aws/item.ts";
import { type DutyValues, environmentOf } from "../../node/settings.ts";
import { type GrantTarget, grantsOf } from "../permissions.ts";
import type { FunctionPlan, PodPlan, PodRole, Topology } from "../topology.ts";
import type { Messaging } from "./storage.ts";

/**
 * Adds the functions, their event source mappings and the sweep's schedule. `told` holds the settings of the functions,
 * without those that follow from `resources`.
 */
export function addFunctions(
  scope: Construct,
  resources: StackResources,
  told: DutyValues,
  codeOf: (plan: FunctionPlan) => string,
): ReadonlyMap<string, lambda.Function> {
  const { topology, messaging } = resources;
  const functions = new Map<string, lambda.Function>();
  for (const plan of topology.functions) {
    const id = shortNameOf(plan.name, topology);
    const logGroup = addLog(scope, id, `/aws/lambda/${plan.name}`);
    const role = new Role(scope, `Role-${id}`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    const logActions = ["logs:CreateLogStream", "logs:PutLogEvents"];
    role.addToPolicy(new PolicyStatement({ actions: logActions, resources: [logGroup.logGroupArn] }));
    addGrants(role, plan, resources);
    functions.set(
      plan.name,
      new lambda.Function(scope, `Function-${id}`, {
        functionName: plan.name,
        runtime: lambda.Runtime.NODEJS_24_X,
        architecture: lambda.Architecture.ARM_64,
        handler: "index.handler",
        code: lambda.Code.fromAsset(codeOf(plan)),
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
        // The next minute's sweep does what a sweep that failed or found no room left undone. A repeat would only run
        // beside it.
        ...(plan.duty === "maintain"
          ? { retryAttempts: 0, maxEventAge: Duration.seconds(topology.sweepEverySeconds) }
          : {}),
        // A status's function publishes to the topic that invokes it, once for each transition. AWS would take that for
        // a runaway loop and drop the message after about 16 transitions. `visitsMax` bounds the loop.
        ...(plan.duty === "work" ? { recursiveLoop: lambda.RecursiveLoop.ALLOW } : {}),
      }),
    );
  }
  for (const { status, function: name, batchSize, concurrencyMost } of topology.sources) {
    // `addEventSource` would also grant sqs:GetQueueUrl, which nothing asks for.
    new lambda.EventSourceMapping(scope, `Source-${status}`, {
      target: functions.get(name) as lambda.Function,
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
      targets: [new LambdaFunction(functions.get(name) as lambda.Function, { retryAttempts: 0 })],
    });
  }
  return functions;
}

/** Cuts workflow and stage off a function's name: `processing` of `orders-processing-dev`. */
export function shortNameOf(name: string, { workflow, stage }: Topology): string {
  return name.slice(workflow.length + 1, -stage.length - 1);
}

/** Gives the URL of a queue up to its last slash. The queue is the catch-all, which every stack has. */
export function queueUrlBase({ unrouted }: Messaging): string {
  const parts = Fn.split("/", unrouted.queueUrl, 5);
  return Fn.join("/", [...parts.slice(0, 4), ""]);
}

const names: Readonly<Record<PodRole, string>> = { api: "Api", work: "Work", sweeper: "Sweep" };

/** Adds the roles that pods assume through EKS Pod Identity, one for each kind of process. */
export function addPods(scope: Construct, resources: StackResources): ReadonlyMap<PodRole, Role> {
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

export interface StackResources {
  readonly topology: Topology;
  readonly table: Table;
  readonly messaging: Messaging;
}

/** Grants a role what its process asks for, by the ARN of each resource, without wildcards. */
function addGrants(role: IRole, process: FunctionPlan | PodPlan, { topology, table, messaging }: StackResources): void {
  const allQueues = topology.queues.map(({ status }) => messaging.queueOf(status).queueArn);
  const ownQueues = process.statuses.map((status) => messaging.queueOf(status).queueArn);
  const arns: Readonly<Record<GrantTarget, string[]>> = {
    table: [table.tableArn],
    index: [`${table.tableArn}/index/${indexName}`],
    topic: [messaging.topic.topicArn],
    // A process without handlers counts the messages of every queue.
    queues: process.duty === "work" ? ownQueues : allQueues,
    allQueues,
  };
  for (const { target, actions } of grantsOf(process, topology.delivery)) {
    role.addToPrincipalPolicy(new PolicyStatement({ actions: [...actions], resources: arns[target] }));
  }
}

export interface Throttle {
  /** Requests a second, over all clients. */
  readonly ratePerSecond: number;
  readonly burst: number;
}

/** Adds the HTTP API. Every path goes to the request function, which knows its routes. */
export function addApi(
  scope: Construct,
  { workflow, stage }: Topology,
  request: lambda.Function,
  throttle: Throttle,
): HttpApi {
  const api = new HttpApi(scope, "Api", {
    apiName: `${workflow}-api-${stage}`,
    createDefaultStage: false,
    defaultIntegration: new HttpLambdaIntegration("Request", request),
  });
  Validations.of(api).acknowledge({
    id: "AwsSolutions::AwsSolutions-APIG4",
    reason:
      "The request function checks the API keys itself, by role and workflow, as everywhere; it refuses to start without keys unless the stack says that it is public.",
  });
  const log = addLog(scope, "api", `/aws/apigateway/${workflow}-api-${stage}`);
  new HttpStage(scope, "ApiStage", {
    httpApi: api,
    stageName: "$default",
    autoDeploy: true,
    throttle: { rateLimit: throttle.ratePerSecond, burstLimit: throttle.burst },
    accessLogSettings: {
      destination: new LogGroupLogDestination(log),
      format: AccessLogFormat.custom(
        JSON.stringify({
          requestId: "$context.requestId",
          at: "$context.requestTime",
          ip: "$context.identity.sourceIp",
          method: "$context.httpMethod",
          path: "$context.path",
          status: "$context.status",
          milliseconds: "$context.responseLatency",
          error: "$context.integrationErrorMessage",
        }),
      ),
    },
  });
  new CfnOutput(scope, "Url", { value: api.apiEndpoint, description: "Where orders are placed." });
  return api;
}

function addLog(scope: Construct, id: string, logGroupName: string): LogGroup {
  const retention = RetentionDays.ONE_MONTH;
  return new LogGroup(scope, `Log-${id}`, { logGroupName, retention, removalPolicy: RemovalPolicy.DESTROY });
}
