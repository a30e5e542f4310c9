import type { Message, SQSClient } from "@aws-sdk/client-sqs";
import { batchMax } from "../../backend/aws/quotas.ts";
import { textOf } from "../../core/reasons.ts";
import type { Peers } from "../services/emulators.ts";
import { type AwsProxy, inProcess } from "../services/proxy.ts";
import { nameOfArn, region } from "../template/references.ts";
import type { SourceResource } from "../template/stack.ts";
import type { FunctionPool } from "./functionPool.ts";

export type SourceRecord = Readonly<ReturnType<typeof makeRecord>>;

/** Decides in which order a function gets the messages of a queue, and whether some come twice. */
export type Disorder = (queue: string, records: readonly SourceRecord[]) => readonly SourceRecord[];

interface EventSourceOptions {
  readonly source: SourceResource;
  readonly queueUrl: string;
  readonly pool: Pick<FunctionPool, "invoke" | "room">;
  readonly sqs: Peers["sqs"];
  readonly proxy: Pick<AwsProxy, "send" | "url">;
  readonly disorder?: Disorder | undefined;
  readonly onLine: (source: string, line: string) => void;
}

export interface EventSource {
  close(): Promise<void>;
}

const waitSeconds = 20;
/** Messages that the disorder holds back must not wait for new messages. */
const waitSecondsInDisorder = 1;
const retryMilliseconds = 1_000;

/**
 * Starts an event source mapping: it receives from its queue, invokes the function with each batch and deletes the
 * messages that are done. A failed message becomes visible again after the queue's visibility timeout. After its last
 * receive the queue moves the message to the dead letters.
 */
export function startEventSource(options: EventSourceOptions): EventSource {
  const { source, pool, disorder } = options;
  const queue = nameOfArn(source.queueArn);
  const closing = new AbortController();
  const { signal } = closing;
  const { receive, remove, destroy } = openQueue(options, signal);
  const running = new Set<Promise<void>>();
  const tell = (line: string): void => options.onLine(source.function, line);

  /** Receives a batch: the messages that are there, and those that come within the batching window. */
  const gather = async (): Promise<readonly SourceRecord[]> => {
    const records = await receive(source.batchSize, disorder === undefined ? waitSeconds : waitSecondsInDisorder);
    const until = Date.now() + source.windowSeconds * 1_000;
    while (records.length > 0 && records.length < source.batchSize && Date.now() < until) {
      const seconds = Math.max(1, Math.floor((until - Date.now()) / 1_000));
      records.push(...(await receive(source.batchSize - records.length, Math.min(waitSeconds, seconds))));
    }
    return disorder === undefined ? records : disorder(queue, records);
  };
  const deliver = async (records: readonly SourceRecord[]): Promise<void> => {
    const result = await pool.invoke({ Records: records });
    if (!result.ok) return tell(`${result.type}: ${result.message}; its ${records.length} messages come again`);
    const failed = source.partial ? parseFailures(result.payload, records) : [];
    await remove(records.filter(({ messageId }) => !failed.includes(messageId)));
  };
  const poll = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        if (running.size >= source.concurrencyMax) await Promise.race(running);
        await pool.room();
        if (signal.aborted) return;
        const records = await gather();
        if (records.length === 0) continue;
        const delivery = deliver(records)
          .catch((error: unknown) => tell(`messages are not deleted and come again: ${textOf(error)}`))
          .finally(() => running.delete(delivery));
        running.add(delivery);
      } catch (error) {
        if (signal.aborted) return;
        tell(`${queue} cannot be received from: ${textOf(error)}`);
        await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
      }
    }
  };
  const polling = poll();
  return {
    async close() {
      closing.abort();
      await polling;
      await Promise.all(running);
      destroy();
    },
  };
}

/** Opens the queue of an event source. Its calls carry the role of the function, as on AWS. */
function openQueue({ source, queueUrl, sqs, proxy }: EventSourceOptions, abortSignal: AbortSignal) {
  const client: SQSClient = new sqs.SQSClient({
    endpoint: proxy.url,
    region,
    credentials: { accessKeyId: source.function, secretAccessKey: "emulated" },
    requestHandler: inProcess(proxy),
  });
  return {
    async receive(max: number, seconds: number): Promise<SourceRecord[]> {
      const command = new sqs.ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: Math.min(batchMax, max),
        WaitTimeSeconds: seconds,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      });
      const { Messages = [] } = await client.send(command, { abortSignal });
      return Messages.map((message) => makeRecord(message, source.queueArn));
    },
    async remove(records: readonly SourceRecord[]): Promise<void> {
      for (let start = 0; start < records.length; start += batchMax) {
        const Entries = records
          .slice(start, start + batchMax)
          .map(({ receiptHandle }, index) => ({ Id: String(index), ReceiptHandle: receiptHandle }));
        await client.send(new sqs.DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
      }
    },
    destroy: () => client.destroy(),
  };
}

/** Reads the ids of the failed messages. Like Lambda, takes all messages as failed if the response is malformed. */
function parseFailures(payload: string, records: readonly SourceRecord[]): readonly string[] {
  const all = records.map(({ messageId }) => messageId);
  const response = JSON.parse(payload) as {
    readonly batchItemFailures?: readonly { readonly itemIdentifier?: string }[] | null;
  } | null;
  const failures = response?.batchItemFailures ?? [];
  const ids = failures.map(({ itemIdentifier }) => itemIdentifier ?? "");
  return ids.every((id) => all.includes(id)) ? ids : all;
}

/** Makes a record of Lambda's SQS event from a message. */
function makeRecord(message: Message, eventSourceARN: string) {
  const { MessageId = "", ReceiptHandle = "", Body = "", Attributes = {}, MD5OfBody = "" } = message;
  const messageAttributes = Object.fromEntries(
    Object.entries(message.MessageAttributes ?? {}).map(([name, { StringValue, DataType }]) => [
      name,
      { stringValue: StringValue, stringListValues: [], binaryListValues: [], dataType: DataType },
    ]),
  );
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    md5OfBody: MD5OfBody,
    attributes: Attributes,
    messageAttributes,
    eventSource: "aws:sqs",
    eventSourceARN,
    awsRegion: region,
  };
}
