import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Lease } from "../../../src/backend/aws/queue/inFlight.ts";
import type { Queue } from "../../../src/backend/aws/queue/queue.ts";
import { openTable, type Table } from "../../../src/backend/aws/table.ts";
import type { NewOrder } from "../../../src/backend/port.ts";
import type { FakeClock } from "../../../src/testing/fakeClock.ts";
import { createStack, type Stack } from "./emulators.ts";

export const workflow = "units";

/** A stack of its own for one test, and its table. */
export async function stackOf(
  t: TestContext,
  statuses: readonly string[] = [],
): Promise<{ stack: Stack; stage: string; table: Table }> {
  const stage = `u${randomUUID().slice(0, 8)}`;
  const stack = await createStack({ workflow, stage, mode: "standard", statuses });
  const dynamo = new DynamoDBClient();
  t.after(async () => {
    dynamo.destroy();
    await stack.remove();
  });
  return { stack, stage, table: openTable(dynamo, `${workflow}-table-${stage}`) };
}

export function newOrder(clock: FakeClock, fields: Partial<NewOrder> = {}): NewOrder {
  return {
    ...{ key: null, extrasJson: null, status: "received", kind: "handled", dataJson: "{}", group: null },
    ...{ createdAt: clock.now(), expiresAt: null },
    by: { runtime: "node", name: "test", requestId: null, messageId: null },
    ...fields,
  };
}

/** What a process has in hand of a queue that nothing is asked of. */
export function lease(url: string, groupId: string | null, fields: Partial<Lease> = {}): Lease {
  return {
    reference: { id: randomUUID(), status: "received", visit: 0 },
    queue: { url } as Queue,
    messageId: randomUUID(),
    receipt: randomUUID(),
    ...{ receives: 1, groupId, deletedByEventSource: false, receivedAt: 0, endsAt: Number.POSITIVE_INFINITY },
    ...fields,
  };
}
