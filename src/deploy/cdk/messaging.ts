import { Duration, Validations } from "aws-cdk-lib";
import { SubscriptionFilter, Topic } from "aws-cdk-lib/aws-sns";
import { SqsSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import { retentionSecondsMax } from "../../backend/aws/quotas.ts";
import type { Topology } from "../topology.ts";

export interface Messaging {
  readonly topic: Topic;
  readonly queues: ReadonlyMap<string, { readonly queue: Queue; readonly deadLetters: Queue }>;
  readonly unrouted: Queue;
  /** Of a handled status. */
  queueOf(status: string): Queue;
}

/** The topic, and for each handled status a queue with its filter and dead letters; the catch-all beside them. */
export function addMessaging(scope: Construct, topology: Topology): Messaging {
  const fifo = topology.delivery === "fifo";
  const kind = fifo ? { fifo: true, contentBasedDeduplication: false } : {};
  const topic = new Topic(scope, "Topic", { topicName: topology.topic, enforceSSL: true, ...kind });
  const makeQueue = (id: string, queueName: string, more: object = {}): Queue =>
    new Queue(scope, id, {
      queueName,
      retentionPeriod: Duration.seconds(retentionSecondsMax),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      ...kind,
      ...more,
    });
  // No dead letters of subscriptions: they would hold references that nobody reads. What the topic cannot deliver is
  // seen by an alarm, and the sweep queues its order again.
  const subscribe = (queue: Queue, status: SubscriptionFilter): void => {
    topic.addSubscription(
      new SqsSubscription(queue, {
        rawMessageDelivery: true,
        filterPolicy: { status },
      }),
    );
  };
  const queues = new Map(
    topology.queues.map(({ status, name, deadLetters: deadName, visibilitySeconds, receivesMost }) => {
      const deadLetters = makeQueue(`Dead-${status}`, deadName);
      const queue = makeQueue(`Queue-${status}`, name, {
        visibilityTimeout: Duration.seconds(visibilitySeconds),
        deadLetterQueue: { queue: deadLetters, maxReceiveCount: receivesMost },
      });
      subscribe(queue, SubscriptionFilter.stringFilter({ allowlist: [status] }));
      return [status, { queue, deadLetters }] as const;
    }),
  );
  const unrouted = makeQueue("Unrouted", topology.unrouted.name);
  Validations.of(unrouted).acknowledge({
    id: "AwsSolutions::AwsSolutions-SQS3",
    reason:
      "Nothing consumes this queue: what arrives there is seen by an alarm, and dead letters of it would be the same again.",
  });
  subscribe(unrouted, SubscriptionFilter.stringFilter({ denylist: topology.queues.map(({ status }) => status) }));
  return { topic, queues, unrouted, queueOf: (status) => queues.get(status)?.queue as Queue };
}
