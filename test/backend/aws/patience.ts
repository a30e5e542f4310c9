import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";

/** How long anything on the emulators may take, a call or a suite: a slow machine keeps it, and what hangs is ended. */
export const limitSeconds = 600;
export const limitMilliseconds = limitSeconds * 1_000;

interface Client {
  readonly config: { readonly requestHandler: { updateHttpClientConfig?(key: string, value: number): void } };
}

/**
 * Has every call of the SDK in this process take as long as it needs, in place of the product's 3 and 10 seconds: the
 * emulator runs in this process, too, and is behind when the machine is. Returns what takes it back.
 */
export function waitPatiently(): () => void {
  const seen = new WeakSet<Client>();
  const undo = [DynamoDBClient, SNSClient, SQSClient].map(({ prototype }) => {
    const { send } = prototype;
    Object.assign(prototype, {
      send(this: Client, command: unknown, options: object, ...rest: unknown[]) {
        if (!seen.has(this))
          this.config.requestHandler.updateHttpClientConfig?.("connectionTimeout", limitMilliseconds);
        seen.add(this);
        return Reflect.apply(send, this, [command, { ...options, requestTimeout: limitMilliseconds }, ...rest]);
      },
    });
    // The classes inherit theirs.
    return () => Reflect.deleteProperty(prototype, "send");
  });
  const { timeout } = AbortSignal;
  AbortSignal.timeout = () => timeout.call(AbortSignal, limitMilliseconds);
  return () => {
    AbortSignal.timeout = timeout;
    for (const takeBack of undo) takeBack();
  };
}
