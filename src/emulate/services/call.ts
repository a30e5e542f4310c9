export type Service = "dynamodb" | "sns" | "sqs";

/** The access key with which the emulator itself asks. */
export const emulatorKey = "emulator";

/** A call of AWS as it passes by: who asks for what of which resource. */
export interface AwsCall {
  /** The function that asks, or whose event source mapping does; undefined for the emulator itself. */
  readonly function: string | undefined;
  readonly service: Service;
  /** `SendMessageBatch` */
  readonly operation: string;
  /** What a policy must allow for it: `sqs:SendMessage`. */
  readonly action: string;
  /** The names of the table, queue or topic; an index as `orders-table-dev/index/standing`. */
  readonly resources: readonly string[];
  /** The same for each try of one call, as the SDK says it. */
  readonly id: string;
}

/** What becomes of a call. */
export type Fate =
  | "pass"
  /** Answered as AWS answers whoever may not. */
  | "deny"
  /** Fails, and nothing has happened. */
  | "failBefore"
  /** Takes effect, and its answer is lost. */
  | "failAfter"
  | { readonly delayMilliseconds: number };

export type Hook = (call: AwsCall) => Fate | Promise<Fate>;

type Body = Readonly<Record<string, unknown>>;
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Who signed a request, for which service; undefined where nobody did. */
export function readSigner(headers: Headers): Pick<AwsCall, "function" | "service"> | undefined {
  const credential = /Credential=([^/,\s]+)\/\d+\/[^/]+\/(dynamodb|sns|sqs)\//.exec(String(headers.authorization));
  if (credential === null) return undefined;
  const [, caller = "", service] = credential as unknown as [string, string, Service];
  return { function: caller === emulatorKey ? undefined : caller, service };
}

/** Reads what a signed request of the SDK asks for. */
export function readCall(signer: Pick<AwsCall, "function" | "service">, headers: Headers, body: Buffer): AwsCall {
  const { service } = signer;
  const target = headers["x-amz-target"];
  const given: Body =
    target === undefined
      ? Object.fromEntries(new URLSearchParams(body.toString()))
      : (JSON.parse(body.toString()) as Body);
  const operation = target === undefined ? String(given.Action) : (String(target).split(".").at(-1) as string);
  return {
    ...signer,
    operation,
    // A batch of messages needs the permission of one message.
    action: `${service}:${operation.replace(/Batch$/, "")}`,
    resources: findResources(service, given),
    id: String(headers["amz-sdk-invocation-id"] ?? ""),
  };
}

function findResources(service: Service, given: Body): string[] {
  if (service === "dynamodb") {
    if (given.RequestItems !== undefined) return Object.keys(given.RequestItems as object);
    const { TableName, IndexName } = given;
    return [IndexName === undefined ? String(TableName) : `${String(TableName)}/index/${String(IndexName)}`];
  }
  const address = given.QueueUrl ?? given.QueueName ?? given.TopicArn ?? "";
  return [String(address).split(/[/:]/).at(-1) as string];
}
