import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";

/** The limit for a call or a suite on the emulators: long enough for a slow machine, and it ends one that hangs. */
export const limitSeconds = 600;
export const limitMilliseconds = limitSeconds * 1_000;

interface Client {
  readonly config: { readonly requestHandler: { updateHttpClientConfig?(key: string, value: number): void } };
}

/**
 * Gives every SDK call of this process 600 s in place of the product's 3 s and 10 s. The emulator runs in this process,
 * too, and is slow when the machine is. Returns the function that restores the product's limits.
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
    // The client classes inherit `send`, so deleting this property restores it.
    return () => Reflect.deleteProperty(prototype, "send");
  });
  const { timeout } = AbortSignal;
  AbortSignal.timeout = () => timeout.call(AbortSignal, limitMilliseconds);
  return () => {
    AbortSignal.timeout = timeout;
    for (const takeBack of undo) takeBack();
  };
}
