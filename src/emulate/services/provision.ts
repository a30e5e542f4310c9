import type { Clock } from "../../core/clock.ts";
import type { Chaos } from "../chaos.ts";
import { region } from "../template/references.ts";
import type { Stack, SubscriptionResource } from "../template/stack.ts";
import { emulatorKey } from "./call.ts";
import type { Peers } from "./emulators.ts";

export interface Provisioned {
  /** How many tables were there already, kept from an earlier run. */
  readonly tablesKept: number;
  /** Resolves when every subscription works, or is known not to. */
  readonly subscribed: Promise<void>;
  close(): Promise<void>;
}

export interface ProvisionOptions {
  readonly peers: Pick<Peers, "dynamo" | "sns" | "sqs">;
  readonly endpoint: string;
  readonly clock: Clock;
  /** When a subscription begins to work: AWS takes its time. Default: at once. */
  readonly chaos?: Pick<Chaos, "subscriptionDelayMilliseconds"> | undefined;
  /** Told of what cannot be made any more when it is due. */
  readonly onLine: (source: string, line: string) => void;
}

/** Makes a stack's tables, topics, queues and subscriptions in the emulators; a table that is there stays as it is. */
export async function provision(stack: Stack, options: ProvisionOptions): Promise<Provisioned> {
  const { peers, endpoint, clock, chaos, onLine } = options;
  const config = { endpoint, region, credentials: { accessKeyId: emulatorKey, secretAccessKey: emulatorKey } };
  const dynamo = new peers.dynamo.DynamoDBClient(config);
  const sns = new peers.sns.SNSClient(config);
  const sqs = new peers.sqs.SQSClient(config);
  const cancels: (() => void)[] = [];
  const late: Promise<void>[] = [];
  let tablesKept = 0;
  try {
    for (const { create } of stack.tables) {
      try {
        await dynamo.send(new peers.dynamo.CreateTableCommand(create as never));
      } catch (error) {
        if ((error as Error).name !== "ResourceInUseException") throw error;
        tablesKept++;
      }
    }
    for (const { name, attributes } of stack.topics) {
      await sns.send(new peers.sns.CreateTopicCommand({ Name: name, Attributes: { ...attributes } }));
    }
    // A queue's dead letters are there before it.
    for (const queue of [...stack.queues].sort(
      (a, b) => Number(a.redrive !== undefined) - Number(b.redrive !== undefined),
    )) {
      await sqs.send(new peers.sqs.CreateQueueCommand({ QueueName: queue.name, Attributes: { ...queue.attributes } }));
    }
    for (const subscription of stack.subscriptions) {
      const milliseconds = chaos?.subscriptionDelayMilliseconds();
      if (milliseconds === undefined) await subscribe(subscription);
      else late.push(subscribeLate(subscription, milliseconds));
    }
  } catch (error) {
    close();
    throw error;
  }
  return { tablesKept, subscribed: Promise.all(late).then(() => {}), close: async () => close() };

  async function subscribeLate(subscription: SubscriptionResource, milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => cancels.push(clock.at(clock.now() + milliseconds, resolve)));
    await subscribe(subscription).catch((error: unknown) =>
      onLine(stack.name, `${subscription.id} cannot be made: ${String(error)}`),
    );
  }

  function close(): void {
    for (const cancel of cancels) cancel();
    for (const client of [dynamo, sns, sqs]) client.destroy();
  }

  async function subscribe({ topicArn, protocol, endpoint, raw, filter }: SubscriptionResource): Promise<void> {
    const Attributes = {
      RawMessageDelivery: String(raw),
      ...(filter === undefined ? {} : { FilterPolicy: JSON.stringify(filter) }),
    };
    await sns.send(
      new peers.sns.SubscribeCommand({ TopicArn: topicArn, Protocol: protocol, Endpoint: endpoint, Attributes }),
    );
  }
}
