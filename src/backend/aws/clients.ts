import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { CauceError, type ErrorCode } from "../../core/errors.ts";

export interface Clients {
  readonly dynamo: DynamoDBClient;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
}

/** How long one call may take with all its tries, in milliseconds. After that Cauce answers 503 (law 1). */
export const callMilliseconds = 10_000;
const tryMilliseconds = 3_000;
// The SDK counts the wait for a free socket as time to connect, so a socket must be free for every call at once.
const socketsMax = 256;

/**
 * Opens the three clients, with the SDK's standard retry mode. Region, credentials and endpoints come from the
 * environment, as the SDK reads them (`AWS_REGION`, `AWS_ENDPOINT_URL_DYNAMODB`, …).
 */
export function openClients(): Clients {
  const options = {
    retryMode: "standard",
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: tryMilliseconds,
      requestTimeout: tryMilliseconds,
      // Without this the SDK only warns, and one try that hangs takes all of the call's time.
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: socketsMax },
      httpsAgent: { maxSockets: socketsMax },
    },
  };
  return { dynamo: new DynamoDBClient(options), sns: new SNSClient(options), sqs: new SQSClient(options) };
}

export function destroyClients({ dynamo, sns, sqs }: Clients): void {
  for (const client of [dynamo, sns, sqs]) client.destroy();
}

/** What `send` of a client takes beside the command. */
export interface SendOptions {
  readonly abortSignal: AbortSignal;
  readonly requestTimeout: number;
}

/**
 * Makes one call and aborts it after 10 s; `waitSeconds` allows a long poll that much more. Rejects with an error of
 * Cauce, or with `ConditionalCheckFailedException`.
 */
export async function call<Output>(
  where: string,
  send: (options: SendOptions) => Promise<Output>,
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

/** Whether a conditional write was refused because the item did not meet its condition. */
export function isConditionFailed(error: unknown): boolean {
  return (error as { name?: string } | null)?.name === "ConditionalCheckFailedException";
}

export interface Batcher<In, Out> {
  /** Adds an item to the next call. */
  add(item: In): Promise<Out>;
  /**
   * Announces an item: the next call waits up to 15 ms for it. The function that this returns says that the item was
   * added, or will not be.
   */
  expect(): () => void;
}

export type ItemResult<Out> = { readonly value: Out } | { readonly error: unknown };

// The slowest of ten conditional writes that began together ends some milliseconds after the first.
const expectMilliseconds = 15;

/**
 * Gathers the items of one turn of the event loop into calls of up to `max` items. A call waits for items that were
 * announced, such as the publishes of ten commits. `send` makes one call and resolves to a result for each item, in
 * order; where it rejects, every item of the call does.
 */
export function createBatcher<In, Out>(
  max: number,
  send: (items: readonly In[]) => Promise<readonly ItemResult<Out>[]>,
): Batcher<In, Out> {
  interface BatchItem {
    readonly item: In;
    readonly resolve: (value: Out) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: BatchItem[] = [];
  let expected = 0;
  let looking = false;
  let timer: NodeJS.Timeout | undefined;

  const run = async (batch: readonly BatchItem[]): Promise<void> => {
    try {
      const results = await send(batch.map(({ item }) => item));
      for (const [n, { resolve, reject }] of batch.entries()) {
        const result = results[n];
        if (result === undefined) reject(new Error(`${results.length} results for ${batch.length} items`));
        else if ("error" in result) reject(result.error);
        else resolve(result.value);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const all = waiting;
    waiting = [];
    for (let from = 0; from < all.length; from += max) void run(all.slice(from, from + max));
  };

  const look = (): void => {
    looking = false;
    if (waiting.length === 0) return;
    if (expected === 0) flush();
    else timer ??= setTimeout(flush, expectMilliseconds);
  };

  const lookSoon = (): void => {
    if (looking) return;
    looking = true;
    setImmediate(look);
  };

  return {
    add(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (waiting.length >= max) flush();
        else lookSoon();
      });
    },
    expect() {
      let open = true;
      expected++;
      return () => {
        if (!open) return;
        open = false;
        expected--;
        lookSoon();
      };
    },
  };
}

type Meaning = readonly [code: ErrorCode, whatToDo: string];

/**
 * Errors of the SDK that another try does not help, by their names. Every other error may pass by itself. The protocols
 * of the services name one error with or without `Exception` at its end, so the names stand here without it.
 */
const byName = meanings([
  ["store_denied", "give the role this permission", "AccessDenied AuthorizationError KMSAccessDenied KmsAccessDenied"],
  [
    "store_denied",
    "enable the KMS key, and let the role use it",
    "KMSDisabled KMSInvalidState KMSNotFound KMSOptInRequired " +
      "KmsDisabled KmsInvalidKeyUsage KmsInvalidState KmsNotFound KmsOptInRequired",
  ],
  [
    "store_denied",
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role",
    "CredentialsProviderError TokenProviderError MissingAuthenticationToken",
  ],
  ["store_denied", "the credentials are over; get new ones", "ExpiredToken"],
  ["store_denied", "set this machine's clock", "RequestExpired RequestInTheFuture RequestTimeTooSkewed"],
  [
    "store_denied",
    "look at the credentials, and at this machine's clock",
    "AuthFailure IncompleteSignature InvalidClientTokenId InvalidSecurity InvalidSignature InvalidToken OptInRequired " +
      "SignatureDoesNotMatch UnrecognizedClient",
  ],
  [
    "store_missing",
    "deploy the stack, or correct the stage, the delivery or the Region",
    "AWS.SimpleQueueService.NonExistentQueue InvalidAddress QueueDoesNotExist " +
      "NotFound ResourceNotFound TableNotFound IndexNotFound",
  ],
  ["limit_exceeded", "send less", "ItemCollectionSizeLimitExceeded BatchRequestTooLong"],
  [
    "internal_error",
    "this is a fault of Cauce; report it",
    "BatchEntryIdsNotDistinct EmptyBatchRequest InvalidBatchEntryId TooManyEntriesInBatchRequest InvalidParameter " +
      "InvalidParameterValue Serialization Validation InvalidAttributeName InvalidAttributeValue InvalidIdFormat " +
      "InvalidMessageContents UnsupportedOperation TypeError RangeError",
  ],
]);

/** Errors that have no name of their own, or a name that says less than the message. These are looked at first. */
const byMessage: readonly (readonly [RegExp, Meaning])[] = [
  [/^Region is missing/, ["setting_invalid", "set AWS_REGION, as in AWS_REGION=eu-west-1"]],
  [/^Region not accepted/, ["setting_invalid", "correct AWS_REGION, as in AWS_REGION=eu-west-1"]],
  [/^Invalid URL/, ["setting_invalid", "correct AWS_ENDPOINT_URL_DYNAMODB, _SNS and _SQS, or leave them out"]],
  [/does not have the specified index/, ["store_missing", "deploy the stack, which gives the table its index"]],
  [/item size.* has exceeded|exceeded the maximum allowed size/i, ["limit_exceeded", "send less"]],
];

/** Errors of connections that never reached the service, by Node's codes. */
const byNodeCode = meanings([
  [
    "store_unavailable",
    "look at the network, the Region and the endpoint; then try again",
    "EAI_AGAIN ECONNREFUSED EHOSTUNREACH ENETUNREACH ENOTFOUND",
  ],
]);

const passing: Meaning = ["store_unavailable", "try again"];

function meanings(
  rows: readonly (readonly [...Meaning, names: string])[],
): Readonly<Record<string, Meaning | undefined>> {
  const entries = rows.flatMap(([code, whatToDo, names]) => {
    return names.split(" ").map((name) => [name, [code, whatToDo] as const] as const);
  });
  return Object.fromEntries(entries);
}

/** Turns an error of the SDK into one of Cauce, on one line: throttling, time-outs, lost connections and 5xx may pass. */
export function awsFault(error: unknown, where: string): CauceError {
  if (error instanceof CauceError) return error;
  const thrown = (error ?? {}) as { name?: string; code?: unknown; message?: string };
  const { name = "", message = String(error) } = thrown;
  const nodeCode = typeof thrown.code === "string" ? thrown.code : "";
  const byText = byMessage.find(([pattern]) => pattern.test(message))?.[1];
  const [code, whatToDo] = byText ?? byName[name.replace(/Exception$/, "")] ?? byNodeCode[nodeCode] ?? passing;
  const said = (message === "" ? nodeCode : message).replaceAll(/\s+/g, " ").slice(0, 300);
  const what = name === "" || name === "Error" ? said : `${name}: ${said}`;
  return new CauceError(code, `${where} failed: ${what}; ${whatToDo}`, { cause: error });
}
