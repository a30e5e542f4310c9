import assert from "node:assert/strict";
import type { Delivery } from "../../backend/backend.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { OrderOptions } from "./newOrder.ts";
import type { Trial } from "./trial.ts";
import { type ContractStatus, movedTo } from "./workflow.ts";

/**
 * A new order that a commit has moved from `received` on (default: to `priced`, where its delivery waits), and the
 * delivery which that commit consumed: as one that a queue brought twice, and a worker sees too late.
 */
export async function superseded(
  trial: Trial,
  options: OrderOptions = {},
  to: ContractStatus = "priced",
): Promise<{ stray: Delivery; order: StoredOrder }> {
  const placed = await trial.place(options);
  const stray = await trial.receiveOne("received");
  assert.equal(stray.orderId, placed.id, "the delivery's order");
  return { stray, order: await trial.commit(placed, movedTo(to)) };
}
