import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** One permission that a call needs, as a policy names it: an action on a table, `table/index`, topic or queue. */
export interface Asked {
  readonly action: string;
  readonly resource: string;
}

/** The permissions whose names differ from their calls. */
const permissions: Readonly<Record<string, string>> = {
  "sqs:SendMessageBatch": "sqs:SendMessage",
  "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
  "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
  "sns:PublishBatch": "sns:Publish",
};

const services: Readonly<Record<string, string>> = { DynamoDB_20120810: "dynamodb", AmazonSQS: "sqs" };

/** Starts a proxy before the emulators that records the permission of each call. */
export async function startRecorder(emulators: { readonly dynamo: string; readonly queues: string }) {
  const asked = new Map<string, Asked>();
  const note = (service: string, call: string, resources: readonly string[]): void => {
    const action = permissions[`${service}:${call}`] ?? `${service}:${call}`;
    for (const resource of resources) asked.set(`${action} ${resource}`, { action, resource });
  };
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    const target = request.headers["x-amz-target"];
    const [prefix = "", call = ""] = String(target).split(".");
    const service = services[prefix];
    if (service === undefined) {
      const form = new URLSearchParams(body.toString());
      note("sns", String(form.get("Action")), [String(form.get("TopicArn")).split(":").at(-1) ?? ""]);
    } else note(service, call, resourcesOf(JSON.parse(body.toString())));
    const headers = Object.fromEntries(
      ["content-type", "x-amz-target", "authorization", "x-amz-date"].flatMap((name) =>
        request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]],
      ),
    );
    const to = service === "dynamodb" ? emulators.dynamo : emulators.queues;
    const answer = await fetch(`${to}${request.url}`, { method: "POST", headers, body });
    const text = await answer.text();
    response.writeHead(answer.status, { "content-type": String(answer.headers.get("content-type")) });
    // The emulator's queue URLs have a host that does not exist.
    response.end(text.replace(/http:\/\/[^"]+?(\/\d{12}\/)/g, `${url}$1`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    environment: {
      AWS_ENDPOINT_URL_DYNAMODB: url,
      AWS_ENDPOINT_URL_SNS: url,
      AWS_ENDPOINT_URL_SQS: url,
      CAUCE_QUEUE_URL_BASE: `${url}/000000000000/`,
    },
    asked: (): readonly Asked[] => [...asked.values()],
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Call {
  readonly TableName?: string;
  readonly IndexName?: string;
  readonly RequestItems?: Readonly<Record<string, unknown>>;
  readonly QueueUrl?: string;
  readonly QueueName?: string;
}

function resourcesOf({ TableName, IndexName, RequestItems, QueueUrl, QueueName }: Call): string[] {
  if (RequestItems !== undefined) return Object.keys(RequestItems);
  if (TableName !== undefined) return [IndexName === undefined ? TableName : `${TableName}/${IndexName}`];
  return [QueueName ?? QueueUrl?.split("/").at(-1) ?? ""];
}
