import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import { AttributeType, BillingMode, ProjectionType, Table, TableEncryption } from "aws-cdk-lib/aws-dynamodb";
import { SubscriptionFilter, Topic } from "aws-cdk-lib/aws-sns";
import { SqsSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import { indexName, projected, timeToLiveAttribute } from "../../backend/aws/item.ts";
import { retentionSecondsMax } from "../../backend/aws/quotas.ts";
import type { Topology } from "../topology.ts";

/** Adds the table with its index. Outside the stage `dev` the table is protected against deletion. */
export function addTable(scope: Construct, { table, stage }: Topology): Table {
  const string = (name: string) => ({ name, type: AttributeType.STRING });
  const made = new Table(scope, "Table", {
    tableName: table,
    partitionKey: string("id"),
    sortKey: string("part"),
    billingMode: BillingMode.PAY_PER_REQUEST,
    encryption: TableEncryption.AWS_MANAGED,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute,
    deletionProtection: stage !== "dev",
    removalPolicy: stage === "dev" ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
  });
  made.addGlobalSecondaryIndex({
    indexName,
    partitionKey: string("ix"),
    sortKey: string("so"),
    projectionType: ProjectionType.INCLUDE,
    nonKeyAttributes: [...projected],
  });
  return made;
}

export interface Messaging {
  readonly topic: Topic;
  readonly queues: ReadonlyMap<string, { readonly queue: Queue; readonly deadLetters: Queue }>;
  readonly unrouted: Queue;
  /** Gives the queue of a handled status. */
  queueOf(status: string): Queue;
}

/** Adds the topic, a queue with its filter and dead letters for each handled status, and the catch-all. */
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
  // Subscriptions have no dead letters, which would hold references that nothing reads. An alarm tells of a message
  // that the topic could not deliver, and the sweep queues its order again.
  const subscribe = (queue: Queue, status: SubscriptionFilter): void => {
    topic.addSubscription(new SqsSubscription(queue, { rawMessageDelivery: true, filterPolicy: { status } }));
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
