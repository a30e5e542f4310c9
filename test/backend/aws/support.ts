import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Lease } from "../../../src/backend/aws/queue/inFlight.ts";
import { openTable, type Table } from "../../../src/backend/aws/table.ts";
import type { NewOrder } from "../../../src/backend/port.ts";
import type { FakeClock } from "../../../src/testing/fakeClock.ts";
import { createStack, type Stack } from "./emulators.ts";

export const workflow = "units";

/** Creates a stack for one test, and opens its table. */
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

/** Makes a lease of a delivery whose queue is never called. */
export function lease(status: string, groupId: string | null, fields: Partial<Lease> = {}): Lease {
  return {
    ...{ orderId: randomUUID(), status, visit: 0, notBefore: null, messageId: randomUUID(), receipt: randomUUID() },
    ...{ receives: 1, redelivered: false, unattended: true, suspect: false, groupId },
    ...{ deletedByEventSource: false, receivedAt: 0, endsAt: Number.POSITIVE_INFINITY },
    ...fields,
  };
}
