export type Service = "dynamodb" | "sns" | "sqs";

/** The access key of the emulator's own calls. */
export const emulatorKey = "emulator";

/** A call of AWS: which function calls what on which resources. */
export interface AwsCall {
  /** The function that calls, or whose event source mapping calls. Undefined for the emulator itself. */
  readonly function: string | undefined;
  readonly service: Service;
  /** `SendMessageBatch` */
  readonly operation: string;
  /** The action that a policy must allow: `sqs:SendMessage`. */
  readonly action: string;
  /** The names of the table, queue or topic. An index is written `orders-table-dev/index/standing`. */
  readonly resources: readonly string[];
  /** The id that the SDK gives to one call. Every try of the call has the same id. */
  readonly id: string;
}

/** What happens to a call. */
export type Fate =
  | "pass"
  /** The call is refused, as AWS refuses a caller without the permission. */
  | "deny"
  /** The call fails and changes nothing. */
  | "failBefore"
  /** The call takes effect, and its response is lost. */
  | "failAfter"
  | { readonly delayMilliseconds: number };

export type Hook = (call: AwsCall) => Fate | Promise<Fate>;

type Body = Readonly<Record<string, unknown>>;
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Reads which function signed a request, and for which service. Undefined for a request without a signature. */
export function readSigner(headers: Headers): Pick<AwsCall, "function" | "service"> | undefined {
  const credential = /Credential=([^/,\s]+)\/\d+\/[^/]+\/(dynamodb|sns|sqs)\//.exec(String(headers.authorization));
  if (credential === null) return undefined;
  const [, caller = "", service] = credential as unknown as [string, string, Service];
  return { function: caller === emulatorKey ? undefined : caller, service };
}

/** Reads the call that a signed request of the SDK makes. */
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
