import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { awsFault, isConditionFailed } from "./faults.ts";

export interface Clients {
  readonly dynamo: DynamoDBClient;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
}

/** How long one call may take with all its tries, in milliseconds: after that the caller is told 503 (law 1). */
export const callMilliseconds = 10_000;
const tryMilliseconds = 3_000;
// A request that waits for a free socket counts as one that does not connect, so there are as many as may be wanted.
const socketsMost = 256;

/**
 * The three clients, with the SDK's standard retry mode. Region, credentials and endpoints come from the environment,
 * as the SDK reads them (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`, …).
 */
export function openClients(): Clients {
  const options = {
    retryMode: "standard",
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: tryMilliseconds,
      requestTimeout: tryMilliseconds,
      // Without it the SDK only warns, and a try that hangs takes all of the call's time.
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: socketsMost },
      httpsAgent: { maxSockets: socketsMost },
    },
  };
  return { dynamo: new DynamoDBClient(options), sns: new SNSClient(options), sqs: new SQSClient(options) };
}

export function destroyClients({ dynamo, sns, sqs }: Clients): void {
  for (const client of [dynamo, sns, sqs]) client.destroy();
}

interface CallOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

/** One call, ended after 10 s and what it waits on top. Rejects with an error of Cauce, or `ConditionalCheckFailedException`. */
export async function call<Output>(
  where: string,
  send: (options: CallOptions) => Promise<Output>,
  waitSeconds = 0,
): Promise<Output> {
  const waitMilliseconds = waitSeconds * 1_000;
  try {
    return await send({
      abortSignal: AbortSignal.timeout(callMilliseconds + waitMilliseconds),
      requestTimeout: tryMilliseconds + waitMilliseconds,
    });
  } catch (error) {
    if (isConditionFailed(error)) throw error;
    throw awsFault(error, where);
  }
}
