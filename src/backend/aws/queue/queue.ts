import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { CauceError } from "../../../core/errors.ts";
import type { DeliveryMode } from "../../port.ts";
import { createBatcher, type ItemResult } from "../batcher.ts";
import { call } from "../clients.ts";
import { batchMax, visibilitySecondsMax } from "../quotas.ts";
import { bodyOf, fifoFields, type Reference, statusAttribute } from "./topic.ts";

/** The 12 hours count from the receive, and SQS refuses more: so much is left for what passed before a message got here. */
const underwaySeconds = 600;

/** How long a message that came here at `receivedAt` (milliseconds since 1970) may be made invisible from `now` on. */
export function visibilitySecondsLeft(receivedAt: number, now: number): number {
  const passedSeconds = Math.ceil((now - receivedAt) / 1_000);
  return Math.max(0, visibilitySecondsMax - underwaySeconds - passedSeconds);
}

export interface QueueCounts {
  readonly waiting: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** One SQS queue, its calls batched. */
export interface Queue {
  receive(options: { max: number; visibilitySeconds: number; waitSeconds: number }): Promise<Message[]>;
  delete(receipt: string): Promise<void>;
  changeVisibility(receipt: string, seconds: number): Promise<void>;
  send(reference: Reference, options: { delaySeconds: number; suffix: string }): Promise<void>;
  counts(): Promise<QueueCounts>;
  readonly url: string;
}

interface Failure {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
}

export function openQueue(sqs: SQSClient, url: string, mode: DeliveryMode): Queue {
  const where = `queue ${url}`;
  const resultsOf = (count: number, Failed: readonly Failure[] = []): ItemResult<void>[] => {
    const results: ItemResult<void>[] = Array.from({ length: count }, () => ({ value: undefined }));
    for (const { Id, Code, Message } of Failed) {
      const said = `${where} refused: ${Code}: ${Message ?? ""}; the message comes again`;
      results[Number(Id)] = { error: new CauceError("store_unavailable", said) };
    }
    return results;
  };

  const deletes = createBatcher<string, void>({
    max: batchMax,
    async send(receipts) {
      const Entries = receipts.map((ReceiptHandle, n) => ({ Id: String(n), ReceiptHandle }));
      const { Failed } = await call(where, (options) =>
        sqs.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }), options),
      );
      return resultsOf(receipts.length, Failed);
    },
  });
  const visibilities = createBatcher<{ receipt: string; seconds: number }, void>({
    max: batchMax,
    async send(changes) {
      const Entries = changes.map(({ receipt, seconds }, n) => ({
        Id: String(n),
        ReceiptHandle: receipt,
        VisibilityTimeout: seconds,
      }));
      const { Failed } = await call(where, (options) =>
        sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries }), options),
      );
      return resultsOf(changes.length, Failed);
    },
  });
  const sends = createBatcher<{ reference: Reference; delaySeconds: number; suffix: string }, void>({
    max: batchMax,
    async send(items) {
      const Entries = items.map(({ reference, delaySeconds, suffix }, n) => ({
        Id: String(n),
        MessageBody: bodyOf(reference),
        MessageAttributes: statusAttribute(reference.status),
        ...(mode === "standard" ? { DelaySeconds: delaySeconds } : fifoFields(mode, reference, suffix)),
      }));
      const { Failed } = await call(where, (options) =>
        sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }), options),
      );
      return resultsOf(items.length, Failed);
    },
  });

  return {
    url,
    async receive({ max, visibilitySeconds, waitSeconds }) {
      const { Messages = [] } = await call(
        where,
        (options) =>
          sqs.send(
            new ReceiveMessageCommand({
              QueueUrl: url,
              MaxNumberOfMessages: Math.min(max, batchMax),
              VisibilityTimeout: visibilitySeconds,
              WaitTimeSeconds: waitSeconds,
              MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
            }),
            options,
          ),
        waitSeconds,
      );
      return Messages;
    },
    delete: (receipt) => deletes.add(receipt),
    changeVisibility: (receipt, seconds) => visibilities.add({ receipt, seconds }),
    send: (reference, { delaySeconds, suffix }) => sends.add({ reference, delaySeconds, suffix }),
    async counts() {
      const { Attributes = {} } = await call(where, (options) =>
        sqs.send(
          new GetQueueAttributesCommand({
            QueueUrl: url,
            AttributeNames: [
              "ApproximateNumberOfMessages",
              "ApproximateNumberOfMessagesNotVisible",
              "ApproximateNumberOfMessagesDelayed",
            ],
          }),
          options,
        ),
      );
      return {
        waiting: Number(Attributes.ApproximateNumberOfMessages ?? 0),
        inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
        delayed: Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
      };
    },
  };
}
