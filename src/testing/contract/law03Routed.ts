import assert from "node:assert/strict";
import { failedForGood, movedTo, requested, retried } from "./orders.ts";
import { both, type Case, idsOf, needs, superseded } from "./trial.ts";

/** 3. A committed status change is the next delivery. */
export const routed: readonly Case[] = [
  both("a placed order is delivered in its status, once", async (trial) => {
    const order = await trial.place();
    const { orderId, status, visit, redelivered } = await trial.receiveOne("received");
    assert.deepEqual([orderId, status, visit, redelivered], [order.id, "received", 0, false]);
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
  }),
  both("a commit into a handled status is the next delivery, there and only there", async (trial) => {
    const order = await trial.place();
    await trial.handle(order, movedTo("priced"));
    const { orderId, visit, redelivered } = await trial.receiveOne("priced");
    assert.deepEqual([orderId, visit, redelivered], [order.id, 1, false]);
    await trial.receiveNothing("priced");
    await trial.receiveNothing("received");
  }),
  both("an order goes through its statuses, back to an earlier one too, and ends", async (trial) => {
    let order = await trial.place();
    for (const next of ["priced", "received", "priced", "received", "done"] as const) {
      order = await trial.handle(order, movedTo(next));
    }
    assert.deepEqual(await trial.get(order.id), order);
    assert.equal(order.visit, 5);
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
  }),
  both("100 orders at once each have their delivery, and after their commits their next", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 100 }, () => trial.place()));
    const first = await trial.receive("received", 100);
    assert.deepEqual(idsOf(first).sort(), idsOf(orders).sort());
    await Promise.all(orders.map((order) => trial.commit(order, movedTo("priced"))));
    const second = await trial.receive("priced", 100);
    assert.deepEqual(idsOf(second).sort(), idsOf(orders).sort());
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
  }),
  both("a waiting order that is moved to a handled status is delivered", async (trial) => {
    const order = await trial.place({ status: "held" });
    await trial.commit(order, requested("priced"));
    const { orderId, visit } = await trial.receiveOne("priced");
    assert.deepEqual([orderId, visit], [order.id, 1]);
  }),
  both("a failed order that is retried is delivered again, in the same visit", async (trial) => {
    const order = await trial.place();
    const failed = await trial.handle(order, failedForGood("down"));
    await trial.receiveNothing("received");
    const again = await trial.commit(failed, retried);
    const { orderId, visit, redelivered } = await trial.receiveOne("received");
    assert.deepEqual([orderId, visit, redelivered], [order.id, 0, false]);
    await trial.commit(again, movedTo("done"));
    await trial.receiveNothing("received");
  }),
  both("a failed order that is moved is delivered in its new status alone", async (trial) => {
    const failed = await trial.handle(await trial.place(), failedForGood("down"));
    await trial.commit(failed, requested("priced"));
    assert.equal((await trial.receiveOne("priced")).orderId, failed.id);
    await trial.receiveNothing("received");
  }),
  both(
    "a delivery that was lost is queued again when one of an earlier visit is settled as superseded",
    async (trial) => {
      const { stray, order } = await superseded(trial);
      await trial.backend.settle(await trial.receiveOne("priced"), { verdict: "done" });
      await trial.receiveNothing("priced");
      await trial.backend.settle(stray, { verdict: "superseded", by: order });
      const { orderId, visit } = await trial.receiveOne("priced");
      assert.deepEqual([orderId, visit], [order.id, 1]);
      await trial.receiveNothing("received");
    },
  ),
  both("a receive that waits gets the delivery of an order placed meanwhile", async (trial) => {
    const received = trial.backend.receive({ status: "received", max: 5, leaseSeconds: 60, waitSeconds: 10 });
    const order = await trial.place();
    assert.deepEqual(idsOf(await trial.settles("the receive", received)), [order.id]);
  }),
  both("a receive that waits gets the delivery of a commit made meanwhile", async (trial) => {
    const order = await trial.place();
    const received = trial.backend.receive({ status: "priced", max: 5, leaseSeconds: 60, waitSeconds: 10 });
    await trial.handle(order, movedTo("priced"));
    assert.deepEqual(idsOf(await trial.settles("the receive", received)), [order.id]);
  }),
  both(
    "a receive that does not wait answers at once, and one that waits answers when its time is over",
    async (trial) => {
      const options = { status: "received", max: 5, leaseSeconds: 60 };
      const atOnce = trial.backend.receive({ ...options, waitSeconds: 0 });
      assert.deepEqual(await trial.settles("the receive without waiting", atOnce), []);
      const waits = trial.backend.receive({ ...options, waitSeconds: 1 });
      assert.deepEqual(await trial.settlesInTime("the receive that waits a second", waits), []);
    },
  ),
  needs(
    "closing",
    both("queued deliveries outlive a clean close", async (trial) => {
      const order = await trial.place();
      await trial.handle(order, movedTo("priced"));
      const other = await trial.place();
      await trial.reopen();
      assert.equal((await trial.receiveOne("priced")).orderId, order.id);
      assert.equal((await trial.receiveOne("received")).orderId, other.id);
      await trial.receiveNothing("priced");
      await trial.receiveNothing("received");
    }),
  ),
  needs(
    "crashing",
    both("the delivery of a committed change outlives a crash", async (trial) => {
      const order = await trial.place();
      await trial.handle(order, movedTo("priced"));
      const other = await trial.place();
      await trial.crash();
      const { orderId, visit } = await trial.receiveOne("priced");
      assert.deepEqual([orderId, visit], [order.id, 1]);
      assert.equal((await trial.receiveOne("received")).orderId, other.id);
      await trial.receiveNothing("priced");
      await trial.receiveNothing("received");
    }),
  ),
];
