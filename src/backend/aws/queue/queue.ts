import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type DeleteMessageBatchCommandOutput,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { CauceError } from "../../../core/errors.ts";
import type { DeliveryMode } from "../../port.ts";
import { type Batcher, call, createBatcher, type ItemResult, type SendOptions } from "../clients.ts";
import { batchMax } from "../quotas.ts";
import type { AwsOptions, TableContext } from "../table.ts";
import { createGroups, createLeases, type Groups, type Leases } from "./inFlight.ts";
import { bodyOf, createTopic, fifoFields, type Reference, statusAttribute, type Topic } from "./topic.ts";

/** What every part of an open backend works with. */
export interface AwsContext extends TableContext {
  readonly topic: Topic;
  /** The queue of a handled status. Rejects with `store_missing`. */
  readonly queueOf: (status: string) => Promise<SqsQueue>;
  readonly leases: Leases;
  readonly groups: Groups;
}

/** Adds the topic and the queues to the context. Each is looked for once, when it is first needed; after a failure, again. */
export function openQueues(context: TableContext, { topicArn, queueUrl }: AwsOptions): AwsContext {
  const { clients, names, mode, clock, leaseSeconds } = context;
  const queues = new Map<string, Promise<SqsQueue>>();

  const findQueue = async (status: string): Promise<SqsQueue> => {
    const known = queueUrl?.(status);
    if (known !== undefined) return openQueue(clients.sqs, known, mode);
    const QueueName = names.queue(status);
    const command = new GetQueueUrlCommand({ QueueName });
    const { QueueUrl } = await call(`queue ${QueueName}`, (options) => clients.sqs.send(command, options));
    return openQueue(clients.sqs, QueueUrl as string, mode);
  };
  const queueOf = (status: string): Promise<SqsQueue> => {
    const queue = queues.get(status) ?? findQueue(status);
    queues.set(status, queue);
    queue.catch(() => queues.delete(status));
    return queue;
  };

  /** The topic is in the account and Region of every queue, so the ARN of any queue gives the topic's. */
  const findTopicArn = async (): Promise<string> => {
    if (topicArn !== undefined) return topicArn;
    const { url } = await queueOf(Object.keys(leaseSeconds)[0] ?? "");
    const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
    const { Attributes } = await call(`queue ${url}`, (options) => clients.sqs.send(command, options));
    const [arn, partition, , region, account] = Attributes?.QueueArn?.split(":") ?? [];
    if (account === undefined) throw new CauceError("store_missing", `queue ${url} has no ARN; give the topic's`);
    return [arn, partition, "sns", region, account, names.topic].join(":");
  };

  const topic = createTopic(context, findTopicArn);
  return { ...context, queueOf, topic, leases: createLeases(clock), groups: createGroups() };
}

/** How many messages a queue tells of. */
export type QueueCounts = Readonly<Record<keyof typeof countAttributes, number>>;

const countAttributes = {
  waiting: "ApproximateNumberOfMessages",
  inFlight: "ApproximateNumberOfMessagesNotVisible",
  delayed: "ApproximateNumberOfMessagesDelayed",
} as const;

export type SqsQueue = ReturnType<typeof openQueue>;

type BatchOutput = Pick<DeleteMessageBatchCommandOutput, "Failed">;

/** One SQS queue. Deletes, changes of visibility and sends of one turn of the event loop are batched. */
export function openQueue(sqs: SQSClient, url: string, mode: DeliveryMode) {
  const where = `queue ${url}`;
  const QueueUrl = url;

  /** Batches one kind of call. `entryOf` makes an item's entry, to which SQS answers by its `Id`. */
  const batched = <In, Entry>(
    entryOf: (item: In) => Entry,
    send: (Entries: (Entry & { Id: string })[], options: SendOptions) => Promise<BatchOutput>,
  ): Batcher<In, void>["add"] =>
    createBatcher<In, void>(batchMax, async (items) => {
      const entries = items.map((item, n) => ({ Id: String(n), ...entryOf(item) }));
      const { Failed = [] } = await call(where, (options) => send(entries, options));
      const results: ItemResult<void>[] = items.map(() => ({ value: undefined }));
      for (const { Id, Code, Message } of Failed) {
        const said = `${where} refused: ${Code}: ${Message ?? ""}; the message comes again`;
        results[Number(Id)] = { error: new CauceError("store_unavailable", said) };
      }
      return results;
    }).add;

  const addDelete = batched(
    (ReceiptHandle: string) => ({ ReceiptHandle }),
    (Entries, options) => sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), options),
  );
  const addVisibility = batched(
    ([ReceiptHandle, VisibilityTimeout]: readonly [string, number]) => ({ ReceiptHandle, VisibilityTimeout }),
    (Entries, options) => sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), options),
  );
  const addSend = batched(
    ({ reference, delaySeconds, suffix }: { reference: Reference; delaySeconds: number; suffix: string }) => ({
      MessageBody: bodyOf(reference),
      MessageAttributes: statusAttribute(reference.status),
      ...(mode === "standard" ? { DelaySeconds: delaySeconds } : fifoFields(mode, reference, suffix)),
    }),
    (Entries, options) => sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }), options),
  );

  return {
    url,
    async receive(max: number, visibilitySeconds: number, waitSeconds: number): Promise<Message[]> {
      const command = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: Math.min(max, batchMax),
        VisibilityTimeout: visibilitySeconds,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
      });
      const { Messages = [] } = await call(where, (options) => sqs.send(command, options), waitSeconds);
      return Messages;
    },
    delete: addDelete,
    changeVisibility: (receipt: string, seconds: number) => addVisibility([receipt, seconds]),
    /** `delaySeconds` is of standard delivery, `suffix` of FIFO. */
    send: (reference: Reference, delaySeconds: number, suffix = "") => addSend({ reference, delaySeconds, suffix }),
    async counts(): Promise<QueueCounts> {
      const AttributeNames = Object.values(countAttributes);
      const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames });
      const { Attributes = {} } = await call(where, (options) => sqs.send(command, options));
      const countOf = (name: keyof QueueCounts) => Number(Attributes[countAttributes[name]] ?? 0);
      return { waiting: countOf("waiting"), inFlight: countOf("inFlight"), delayed: countOf("delayed") };
    },
  };
}
