import { hash } from "node:crypto";
import { PublishBatchCommand, type SNSClient } from "@aws-sdk/client-sns";
import { CauceError } from "../../../core/errors.ts";
import type { DeliveryMode } from "../../port.ts";
import { createBatcher, type ItemResult } from "../batcher.ts";
import { call } from "../clients.ts";
import { batchMax } from "../quotas.ts";

export interface Topic {
  /** Resolves when the topic has it. `suffix` makes it another message than an earlier one of the same visit. */
  publish(reference: Reference, suffix?: string): Promise<void>;
  /** See `Batcher.expect`. */
  expect(): () => void;
}

const triesMax = 3;

export function openTopic(sns: SNSClient, arn: string, mode: DeliveryMode): Topic {
  const where = `topic ${arn}`;
  const batcher = createBatcher<{ readonly reference: Reference; readonly suffix: string }, void>({
    max: batchMax,
    async send(items) {
      const results: ItemResult<void>[] = items.map(() => ({ value: undefined }));
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
          if (!SenderFault && tries < triesMax) left.push(n);
          else results[n] = { error: new CauceError("store_unavailable", said) };
        }
      }
      return results;
    },
  });
  return {
    publish: (reference, suffix = "") => batcher.add({ reference, suffix }),
    expect: batcher.expect,
  };
}

/** What a message carries: which order, and which stay of it. Never data. */
export interface Reference {
  readonly id: string;
  readonly status: string;
  readonly visit: number;
  readonly group: string | null;
  /** Brings the attempt that begins then (milliseconds since 1970), and none before it. */
  readonly notBefore?: number | null | undefined;
}

export function bodyOf({ id, visit, notBefore }: Reference): string {
  return JSON.stringify({ id, visit, notBefore: notBefore ?? undefined });
}

/** The reference in a message's body; undefined for what Cauce did not write. */
export function referenceOf(body: string | undefined): Pick<Reference, "id" | "visit" | "notBefore"> | undefined {
  try {
    const { id, visit, notBefore } = JSON.parse(body ?? "") as { id?: unknown; visit?: unknown; notBefore?: unknown };
    if (typeof id !== "string" || typeof visit !== "number") return undefined;
    return typeof notBefore === "number" ? { id, visit, notBefore } : { id, visit };
  } catch {
    return undefined;
  }
}

/** The attribute on which each queue's subscription filters. */
export function statusAttribute(status: string) {
  return { status: { DataType: "String", StringValue: status } };
}

/**
 * FIFO: the group's name is a hash, so that its key may be of any characters and length; an order without one is a
 * group of its own. `suffix` tells a redelivery from what it repeats: within five minutes an equal one is accepted and
 * not delivered.
 */
export function fifoFields(mode: DeliveryMode, { id, visit, group }: Reference, suffix = "") {
  if (mode === "standard") return {};
  return {
    MessageGroupId: group === null ? id : hash("sha256", group),
    MessageDeduplicationId: `${id}:${visit}${suffix}`,
  };
}
