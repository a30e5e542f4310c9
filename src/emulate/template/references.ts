import type { Template, TemplateResource } from "./assembly.ts";
import { invalid, type References, resolveValue, type Value } from "./intrinsics.ts";

/** The account and Region of an emulated stack. dynalite and fauxqs assume both. */
export const account = "000000000000";
export const region = "us-east-1";

const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::AccountId": account,
  "AWS::Region": region,
  "AWS::Partition": "aws",
  "AWS::URLSuffix": "amazonaws.com",
};

/** The URLs that only the running emulator knows. */
export interface Endpoints {
  queueUrl(name: string): string;
  /** The URL of the API with this id in the template. */
  apiUrl(id: string): string;
}

/** How a type of resource is named, and what `Ref` and `Fn::GetAtt` give for it. */
interface Kind {
  /** The property that holds the name. If the type has none, or the template leaves it out, the id is the name. */
  readonly nameProperty?: string;
  /** What `Ref` gives. Default: the name. */
  readonly ref?: (name: string, endpoints: Endpoints) => string;
  readonly attributes?: Readonly<Record<string, (name: string, id: string, endpoints: Endpoints) => string>>;
}

/** Makes ARNs from names: `arnOf("lambda", "function:")("orders-request-dev")`. */
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

/** Makes the references of a template, with the emulator's `endpoints`. */
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
      // The value of a parameter may hold references again.
      if (resource.Type === "AWS::SSM::Parameter" && name === "Value") {
        return resolveValue(resource.Properties?.Value as Value, references, `${id}.Value`);
      }
      const attribute = kinds[resource.Type]?.attributes?.[name];
      if (attribute !== undefined) return attribute(findName(id, resource), id, endpoints);
      throw invalid(where, `cauce emulate does not know ${name} of "${id}" (${resource.Type})`);
    },
  };
  return references;
}

/** Reads the name of a queue, topic or function from its ARN. A name stays unchanged. */
export function nameOfArn(arn: string): string {
  return arn.split(":").at(-1) as string;
}
