import assert from "node:assert/strict";
import { failedAttempt, movedTo, redelivered } from "./orders.ts";
import { both, type Case, needs } from "./trial.ts";

const shortSeconds = 1;
const shortMilliseconds = shortSeconds * 1_000;
/** Longer than `setTimeout` can wait: its delay overflows after 24.8 days. */
const farSeconds = 60 * 86_400;

/** 6. A delivery that is not settled comes back. A delivery told `again` comes no earlier than its time. */
export const leased: readonly Case[] = [
  both("a delivery that is not settled comes back when its lease has run out, as redelivered", async (trial) => {
    const order = await trial.place();
    const leasedAt = trial.clock.now();
    const first = await trial.receiveOne("received", shortSeconds);
    assert.equal(first.redelivered, false);
    const second = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds }, shortSeconds);
    assert.deepEqual([second.orderId, second.visit, second.redelivered], [order.id, 0, true]);
    const now = trial.clock.now();
    const third = await trial.receiveWithin("received", { notBefore: now, by: now + shortMilliseconds });
    assert.deepEqual([third.orderId, third.visit, third.redelivered], [order.id, 0, true]);
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("each delivery has a lease of its own", async (trial) => {
    await trial.place();
    await trial.place();
    const long = await trial.receiveOne("received", 60);
    const leasedAt = trial.clock.now();
    const short = await trial.receiveOne("received", shortSeconds);
    const back = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds });
    assert.equal(back.orderId, short.orderId);
    assert.notEqual(back.orderId, long.orderId);
    await trial.receiveNothing("received");
  }),
  both("a delivery told `again` comes no earlier than its time, and not as redelivered", async (trial) => {
    const order = await trial.place();
    const notBefore = trial.clock.now() + shortMilliseconds;
    await trial.backend.settle(await trial.receiveOne("received"), { verdict: "again", notBefore });
    const second = await trial.receiveWithin("received", { notBefore });
    assert.deepEqual([second.orderId, second.visit, second.redelivered], [order.id, 0, false]);
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("a delivery told `again` for a time that has passed comes at once", async (trial) => {
    const order = await trial.place();
    const first = await trial.receiveOne("received");
    await trial.backend.settle(first, { verdict: "again", notBefore: trial.clock.now() });
    assert.equal((await trial.receiveOne("received")).orderId, order.id);
  }),
  both("a failed attempt is stored, and the next comes no earlier than the order's `notBefore`", async (trial) => {
    const order = await trial.place();
    const failed = await trial.handle(order, failedAttempt("down", shortSeconds));
    const read = await trial.get(order.id);
    assert.deepEqual([read.attempts, read.entry.error, read.notBefore], [1, "down", failed.notBefore]);
    const { orderId, visit, redelivered } = await trial.receiveWithin("received", {
      notBefore: Number(failed.notBefore),
    });
    assert.deepEqual([orderId, visit, redelivered], [order.id, 0, false]);
  }),
  both("a receive that waits gets a delivery that becomes due meanwhile", async (trial) => {
    const failed = await trial.handle(await trial.place(), failedAttempt("down", shortSeconds));
    let arrivedAt = 0;
    const options = { status: "received", max: 5, leaseSeconds: 60, waitSeconds: 30 };
    const received = trial.backend.receive(options).finally(() => {
      arrivedAt = trial.clock.now();
    });
    await trial.receiveNothing("received");
    await trial.pass(shortSeconds);
    const [delivery] = await trial.settles("the receive", received);
    assert.equal(delivery?.orderId, failed.id);
    assert.ok(arrivedAt >= Number(failed.notBefore) - 50, "the delivery came before it may");
  }),
  both("a delivery far ahead is not delivered now", async (trial) => {
    const seconds = Math.min(farSeconds, trial.backend.limits.longestDelaySeconds);
    await trial.handle(await trial.place(), failedAttempt("down", seconds));
    await trial.receiveNothing("received");
    await trial.pass(shortSeconds);
    await trial.receiveNothing("received");
  }),
  both("every worker of an order dies, and the order ends as failed after its attempts", async (trial) => {
    let order = await trial.place();
    await trial.receiveOne("received", shortSeconds);
    for (let attempt = 2; attempt <= 4; attempt++) {
      const now = trial.clock.now();
      const within = { notBefore: now, by: now + shortMilliseconds };
      const delivery = await trial.receiveWithin("received", within, shortSeconds);
      assert.equal(delivery.redelivered, true);
      order = await trial.commit(order, redelivered);
      assert.equal(order.attempts, Math.min(attempt, 3));
    }
    assert.equal(order.failure?.code, "worker_lost");
    await trial.pass(shortSeconds + trial.backend.limits.timingSeconds);
    await trial.receiveNothing("received");
    assert.deepEqual(await trial.get(order.id), order);
  }),
  needs(
    "closing",
    both("a delivery in flight comes back after a clean close", async (trial) => {
      const order = await trial.place();
      const leasedAt = trial.clock.now();
      await trial.receiveOne("received", shortSeconds);
      await trial.reopen();
      // The backend may deliver at once, or when the lease has run out.
      const within = { notBefore: leasedAt, by: leasedAt + shortMilliseconds };
      const { orderId, visit } = await trial.receiveWithin("received", within);
      assert.deepEqual([orderId, visit], [order.id, 0]);
      await trial.commit(order, movedTo("done"));
      await trial.receiveNothing("received");
    }),
  ),
  needs(
    "crashing",
    both(
      "a delivery in flight comes back after a crash, as redelivered; one that was never received does not say so",
      async (trial) => {
        const order = await trial.place();
        const leasedAt = trial.clock.now();
        await trial.receiveOne("received", shortSeconds);
        const other = await trial.place();
        await trial.crash();
        const redelivered = new Map<string, boolean>();
        while (redelivered.size < 2) {
          const delivery = await trial.receiveWithin("received", {
            notBefore: leasedAt,
            by: leasedAt + shortMilliseconds,
          });
          redelivered.set(delivery.orderId, delivery.redelivered);
        }
        assert.deepEqual([redelivered.get(order.id), redelivered.get(other.id)], [true, false]);
      },
    ),
  ),
  needs(
    "closing",
    both("a delayed delivery keeps its time over a clean close", async (trial) => {
      const failed = await trial.handle(await trial.place(), failedAttempt("down", shortSeconds));
      await trial.reopen();
      const { orderId, redelivered } = await trial.receiveWithin("received", {
        notBefore: Number(failed.notBefore),
      });
      assert.deepEqual([orderId, redelivered], [failed.id, false]);
    }),
  ),
];
