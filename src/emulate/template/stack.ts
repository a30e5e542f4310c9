import type { Template } from "./assembly.ts";
import { invalid, resolveValue, type Value } from "./intrinsics.ts";
import { arnOf, nameOfArn, type Places, referencesOf } from "./references.ts";

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

export interface Resource {
  /** Its id in the template, for messages. */
  readonly id: string;
}

export interface TableResource extends Resource {
  readonly name: string;
  /** What DynamoDB's CreateTable takes. */
  readonly create: Readonly<Record<string, unknown>>;
}

export interface TopicResource extends Resource {
  readonly name: string;
  readonly arn: string;
  readonly fifo: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface QueueResource extends Resource {
  readonly name: string;
  readonly arn: string;
  readonly url: string;
  readonly fifo: boolean;
  readonly visibilitySeconds: number;
  readonly redrive: { readonly deadLettersArn: string; readonly receivesMost: number } | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  /** The statements of all its policies. */
  readonly statements: readonly Statement[];
}

export interface SubscriptionResource extends Resource {
  readonly topicArn: string;
  readonly protocol: string;
  readonly endpoint: string;
  readonly raw: boolean;
  readonly filter: unknown;
}

export interface FunctionResource extends Resource {
  readonly name: string;
  readonly arn: string;
  /** The folder that holds its code; undefined where the assembly has none. */
  readonly directory: string | undefined;
  /** `index.handler` */
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly environment: Readonly<Record<string, string>>;
  /** What its role may do. */
  readonly statements: readonly Statement[];
}

export interface SourceResource extends Resource {
  readonly queueArn: string;
  readonly function: string;
  readonly batchSize: number;
  readonly windowSeconds: number;
  /** How many invocations of it run at once, at most. */
  readonly concurrencyMost: number;
  /** Whether the function answers which records of a batch failed. */
  readonly partial: boolean;
}

export interface ScheduleResource extends Resource {
  readonly everySeconds: number;
  readonly function: string;
}

export interface ApiResource extends Resource {
  readonly name: string;
  /** `$default` or `GET /path`, and the ARN or name of the function behind it. */
  readonly routes: readonly { readonly key: string; readonly function: string }[];
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
interface Resolved extends Resource {
  readonly properties: Properties;
}

/**
 * A template as plain resources. Throws `template_invalid` for a type of resource that it does not know, and for a
 * value that it cannot resolve, by name.
 */
export function stackOf(template: Template, places: Places): Stack {
  const references = referencesOf(template, places);
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
  const stack = {
    name: template.name,
    tables: all("AWS::DynamoDB::Table").map(tableOf),
    topics: all("AWS::SNS::Topic").map(topicOf),
    queues: all("AWS::SQS::Queue").map((each) => queueOf(each, places, queuePolicies)),
    subscriptions: all("AWS::SNS::Subscription").map(subscriptionOf),
    functions: all("AWS::Lambda::Function").map((each) => functionOf(each, template, rolePolicies)),
    sources: all("AWS::Lambda::EventSourceMapping").filter(isEnabled).map(sourceOf),
    schedules: all("AWS::Events::Rule").flatMap(schedulesOf),
    apis: apisOf(all),
  };
  for (const [id, { Type }] of entries) {
    if (!known.has(Type)) throw invalid(`${template.name}.${id}`, `cauce emulate does not know ${Type}`);
  }
  return stack;
}

function tableOf({ id, properties }: Resolved): TableResource {
  const { TableName = id, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema } = properties;
  const create = { TableName, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema };
  return { id, name: String(TableName), create };
}

function topicOf(resource: Resolved): TopicResource {
  const name = nameOf(resource, "TopicName");
  const arn = arnOf("sns")(name);
  const attributes = attributesOf(resource);
  return { id: resource.id, name, arn, fifo: attributes.FifoTopic === "true", attributes };
}

function queueOf(resource: Resolved, places: Places, policies: readonly Resolved[]): QueueResource {
  const name = nameOf(resource, "QueueName");
  const url = places.queueUrl(name);
  const attributes = attributesOf(resource);
  const redrive = resource.properties.RedrivePolicy as Properties | undefined;
  return {
    ...{ id: resource.id, name, arn: arnOf("sqs")(name), url, attributes },
    fifo: attributes.FifoQueue === "true",
    visibilitySeconds: number(resource, "VisibilityTimeout", 30),
    redrive: redrive && {
      deadLettersArn: String(redrive.deadLetterTargetArn),
      receivesMost: Number(redrive.maxReceiveCount),
    },
    statements: statementsOf(policies, "Queues", url),
  };
}

function subscriptionOf(resource: Resolved): SubscriptionResource {
  const { RawMessageDelivery, FilterPolicy } = resource.properties;
  return {
    id: resource.id,
    topicArn: text(resource, "TopicArn"),
    protocol: text(resource, "Protocol"),
    endpoint: text(resource, "Endpoint"),
    raw: RawMessageDelivery === true || RawMessageDelivery === "true",
    filter: FilterPolicy,
  };
}

function functionOf(resource: Resolved, template: Template, policies: readonly Resolved[]): FunctionResource {
  const name = nameOf(resource, "FunctionName");
  const role = nameOfArn(text(resource, "Role")).replace(/^role\//, "");
  const { Variables = {} } = (resource.properties.Environment ?? {}) as { readonly Variables?: Properties };
  return {
    ...{ id: resource.id, name, arn: arnOf("lambda", "function:")(name) },
    // Where the code lies in the account says nothing here but the asset's name, and that is in it as it is.
    directory: template.assetDirectory(String((resource.properties.Code as Properties).S3Key)),
    handler: text(resource, "Handler"),
    timeoutSeconds: number(resource, "Timeout", 3),
    memoryMegabytes: number(resource, "MemorySize", 128),
    environment: Object.fromEntries(Object.entries(Variables).map(([variable, value]) => [variable, String(value)])),
    statements: statementsOf(policies, "Roles", role),
  };
}

function isEnabled({ properties }: Resolved): boolean {
  return (properties.Enabled ?? true) === true;
}

function sourceOf(resource: Resolved): SourceResource {
  const { FunctionResponseTypes = [], ScalingConfig } = resource.properties;
  const { MaximumConcurrency } = (ScalingConfig ?? {}) as Properties;
  return {
    id: resource.id,
    queueArn: text(resource, "EventSourceArn"),
    function: nameOfArn(text(resource, "FunctionName")),
    batchSize: number(resource, "BatchSize", 10),
    windowSeconds: number(resource, "MaximumBatchingWindowInSeconds", 0),
    concurrencyMost: Number(MaximumConcurrency ?? 1_000),
    partial: (FunctionResponseTypes as readonly string[]).includes("ReportBatchItemFailures"),
  };
}

const unitSeconds: Readonly<Record<string, number>> = { minute: 60, hour: 3_600, day: 86_400 };

function schedulesOf(resource: Resolved): ScheduleResource[] {
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

function apisOf(all: (type: string) => Resolved[]): ApiResource[] {
  const integrations = new Map(all("AWS::ApiGatewayV2::Integration").map(({ id, properties }) => [id, properties]));
  const routes = all("AWS::ApiGatewayV2::Route");
  return all("AWS::ApiGatewayV2::Api").map((api) => ({
    id: api.id,
    name: nameOf(api, "Name"),
    routes: routes
      .filter(({ properties }) => properties.ApiId === api.id)
      .map(({ id, properties: { RouteKey, Target } }) => {
        const integration = integrations.get(String(Target).replace(/^integrations\//, ""));
        if (integration === undefined) throw invalid(id, `its target ${String(Target)} is no integration`);
        const { IntegrationType, IntegrationUri, PayloadFormatVersion } = integration;
        if (IntegrationType !== "AWS_PROXY" || PayloadFormatVersion !== "2.0") {
          throw invalid(id, "cauce emulate knows routes to functions with the payload format 2.0 alone");
        }
        return { key: String(RouteKey), function: nameOfArn(String(IntegrationUri)) };
      }),
  }));
}

/** The statements of those policies that name a queue or a role. */
function statementsOf(policies: readonly Resolved[], property: "Queues" | "Roles", name: string): readonly Statement[] {
  return policies
    .filter(({ properties }) => (properties[property] as readonly string[]).includes(name))
    .flatMap(({ properties }) => (properties.PolicyDocument as PolicyDocument | undefined)?.Statement ?? []);
}

function nameOf({ id, properties }: Resolved, property: string): string {
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
function attributesOf({ properties }: Resolved): Record<string, string> {
  return Object.fromEntries(
    attributeNames.flatMap((name) => {
      const value = properties[name];
      if (value === undefined) return [];
      return [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
    }),
  );
}
