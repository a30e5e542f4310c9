import { GetQueueAttributesCommand, GetQueueUrlCommand } from "@aws-sdk/client-sqs";
import { CauceError } from "../../core/errors.ts";
import type { DeliveryMode } from "../port.ts";
import { type Clients, call } from "./clients.ts";
import type { ResourceNames } from "./names.ts";
import { openQueue, type Queue } from "./queue/queue.ts";
import { openTopic, type Topic } from "./queue/topic.ts";

export interface Resources {
  queueOf(status: string): Promise<Queue>;
  topic(): Promise<Topic>;
}

export interface ResourcesOptions {
  readonly clients: Clients;
  readonly names: ResourceNames;
  readonly mode: DeliveryMode;
  /** Known beforehand, which saves the calls that look for it. */
  readonly topicArn: string | undefined;
  readonly queueUrl: ((status: string) => string | undefined) | undefined;
  /** A handled status, whose queue tells the account and Region of the topic. */
  readonly anyStatus: string;
}

/** The topic and the queues, each looked for once, when it is first needed. */
export function createResources(options: ResourcesOptions): Resources {
  const { clients, names, mode } = options;
  const queues = new Map<string, Promise<Queue>>();
  let topic: Promise<Topic> | undefined;

  const openQueueOf = async (status: string): Promise<Queue> => {
    const QueueName = names.queue(status);
    const known = options.queueUrl?.(status);
    const url =
      known ??
      (await call(`queue ${QueueName}`, (options) => clients.sqs.send(new GetQueueUrlCommand({ QueueName }), options)))
        .QueueUrl;
    return openQueue(clients.sqs, url as string, mode);
  };
  const queueOf = (status: string): Promise<Queue> => {
    const queue = queues.get(status) ?? openQueueOf(status);
    queues.set(status, queue);
    queue.catch(() => queues.delete(status));
    return queue;
  };

  const topicArn = async (): Promise<string> => {
    const { url } = await queueOf(options.anyStatus);
    const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
    const { Attributes } = await call(`queue ${url}`, (options) => clients.sqs.send(command, options));
    const [arn, partition, , region, account] = Attributes?.QueueArn?.split(":") ?? [];
    if (account === undefined) throw new CauceError("store_missing", `queue ${url} has no ARN; give the topic's`);
    return [arn, partition, "sns", region, account, names.topic].join(":");
  };
  const openTopicOf = async () => openTopic(clients.sns, options.topicArn ?? (await topicArn()), mode);

  return {
    queueOf,
    topic() {
      topic ??= openTopicOf();
      topic.catch(() => {
        topic = undefined;
      });
      return topic;
    },
  };
}
