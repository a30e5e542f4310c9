import type { Clock } from "../../core/clock.ts";
import type { Chaos } from "../chaos.ts";
import { region } from "../template/references.ts";
import type { Stack, SubscriptionResource } from "../template/stack.ts";
import { emulatorKey } from "./call.ts";
import type { Peers } from "./emulators.ts";
import type { AwsProxy } from "./proxy.ts";

interface ProvisionContext {
  readonly peers: Pick<Peers, "dynamo" | "sns" | "sqs">;
  readonly proxy: Pick<AwsProxy, "url">;
  readonly clock: Clock;
  /** Delays each subscription, as AWS does. Default: a subscription works at once. */
  readonly chaos?: Pick<Chaos, "subscriptionDelayMilliseconds"> | undefined;
  /** Takes one line for each delayed subscription that cannot be made. */
  readonly onLine: (source: string, line: string) => void;
  /** Closes the clients and cancels the delayed subscriptions at the end. */
  readonly open: AsyncDisposableStack;
}

export interface Provisioned {
  /** The number of tables that were kept from an earlier run. */
  readonly tablesKept: number;
  /** Resolves when every subscription works or has failed. Under chaos some begin late. */
  readonly subscribed: Promise<void>;
}

/** Makes the stacks' tables, topics, queues and subscriptions in the emulators. A table that exists stays unchanged. */
export async function provision(
  stacks: readonly Stack[],
  { peers, proxy, clock, chaos, onLine, open }: ProvisionContext,
): Promise<Provisioned> {
  const credentials = { accessKeyId: emulatorKey, secretAccessKey: emulatorKey };
  const config = { endpoint: proxy.url, region, credentials };
  const dynamo = new peers.dynamo.DynamoDBClient(config);
  const sns = new peers.sns.SNSClient(config);
  const sqs = new peers.sqs.SQSClient(config);
  for (const client of [dynamo, sns, sqs]) open.defer(() => client.destroy());
  const late: Promise<void>[] = [];
  let tablesKept = 0;

  const subscribe = ({ topicArn, protocol, endpoint, raw, filter }: SubscriptionResource): Promise<unknown> => {
    const Attributes = { RawMessageDelivery: String(raw), FilterPolicy: JSON.stringify(filter) };
    return sns.send(
      new peers.sns.SubscribeCommand({ TopicArn: topicArn, Protocol: protocol, Endpoint: endpoint, Attributes }),
    );
  };
  const subscribeAfter = async (milliseconds: number, subscription: SubscriptionResource, source: string): Promise<void> => {
    await new Promise<void>((resolve) => open.defer(clock.after(milliseconds, resolve)));
    await subscribe(subscription).catch((error: unknown) =>
      onLine(source, `${subscription.id} cannot be made: ${String(error)}`),
    );
  };
  const make = async ({ name, tables, topics, queues, subscriptions }: Stack): Promise<void> => {
    for (const { create } of tables) {
      try {
        await dynamo.send(new peers.dynamo.CreateTableCommand(create as never));
      } catch (error) {
        if ((error as Error).name !== "ResourceInUseException") throw error;
        tablesKept++;
      }
    }
    for (const { name: Name, attributes } of topics) {
      await sns.send(new peers.sns.CreateTopicCommand({ Name, Attributes: { ...attributes } }));
    }
    // A dead-letter queue must exist before the queue that names it.
    for (const queue of queues.toSorted((a, b) => Number(a.redrive !== undefined) - Number(b.redrive !== undefined))) {
      await sqs.send(new peers.sqs.CreateQueueCommand({ QueueName: queue.name, Attributes: { ...queue.attributes } }));
    }
    for (const subscription of subscriptions) {
      const milliseconds = chaos?.subscriptionDelayMilliseconds();
      if (milliseconds === undefined) await subscribe(subscription);
      else late.push(subscribeAfter(milliseconds, subscription, name));
    }
  };
  for (const stack of stacks) await make(stack);
  return { tablesKept, subscribed: Promise.all(late).then(() => {}) };
}
