import type { AddressInfo } from "node:net";
import { CreateTableCommand, DeleteTableCommand } from "@aws-sdk/client-dynamodb";
import { CreateTopicCommand, DeleteTopicCommand, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import dynalite from "dynalite";
import { startFauxqs } from "fauxqs";
import { destroyClients, openClients } from "../../../src/backend/aws/clients.ts";
import { indexName, projected } from "../../../src/backend/aws/item.ts";
import { resourceNames } from "../../../src/backend/aws/names.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { waitPatiently } from "./patience.ts";

/**
 * Starts the emulators, or uses the endpoints of the SDK's standard variables where they are set. Sets the variables
 * that the SDK reads. `patient` lifts the product's time limits in this process. Default: true.
 */
export async function startEmulators({ patient = true } = {}): Promise<{ stop(): Promise<void> }> {
  const stops: (() => unknown)[] = patient ? [waitPatiently()] : [];
  const { env } = process;
  env.AWS_REGION ??= "us-east-1";
  env.AWS_ACCESS_KEY_ID ??= "test";
  env.AWS_SECRET_ACCESS_KEY ??= "test";
  if (env.AWS_ENDPOINT_URL_DYNAMODB === undefined) {
    const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    env.AWS_ENDPOINT_URL_DYNAMODB = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    stops.push(
      () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(resolve);
        }),
    );
  }
  if (env.AWS_ENDPOINT_URL_SQS === undefined) {
    const server = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
    env.AWS_ENDPOINT_URL_SQS = `http://127.0.0.1:${server.port}`;
    env.AWS_ENDPOINT_URL_SNS = `http://127.0.0.1:${server.port}`;
    stops.push(() => server.stop());
  }
  return {
    async stop() {
      for (const stop of stops) await stop();
    },
  };
}

export interface Stack {
  readonly topicArn: string;
  queueUrl(status: string): string | undefined;
  remove(): Promise<void>;
}

/** Creates one workflow's table with its index, its topic, and a queue with a filter for each status. */
export async function createStack(options: {
  readonly workflow: string;
  readonly stage: string;
  readonly mode: DeliveryMode;
  readonly statuses: readonly string[];
  /** Default: clients of the stack's own, which `remove` closes. */
  readonly clients?: ReturnType<typeof openClients>;
}): Promise<Stack> {
  const { mode, statuses } = options;
  const names = resourceNames(options.workflow, options.stage, mode);
  const clients = options.clients ?? openClients();
  const created = clients.dynamo.send(
    new CreateTableCommand({
      TableName: names.table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["id", "part", "ix", "so"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      KeySchema: [
        { AttributeName: "id", KeyType: "HASH" },
        { AttributeName: "part", KeyType: "RANGE" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: indexName,
          KeySchema: [
            { AttributeName: "ix", KeyType: "HASH" },
            { AttributeName: "so", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: [...projected] },
        },
      ],
    }),
  );
  // The SDK repeats a call whose answer was lost, and then the table exists already.
  await unless("ResourceInUseException", created);
  const fifo = mode === "fifo" ? { FifoTopic: "true", ContentBasedDeduplication: "false" } : {};
  const { TopicArn = "" } = await clients.sns.send(new CreateTopicCommand({ Name: names.topic, Attributes: fifo }));
  const urls = new Map<string, string>();
  for (const status of statuses) {
    await clients.sqs.send(
      new CreateQueueCommand({
        QueueName: names.queue(status),
        Attributes: mode === "fifo" ? { FifoQueue: "true", ContentBasedDeduplication: "false" } : {},
      }),
    );
    const url = `${process.env.AWS_ENDPOINT_URL_SQS}/000000000000/${names.queue(status)}`;
    urls.set(status, url);
    const { Attributes } = await clients.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] }),
    );
    await clients.sns.send(
      new SubscribeCommand({
        TopicArn,
        Protocol: "sqs",
        Endpoint: Attributes?.QueueArn ?? "",
        Attributes: { RawMessageDelivery: "true", FilterPolicy: JSON.stringify({ status: [status] }) },
      }),
    );
  }
  return {
    topicArn: TopicArn,
    queueUrl: (status) => urls.get(status),
    async remove() {
      const deleted = clients.dynamo.send(new DeleteTableCommand({ TableName: names.table }));
      await unless("ResourceNotFoundException", deleted);
      await clients.sns.send(new DeleteTopicCommand({ TopicArn }));
      for (const QueueUrl of urls.values()) await clients.sqs.send(new DeleteQueueCommand({ QueueUrl }));
      if (options.clients === undefined) destroyClients(clients);
    },
  };
}

/** Takes a call that fails with this error for a call that succeeded. */
async function unless(name: string, call: Promise<unknown>): Promise<void> {
  await call.catch((error: Error) => {
    if (error.name !== name) throw error;
  });
}
