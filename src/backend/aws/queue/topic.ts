import { hash } from "node:crypto";
import { PublishBatchCommand } from "@aws-sdk/client-sns";
import { CauceError } from "../../../core/errors.ts";
import type { DeliveryMode } from "../../port.ts";
import { call, createBatcher, type ItemResult } from "../clients.ts";
import { batchMax } from "../quotas.ts";
import type { TableContext } from "../table.ts";

/** What a message carries: which order, and which visit of it. Never data. */
export interface Reference {
  readonly id: string;
  readonly status: string;
  readonly visit: number;
  readonly group: string | null;
  /** When the attempt that the message brings may begin, in milliseconds since 1970. */
  readonly notBefore?: number | null | undefined;
}

export function bodyOf({ id, visit, notBefore }: Reference): string {
  return JSON.stringify({ id, visit, notBefore: notBefore ?? undefined });
}

/** Reads a message's body; undefined for a message that Cauce did not write. */
export function parseBody(body: string | undefined): Pick<Reference, "id" | "visit" | "notBefore"> | undefined {
  try {
    const { id, visit, notBefore } = JSON.parse(body ?? "") as { id?: unknown; visit?: unknown; notBefore?: unknown };
    if (typeof id !== "string" || typeof visit !== "number") return undefined;
    return typeof notBefore === "number" ? { id, visit, notBefore } : { id, visit };
  } catch {
    return undefined;
  }
}

/** The attribute by which each queue's subscription filters. */
export function statusAttribute(status: string) {
  return { status: { DataType: "String", StringValue: status } };
}

/**
 * The fields of a message in FIFO delivery. The group's name is a hash, so that a group key may have any characters and
 * any length; an order without a group key is a group of its own. SQS accepts a message that equals one of the last
 * five minutes and does not deliver it: `suffix` makes a redelivery another message.
 */
export function fifoFields(mode: DeliveryMode, { id, visit, group }: Reference, suffix = "") {
  if (mode === "standard") return {};
  return {
    MessageGroupId: group === null ? id : hash("sha256", group),
    MessageDeduplicationId: `${id}:${visit}${suffix}`,
  };
}

export type Topic = ReturnType<typeof createTopic>;

const triesMax = 3;

/** Publishes to the topic in batches. `findArn` is called once, and again only after it failed. */
export function createTopic({ clients, mode }: TableContext, findArn: () => Promise<string>) {
  let found: Promise<string> | undefined;
  const arn = (): Promise<string> => {
    found ??= findArn();
    found.catch(() => {
      found = undefined;
    });
    return found;
  };

  const batcher = createBatcher<{ readonly reference: Reference; readonly suffix: string }, void>(
    batchMax,
    async (items) => {
      const TopicArn = await arn();
      const where = `topic ${TopicArn}`;
      const entries = items.map(({ reference, suffix }, n) => ({
        Id: String(n),
        Message: bodyOf(reference),
        MessageAttributes: statusAttribute(reference.status),
        ...fifoFields(mode, reference, suffix),
      }));
      const results: ItemResult<void>[] = items.map(() => ({ value: undefined }));
      let left = entries;
      for (let tries = 1; left.length > 0; tries++) {
        const command = new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: left });
        const { Failed = [] } = await call(where, (options) => clients.sns.send(command, options));
        const retried = new Set<string | undefined>();
        for (const { Id, Code, Message, SenderFault } of Failed) {
          if (!SenderFault && tries < triesMax) retried.add(Id);
          else {
            const said = `${where} did not take a message: ${Code}: ${Message ?? ""}; try again`;
            results[Number(Id)] = { error: new CauceError("store_unavailable", said) };
          }
        }
        left = entries.filter(({ Id }) => retried.has(Id));
      }
      return results;
    },
  );

  return {
    /** Finds the topic, and announces a message: the next call waits for it, 15 ms at most. */
    async expect() {
      await arn();
      const end = batcher.expect();
      return {
        /** Resolves when the topic has the message. `suffix` tells the message from an earlier one of the same visit. */
        publish(reference: Reference, suffix = ""): Promise<void> {
          const published = batcher.add({ reference, suffix });
          end();
          return published;
        },
        /** Says that no message comes. Does nothing after `publish`. */
        end,
      };
    },
  };
}
