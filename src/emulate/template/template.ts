import type { Template } from "./assembly.ts";
import { invalid, type Properties, type Resolved, resolveValue } from "./intrinsics.ts";
import { arnOf, nameOfArn, type Places, referencesOf } from "./references.ts";
import type {
  ApiResource,
  FunctionResource,
  QueueResource,
  ScheduleResource,
  SourceResource,
  Stack,
  Statement,
  SubscriptionResource,
  TableResource,
  TopicResource,
} from "./stack.ts";

/** What is read of a template. */
const read = [
  "AWS::DynamoDB::Table",
  "AWS::SNS::Topic",
  "AWS::SNS::Subscription",
  "AWS::SQS::Queue",
  "AWS::SQS::QueuePolicy",
  "AWS::Lambda::Function",
  "AWS::Lambda::EventSourceMapping",
  "AWS::IAM::Policy",
  "AWS::Events::Rule",
  "AWS::SSM::Parameter",
  "AWS::ApiGatewayV2::Api",
  "AWS::ApiGatewayV2::Integration",
  "AWS::ApiGatewayV2::Route",
];

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

/**
 * A template as plain resources. Throws `template_invalid` for a type of resource that it does not know, and for a
 * value that it cannot resolve, by name.
 */
export function stackOf(template: Template, places: Places): Stack {
  const references = referencesOf(template, places);
  const resources: Resolved[] = [];
  for (const [id, { Type, Properties = {} }] of Object.entries(template.resources)) {
    if (leftOut.includes(Type)) continue;
    if (!read.includes(Type)) throw invalid(`${template.name}.${id}`, `cauce emulate does not know ${Type}`);
    // Where the code lies in the account says nothing here but the asset's name, and that is in it as it is.
    resources.push({ id, type: Type, properties: resolveValue(Properties, references, id) as Properties });
  }
  const all = <T>(type: string, make: (resource: Resolved) => T): T[] =>
    resources.filter((each) => each.type === type).map(make);

  const queuePolicies = all("AWS::SQS::QueuePolicy", ({ properties }) => ({
    urls: properties.Queues as readonly string[],
    statements: statementsOf(properties),
  }));
  const rolePolicies = all("AWS::IAM::Policy", ({ properties }) => ({
    roles: properties.Roles as readonly string[],
    statements: statementsOf(properties),
  }));
  return {
    name: template.name,
    tables: all("AWS::DynamoDB::Table", tableOf),
    topics: all("AWS::SNS::Topic", topicOf),
    queues: all("AWS::SQS::Queue", (resource) => {
      const url = places.queueUrl(nameOf(resource, "QueueName"));
      const own = queuePolicies.filter(({ urls }) => urls.includes(url));
      return queueOf(
        resource,
        url,
        own.flatMap(({ statements }) => statements),
      );
    }),
    subscriptions: all("AWS::SNS::Subscription", subscriptionOf),
    functions: all("AWS::Lambda::Function", (resource) => {
      const role = nameOfArn(text(resource, "Role")).replace(/^role\//, "");
      const own = rolePolicies.filter(({ roles }) => roles.includes(role));
      const key = (resource.properties.Code as Properties).S3Key;
      return functionOf(
        resource,
        template.assetDirectory(String(key)),
        own.flatMap(({ statements }) => statements),
      );
    }),
    sources: all("AWS::Lambda::EventSourceMapping", sourceOf).filter(({ enabled }) => enabled),
    schedules: all("AWS::Events::Rule", schedulesOf).flat(),
    apis: apisOf(resources),
  };
}

function tableOf({ id, properties }: Resolved): TableResource {
  const { TableName = id, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema } = properties;
  const create = { TableName, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema };
  return { id, name: String(TableName), create };
}

function topicOf(resource: Resolved): TopicResource {
  const name = nameOf(resource, "TopicName");
  const arn = arnOf("sns")(name);
  const attributes = attributesOf(resource, ["FifoTopic", "ContentBasedDeduplication"]);
  return { id: resource.id, name, arn, fifo: attributes.FifoTopic === "true", attributes };
}

const queueAttributes = [
  "FifoQueue",
  "ContentBasedDeduplication",
  "DeduplicationScope",
  "FifoThroughputLimit",
  "DelaySeconds",
  "MessageRetentionPeriod",
  "VisibilityTimeout",
  "RedrivePolicy",
];
const visibilitySecondsDefault = 30;

function queueOf(resource: Resolved, url: string, statements: readonly Statement[]): QueueResource {
  const name = nameOf(resource, "QueueName");
  const attributes = attributesOf(resource, queueAttributes);
  const redrive = resource.properties.RedrivePolicy as Properties | undefined;
  return {
    ...{ id: resource.id, name, arn: arnOf("sqs")(name), url, attributes, statements },
    fifo: attributes.FifoQueue === "true",
    visibilitySeconds: number(resource, "VisibilityTimeout", visibilitySecondsDefault),
    redrive:
      redrive === undefined
        ? undefined
        : { deadLettersArn: String(redrive.deadLetterTargetArn), receivesMost: Number(redrive.maxReceiveCount) },
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

function functionOf(
  resource: Resolved,
  directory: string | undefined,
  statements: readonly Statement[],
): FunctionResource {
  const name = nameOf(resource, "FunctionName");
  const { Variables = {} } = (resource.properties.Environment ?? {}) as { readonly Variables?: Properties };
  return {
    ...{ id: resource.id, name, arn: arnOf("lambda", "function:")(name), directory, statements },
    handler: text(resource, "Handler"),
    timeoutSeconds: number(resource, "Timeout", 3),
    memoryMegabytes: number(resource, "MemorySize", 128),
    environment: Object.fromEntries(Object.entries(Variables).map(([variable, value]) => [variable, String(value)])),
  };
}

function sourceOf(resource: Resolved): SourceResource & { readonly enabled: boolean } {
  const { FunctionResponseTypes = [], ScalingConfig, Enabled = true } = resource.properties;
  const { MaximumConcurrency } = (ScalingConfig ?? {}) as Properties;
  return {
    id: resource.id,
    queueArn: text(resource, "EventSourceArn"),
    function: nameOfArn(text(resource, "FunctionName")),
    batchSize: number(resource, "BatchSize", 10),
    windowSeconds: number(resource, "MaximumBatchingWindowInSeconds", 0),
    concurrencyMost: Number(MaximumConcurrency ?? 1_000),
    partial: (FunctionResponseTypes as readonly string[]).includes("ReportBatchItemFailures"),
    enabled: Enabled === true,
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

function statementsOf({ PolicyDocument }: Properties): readonly Statement[] {
  return ((PolicyDocument as Properties | undefined)?.Statement ?? []) as unknown as readonly Statement[];
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

/** Attributes as the APIs of SNS and SQS take them: text, and JSON where they are objects. */
function attributesOf({ properties }: Resolved, names: readonly string[]): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const name of names) {
    const value = properties[name];
    if (value === undefined) continue;
    attributes[name] = typeof value === "object" ? JSON.stringify(value) : String(value);
  }
  return attributes;
}

/** The HTTP APIs of a stack, with the function behind each route. */
export function apisOf(resources: readonly Resolved[]): ApiResource[] {
  const of = (type: string) => resources.filter((each) => each.type === `AWS::ApiGatewayV2::${type}`);
  const integrations = new Map(of("Integration").map((each) => [each.id, each.properties] as const));
  return of("Api").map((api) => ({
    id: api.id,
    name: String(api.properties.Name ?? api.id),
    routes: of("Route")
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
