import { concurrencyMax } from "../../backend/aws/quotas.ts";
import type { Template } from "./assembly.ts";
import { invalid, resolveValue, type Value } from "./intrinsics.ts";
import { arnOf, createReferences, type Endpoints, nameOfArn } from "./references.ts";

type TableResource = Readonly<ReturnType<typeof readTable>>;
type TopicResource = Readonly<ReturnType<typeof readTopic>>;
export type QueueResource = Readonly<ReturnType<typeof readQueue>>;
export type SubscriptionResource = Readonly<ReturnType<typeof readSubscription>>;
export type FunctionResource = Readonly<ReturnType<typeof readFunction>>;
export type SourceResource = Readonly<ReturnType<typeof readSource>>;
type ScheduleResource = Readonly<ReturnType<typeof readSchedules>[number]>;
export type ApiResource = Readonly<ReturnType<typeof readApis>[number]>;

/** The resources of a synthesized stack, with every reference resolved. They are checked, provisioned and run. */
export interface Stack {
  readonly name: string;
  readonly tables: readonly TableResource[];
  readonly topics: readonly TopicResource[];
  readonly queues: readonly QueueResource[];
  readonly subscriptions: readonly SubscriptionResource[];
  readonly functions: readonly FunctionResource[];
  readonly sources: readonly SourceResource[];
  readonly schedules: readonly ScheduleResource[];
  readonly apis: readonly ApiResource[];
}

/** A statement of a policy, in the form of IAM. */
export interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface PolicyDocument {
  readonly Statement?: readonly Statement[];
}

/** Ignored: types of resource that do not affect processing (monitoring, logs, trust and invoke permissions). */
const ignoredTypes = [
  "AWS::ApiGatewayV2::Stage",
  "AWS::CDK::Metadata",
  "AWS::CloudWatch::Alarm",
  "AWS::CloudWatch::Dashboard",
  "AWS::IAM::Role",
  "AWS::Lambda::EventInvokeConfig",
  "AWS::Lambda::Permission",
  "AWS::Logs::LogGroup",
  "AWS::SNS::TopicPolicy",
];

/** The properties of a resource, with every reference resolved. */
type Properties = Readonly<Record<string, Value | undefined>>;

interface Resolved {
  /** The id of the resource in the template, for messages. */
  readonly id: string;
  readonly properties: Properties;
}

/**
 * Reads the resources of a template. Throws `template_invalid`, with the id, for an unknown type of resource and for a
 * value that cannot be resolved.
 */
export function readStack(template: Template, endpoints: Endpoints): Stack {
  const references = createReferences(template, endpoints);
  const entries = Object.entries(template.resources);
  // A reference reads the value of a parameter.
  const known = new Set([...ignoredTypes, "AWS::SSM::Parameter"]);
  const all = (type: string): Resolved[] => {
    known.add(type);
    return entries
      .filter(([, { Type }]) => Type === type)
      .map(([id, { Properties = {} }]) => ({ id, properties: resolveValue(Properties, references, id) as Properties }));
  };
  const queuePolicies = all("AWS::SQS::QueuePolicy");
  const rolePolicies = all("AWS::IAM::Policy");
  const stack: Stack = {
    name: template.name,
    tables: all("AWS::DynamoDB::Table").map(readTable),
    topics: all("AWS::SNS::Topic").map(readTopic),
    queues: all("AWS::SQS::Queue").map((each) => readQueue(each, endpoints, queuePolicies)),
    subscriptions: all("AWS::SNS::Subscription").map(readSubscription),
    functions: all("AWS::Lambda::Function").map((each) => readFunction(each, template, rolePolicies)),
    sources: all("AWS::Lambda::EventSourceMapping")
      .filter(({ properties: { Enabled = true } }) => Enabled === true)
      .map(readSource),
    schedules: all("AWS::Events::Rule").flatMap(readSchedules),
    apis: readApis(all),
  };
  for (const [id, { Type }] of entries) {
    if (!known.has(Type)) throw invalid(`${template.name}.${id}`, `cauce emulate does not know ${Type}`);
  }
  return stack;
}

function readTable({ id, properties }: Resolved) {
  const { TableName = id, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema } = properties;
  return {
    id,
    name: String(TableName),
    /** What DynamoDB's CreateTable takes. */
    create: { TableName, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema },
  };
}

function readTopic(resource: Resolved) {
  const name = readName(resource, "TopicName");
  const arn = arnOf("sns")(name);
  const attributes = readAttributes(resource);
  return { id: resource.id, name, arn, fifo: attributes.FifoTopic === "true", attributes };
}

function readQueue(resource: Resolved, endpoints: Endpoints, policies: readonly Resolved[]) {
  const name = readName(resource, "QueueName");
  const url = endpoints.queueUrl(name);
  const attributes = readAttributes(resource);
  const redrive = resource.properties.RedrivePolicy as Properties | undefined;
  return {
    ...{ id: resource.id, name, arn: arnOf("sqs")(name), url, attributes },
    fifo: attributes.FifoQueue === "true",
    visibilitySeconds: number(resource, "VisibilityTimeout", 30),
    redrive: redrive && {
      deadLettersArn: String(redrive.deadLetterTargetArn),
      receivesMax: Number(redrive.maxReceiveCount),
    },
    /** The statements of every policy of the queue. */
    statements: findStatements(policies, "Queues", url),
  };
}

function readSubscription(resource: Resolved) {
  const { RawMessageDelivery, FilterPolicy } = resource.properties;
  return {
    id: resource.id,
    topicArn: text(resource, "TopicArn"),
    protocol: text(resource, "Protocol"),
    endpoint: text(resource, "Endpoint"),
    raw: RawMessageDelivery === true || RawMessageDelivery === "true",
    filter: FilterPolicy as unknown,
  };
}

function readFunction(resource: Resolved, template: Template, policies: readonly Resolved[]) {
  const name = readName(resource, "FunctionName");
  const role = nameOfArn(text(resource, "Role")).replace(/^role\//, "");
  const { Variables = {} } = (resource.properties.Environment ?? {}) as { readonly Variables?: Properties };
  return {
    ...{ id: resource.id, name, arn: arnOf("lambda", "function:")(name) },
    /** The folder of the code. Undefined if the assembly holds no such asset. */
    directory: template.assetDirectory(String((resource.properties.Code as Properties).S3Key)),
    /** `index.handler` */
    handler: text(resource, "Handler"),
    timeoutSeconds: number(resource, "Timeout", 3),
    memoryMegabytes: number(resource, "MemorySize", 128),
    environment: Object.fromEntries(Object.entries(Variables).map(([variable, value]) => [variable, String(value)])),
    /** The statements of every policy of the function's role. */
    statements: findStatements(policies, "Roles", role),
  };
}

function readSource(resource: Resolved) {
  const { FunctionResponseTypes = [], ScalingConfig } = resource.properties;
  const { MaximumConcurrency } = (ScalingConfig ?? {}) as Properties;
  return {
    id: resource.id,
    queueArn: text(resource, "EventSourceArn"),
    function: nameOfArn(text(resource, "FunctionName")),
    batchSize: number(resource, "BatchSize", 10),
    windowSeconds: number(resource, "MaximumBatchingWindowInSeconds", 0),
    /** The most invocations that run at once. */
    concurrencyMax: Number(MaximumConcurrency ?? concurrencyMax),
    /** Whether the function's response names the failed messages of a batch. */
    partial: (FunctionResponseTypes as readonly string[]).includes("ReportBatchItemFailures"),
  };
}

const unitSeconds: Readonly<Record<string, number>> = { minute: 60, hour: 3_600, day: 86_400 };

function readSchedules(resource: Resolved) {
  const { id, properties } = resource;
  if (properties.State === "DISABLED") return [];
  const expression = text(resource, "ScheduleExpression");
  const [, count, unit = ""] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count === undefined) {
    throw invalid(
      `${id}.ScheduleExpression`,
      `"${expression}" is not rate(…), the only schedule that cauce emulate knows`,
    );
  }
  const everySeconds = Number(count) * (unitSeconds[unit] as number);
  return ((properties.Targets ?? []) as readonly Properties[]).map(({ Arn }) => ({
    id,
    everySeconds,
    function: nameOfArn(String(Arn)),
  }));
}

function readApis(all: (type: string) => Resolved[]) {
  const integrations = new Map(all("AWS::ApiGatewayV2::Integration").map(({ id, properties }) => [id, properties]));
  const routes = all("AWS::ApiGatewayV2::Route");
  return all("AWS::ApiGatewayV2::Api").map((api) => ({
    id: api.id,
    name: readName(api, "Name"),
    routes: routes
      .filter(({ properties }) => properties.ApiId === api.id)
      .map(({ id, properties: { RouteKey, Target } }) => {
        const integration = integrations.get(String(Target).replace(/^integrations\//, ""));
        if (integration === undefined) throw invalid(id, `its target ${String(Target)} is no integration`);
        const { IntegrationType, IntegrationUri, PayloadFormatVersion } = integration;
        if (IntegrationType !== "AWS_PROXY" || PayloadFormatVersion !== "2.0") {
          throw invalid(id, "cauce emulate knows only routes to functions with the payload format 2.0");
        }
        /** `key` is `$default` or `GET /path`. */
        return { key: String(RouteKey), function: nameOfArn(String(IntegrationUri)) };
      }),
  }));
}

/** Finds the statements of the policies that apply to a queue or a role. */
function findStatements(
  policies: readonly Resolved[],
  property: "Queues" | "Roles",
  name: string,
): readonly Statement[] {
  return policies
    .filter(({ properties }) => (properties[property] as readonly string[]).includes(name))
    .flatMap(({ properties }) => (properties.PolicyDocument as PolicyDocument | undefined)?.Statement ?? []);
}

function readName({ id, properties }: Resolved, property: string): string {
  return String(properties[property] ?? id);
}

function text({ id, properties }: Resolved, property: string): string {
  const value = properties[property];
  if (typeof value !== "string") throw invalid(id, `${property} is missing`);
  return value;
}

function number({ properties }: Resolved, property: string, fallback: number): number {
  return Number(properties[property] ?? fallback);
}

const attributeNames = [
  "FifoTopic",
  "FifoQueue",
  "ContentBasedDeduplication",
  "DeduplicationScope",
  "FifoThroughputLimit",
  "DelaySeconds",
  "MessageRetentionPeriod",
  "VisibilityTimeout",
  "RedrivePolicy",
];

/** Reads the attributes in the form that the APIs of SNS and SQS take: text, and JSON for an object. */
function readAttributes({ properties }: Resolved): Record<string, string> {
  return Object.fromEntries(
    attributeNames.flatMap((name) => {
      const value = properties[name];
      if (value === undefined) return [];
      return [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
    }),
  );
}
