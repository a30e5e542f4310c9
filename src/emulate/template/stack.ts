import type { Template } from "./assembly.ts";
import { invalid, resolveValue, type Value } from "./intrinsics.ts";
import { arnOf, createReferences, type Endpoints, nameOfArn } from "./references.ts";

export type TableResource = Readonly<ReturnType<typeof readTable>>;
export type TopicResource = Readonly<ReturnType<typeof readTopic>>;
export type QueueResource = Readonly<ReturnType<typeof readQueue>>;
export type SubscriptionResource = Readonly<ReturnType<typeof readSubscription>>;
export type FunctionResource = Readonly<ReturnType<typeof readFunction>>;
export type SourceResource = Readonly<ReturnType<typeof readSource>>;
export type ScheduleResource = Readonly<ReturnType<typeof readSchedules>[number]>;
export type ApiResource = Readonly<ReturnType<typeof readApis>[number]>;

/** What a synthesized stack holds, with every reference resolved: what is checked, provisioned and run. */
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

/** A statement of a policy, as IAM writes it. */
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

/** What changes nothing of how orders go: who watches, where logs are kept, and who may assume or invoke what. */
const leftOut = [
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
/** Read only where a function of the template refers to one. */
const onlyReferred = "AWS::SSM::Parameter";

/** A resource's properties without references. */
type Properties = Readonly<Record<string, Value | undefined>>;
interface Resolved {
  /** Its id in the template, which messages name. */
  readonly id: string;
  readonly properties: Properties;
}

/**
 * A template as plain resources. Throws `template_invalid` for a type of resource that it does not know, and for a
 * value that it cannot resolve, by name.
 */
export function readStack(template: Template, endpoints: Endpoints): Stack {
  const references = createReferences(template, endpoints);
  const entries = Object.entries(template.resources);
  const known = new Set([...leftOut, onlyReferred]);
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
    /** The statements of all its policies. */
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
    /** The folder that holds its code; undefined where the assembly has none. */
    directory: template.assetDirectory(String((resource.properties.Code as Properties).S3Key)),
    /** `index.handler` */
    handler: text(resource, "Handler"),
    timeoutSeconds: number(resource, "Timeout", 3),
    memoryMegabytes: number(resource, "MemorySize", 128),
    environment: Object.fromEntries(Object.entries(Variables).map(([variable, value]) => [variable, String(value)])),
    /** What its role may do. */
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
    /** How many invocations of it run at once, at most. */
    concurrencyMax: Number(MaximumConcurrency ?? 1_000),
    /** Whether the function answers which records of a batch failed. */
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
    throw invalid(`${id}.ScheduleExpression`, `"${expression}" is no rate(…), and cauce emulate knows no other`);
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
          throw invalid(id, "cauce emulate knows routes to functions with the payload format 2.0 alone");
        }
        /** `$default` or `GET /path`, and the function behind it. */
        return { key: String(RouteKey), function: nameOfArn(String(IntegrationUri)) };
      }),
  }));
}

/** The statements of those policies that name a queue or a role. */
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

/** Attributes as the APIs of SNS and SQS take them: text, and JSON where they are objects. */
function readAttributes({ properties }: Resolved): Record<string, string> {
  return Object.fromEntries(
    attributeNames.flatMap((name) => {
      const value = properties[name];
      if (value === undefined) return [];
      return [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
    }),
  );
}
