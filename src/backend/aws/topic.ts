import { PublishBatchCommand, type SNSClient } from "@aws-sdk/client-sns";
import { CauceError } from "../../core/errors.ts";
import type { DeliveryMode } from "../backend.ts";
import { createBatcher, type Outcome } from "./batcher.ts";
import { call } from "./clients.ts";
import { bodyOf, fifoFields, type Reference, statusAttribute } from "./messages.ts";

export interface Topic {
  /** Resolves when the topic has it. `suffix` makes it another message than an earlier one of the same visit. */
  publish(reference: Reference, suffix?: string): Promise<void>;
  /** See `Batcher.expect`. */
  expect(): () => void;
}

const mostPerCall = 10;
const triesMost = 3;

export function openTopic(sns: SNSClient, arn: string, mode: DeliveryMode): Topic {
  const where = `topic ${arn}`;
  const batcher = createBatcher<{ readonly reference: Reference; readonly suffix: string }, void>({
    most: mostPerCall,
    async send(items) {
      const outcomes: Outcome<void>[] = items.map(() => ({ value: undefined }));
      let left = items.map((_, n) => n);
      for (let tries = 1; left.length > 0; tries++) {
        const { Failed = [] } = await call(where, (options) =>
          sns.send(
            new PublishBatchCommand({
              TopicArn: arn,
              PublishBatchRequestEntries: left.map((n) => {
                const { reference, suffix } = items[n] as (typeof items)[number];
                return {
                  Id: String(n),
                  Message: bodyOf(reference),
                  MessageAttributes: statusAttribute(reference.status),
                  ...fifoFields(mode, reference, suffix),
                };
              }),
            }),
            options,
          ),
        );
        left = [];
        for (const { Id, Code, Message, SenderFault } of Failed) {
          const n = Number(Id);
          const said = `${where} did not take a message: ${Code}: ${Message ?? ""}; try again`;
          if (!SenderFault && tries < triesMost) left.push(n);
          else outcomes[n] = { error: new CauceError("store_unavailable", said) };
        }
      }
      return outcomes;
    },
  });
  return {
    publish: (reference, suffix = "") => batcher.add({ reference, suffix }),
    expect: batcher.expect,
  };
}
