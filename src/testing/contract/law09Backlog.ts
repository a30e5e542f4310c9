import assert from "node:assert/strict";
import type { Delivery } from "../../backend/port.ts";
import type { StoredOrder } from "../../core/order.ts";
import { failedAttempt, failedForGood, movedTo } from "./orders.ts";
import { both, type Case, superseded, type Trial } from "./trial.ts";

const sweeps = 8;
/** A backlog that was swept 8 times may have grown by at most log2(8) messages for each order. */
const deliveriesMax = 1 + Math.log2(sweeps);

/** 9. A backlog does not multiply. */
export const backlog: readonly Case[] = [
  both("of orders that merely wait in a long queue a sweep queues none again", async (trial) => {
    await Promise.all(Array.from({ length: 50 }, () => trial.place()));
    const { expired, redelivered, nextCursor } = await trial.backend.sweep({ limit: 100 });
    assert.deepEqual([expired, redelivered, nextCursor], [[], 0, null]);
  }),
  both("of orders in flight, delayed or failed a sweep queues none again", async (trial) => {
    const order = await trial.place();
    await trial.handle(order, failedAttempt("down", 3_600));
    await trial.handle(await trial.place(), failedForGood("down"));
    await trial.place();
    await trial.receiveOne("received");
    const { expired, redelivered } = await trial.backend.sweep({ limit: 100 });
    assert.deepEqual([expired, redelivered], [[], 0]);
  }),
  both("queueing a queued order again adds next to nothing, and the order is handled once", async (trial) => {
    const { stray, order } = await superseded(trial);
    await again(trial, stray, order);
    let deliveries = 0;
    let emptyLooks = 0;
    await trial.eventually("every delivery", async () => {
      const options = { status: "priced", max: 10, leaseSeconds: 60, waitSeconds: 0 };
      const taken = await trial.backend.receive(options);
      for (const each of taken) assert.deepEqual([each.orderId, each.visit], [order.id, 1]);
      deliveries += taken.length;
      emptyLooks = taken.length > 0 ? 0 : emptyLooks + 1;
      return deliveries > 0 && emptyLooks >= 10 ? true : undefined;
    });
    assert.ok(deliveries <= deliveriesMax, `${deliveries} deliveries of one visit`);
    await trial.commit(order, movedTo("received"));
    await trial.receiveOne("received");
    await trial.receiveNothing("received");
  }),
  both("queueing an order again that is in flight or delayed brings it no earlier", async (trial) => {
    const first = await superseded(trial);
    const delayed = await trial.handle(first.order, failedAttempt("down", 3_600));
    const { stray, order: flying } = await superseded(trial);
    assert.equal((await trial.receiveOne("priced")).orderId, flying.id);
    await again(trial, stray, flying);
    await again(trial, first.stray, delayed);
    await trial.receiveNothing("priced");
    await trial.commit(flying, movedTo("done"));
    await trial.receiveNothing("priced");
  }),
  both("queueing again an order as it stood before it moved adds nothing", async (trial) => {
    const { stray, order } = await superseded(trial);
    const moved = await trial.handle(order, movedTo("received"));
    await again(trial, stray, order);
    await trial.receiveNothing("priced");
    await trial.handle(moved, movedTo("done"));
    await again(trial, stray, moved);
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
  }),
];

/** Settles the stray delivery of the visit before as superseded, once for each sweep. */
async function again(trial: Trial, stray: Delivery, by: StoredOrder): Promise<void> {
  for (let sweep = 0; sweep < sweeps; sweep++) await trial.backend.settle(stray, { verdict: "superseded", by });
}
