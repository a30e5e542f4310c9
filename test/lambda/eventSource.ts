import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Invocation, SqsAnswer, SqsEvent, SqsRecord } from "../../src/lambda/index.ts";

/** Does what an event source mapping does: receives batches, and deletes messages that are not answered as failed. */
export function createEventSource(options: {
  readonly queueUrl: string;
  readonly visibilitySeconds?: number;
  /** How long a receive waits for messages. Default: 1 s. */
  readonly waitSeconds?: number;
  /** Default: the environment's endpoint at the first receive. */
  readonly endpoint?: string;
}) {
  const { queueUrl, visibilitySeconds = 30, waitSeconds = 1 } = options;
  const sqs = new SQSClient({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler: { requestTimeout: 3_000 + waitSeconds * 1_000, throwOnRequestTimeout: true },
  });
  const queue = queueUrl.split("/").at(-1);
  return {
    /** Receives one batch as an event. Records that no function handles come back when their invisibility ends. */
    async receive(max = 10): Promise<SqsEvent> {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: max,
          VisibilityTimeout: visibilitySeconds,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ["All"],
        }),
      );
      return {
        Records: Messages.map(
          ({ MessageId = "", ReceiptHandle = "", Body = "", Attributes }): SqsRecord => ({
            messageId: MessageId,
            receiptHandle: ReceiptHandle,
            body: Body,
            attributes: Attributes as SqsRecord["attributes"],
            eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queue}`,
          }),
        ),
      };
    },
    async settle({ Records }: SqsEvent, { batchItemFailures }: SqsAnswer): Promise<void> {
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      for (const { messageId, receiptHandle } of Records) {
        if (failed.has(messageId)) continue;
        await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receiptHandle }));
      }
    },
    close: () => sqs.destroy(),
  };
}

export function invocation(remainingMilliseconds = 60_000): Invocation {
  return { awsRequestId: "request", getRemainingTimeInMillis: () => remainingMilliseconds };
}
