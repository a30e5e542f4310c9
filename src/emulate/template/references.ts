import type { Template, TemplateResource } from "./assembly.ts";
import { invalid, type References, resolveValue, type Value } from "./intrinsics.ts";

/** The account and Region in which an emulated stack stands: those that the emulators take for granted. */
export const account = "000000000000";
export const region = "us-east-1";

const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::AccountId": account,
  "AWS::Region": region,
  "AWS::Partition": "aws",
  "AWS::URLSuffix": "amazonaws.com",
};

/** Where the things are whose addresses only the running emulator knows. */
export interface Endpoints {
  queueUrl(name: string): string;
  /** The URL of the API with this id in the template. */
  apiUrl(id: string): string;
}

/** How a type of resource is named, and what it answers to `Ref` and `Fn::GetAtt`. */
interface Kind {
  /** The property that holds its name; without one, or where it is left out, the id in the template stands for it. */
  readonly nameProperty?: string;
  /** What `Ref` gives. Default: the name. */
  readonly ref?: (name: string, endpoints: Endpoints) => string;
  readonly attributes?: Readonly<Record<string, (name: string, id: string, endpoints: Endpoints) => string>>;
}

/** `arnOf("lambda", "function:")("orders-request-dev")` */
export const arnOf =
  (service: string, prefix = "") =>
  (name: string): string =>
    `arn:aws:${service}:${region}:${account}:${prefix}${name}`;

const kinds: Readonly<Record<string, Kind>> = {
  "AWS::DynamoDB::Table": { nameProperty: "TableName", attributes: { Arn: arnOf("dynamodb", "table/") } },
  "AWS::SNS::Topic": {
    nameProperty: "TopicName",
    ref: arnOf("sns"),
    attributes: { TopicArn: arnOf("sns"), TopicName: (name) => name },
  },
  "AWS::SQS::Queue": {
    nameProperty: "QueueName",
    ref: (name, endpoints) => endpoints.queueUrl(name),
    attributes: {
      Arn: arnOf("sqs"),
      QueueName: (name) => name,
      QueueUrl: (name, _id, endpoints) => endpoints.queueUrl(name),
    },
  },
  "AWS::Lambda::Function": { nameProperty: "FunctionName", attributes: { Arn: arnOf("lambda", "function:") } },
  "AWS::IAM::Role": {
    nameProperty: "RoleName",
    attributes: { Arn: (name) => `arn:aws:iam::${account}:role/${name}` },
  },
  "AWS::Logs::LogGroup": {
    nameProperty: "LogGroupName",
    attributes: { Arn: (name) => `${arnOf("logs", "log-group:")(name)}:*` },
  },
  "AWS::Events::Rule": { nameProperty: "Name", attributes: { Arn: arnOf("events", "rule/") } },
  "AWS::SSM::Parameter": { nameProperty: "Name" },
  "AWS::ApiGatewayV2::Api": {
    attributes: { ApiEndpoint: (_name, id, endpoints) => endpoints.apiUrl(id), ApiId: (name) => name },
  },
};

/** What the references of a template lead to, in an emulator whose addresses are `endpoints`. */
export function createReferences(template: Template, endpoints: Endpoints): References {
  const findResource = (id: string, where: string): TemplateResource => {
    const resource = template.resources[id];
    if (resource === undefined) throw invalid(where, `it refers to "${id}", which the template does not hold`);
    return resource;
  };
  const findName = (id: string, { Type, Properties = {} }: TemplateResource): string => {
    const property = kinds[Type]?.nameProperty;
    const given = property === undefined ? undefined : Properties[property];
    return given === undefined ? id : String(resolveValue(given, references, `${id}.${property}`));
  };
  const references: References = {
    ref(id, where) {
      const known = pseudoParameters[id] ?? template.parameters[id]?.Default;
      if (known !== undefined) return known;
      const resource = findResource(id, where);
      const name = findName(id, resource);
      return kinds[resource.Type]?.ref?.(name, endpoints) ?? name;
    },
    attribute(id, name, where) {
      const resource = findResource(id, where);
      // What a parameter holds may be a function again.
      if (resource.Type === "AWS::SSM::Parameter" && name === "Value") {
        return resolveValue(resource.Properties?.Value as Value, references, `${id}.Value`);
      }
      const attribute = kinds[resource.Type]?.attributes?.[name];
      if (attribute === undefined) {
        throw invalid(where, `${name} of "${id}" (${resource.Type}) is nothing that cauce emulate knows`);
      }
      return attribute(findName(id, resource), id, endpoints);
    },
  };
  return references;
}

/** An ARN's last part: the name of a queue or topic, or of a function. A name stays as it is. */
export function nameOfArn(arn: string): string {
  return arn.split(":").at(-1) as string;
}
