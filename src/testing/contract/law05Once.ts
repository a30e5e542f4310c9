import assert from "node:assert/strict";
import type { Delivery } from "../../backend/port.ts";
import { failedAttempt, failedForGood, movedTo, redelivered } from "./orders.ts";
import { both, type Case, idsOf, needs, type Trial } from "./trial.ts";

const shortSeconds = 1;
const shortMilliseconds = shortSeconds * 1_000;

/** 5. A visit is delivered at least once and applied at most once. */
export const once: readonly Case[] = [
  both("receivers at the same time never share a delivery, and miss none", async (trial) => {
    const orders = await Promise.all(Array.from({ length: 40 }, () => trial.place()));
    const taken: Delivery[] = [];
    await trial.eventually("every delivery", async () => {
      const options = { status: "received", max: 3, leaseSeconds: 60, waitSeconds: 0 };
      const batches = await Promise.all(Array.from({ length: 8 }, () => trial.backend.receive(options)));
      for (const batch of batches) assert.ok(batch.length <= 3, `receive({ max: 3 }) gave ${batch.length}`);
      taken.push(...batches.flat());
      return taken.length >= orders.length ? true : undefined;
    });
    assert.deepEqual(idsOf(taken).sort(), idsOf(orders).sort());
  }),
  both("receives that wait at the same time never share a delivery", async (trial) => {
    const stop = new AbortController();
    const options = { status: "received", max: 1, leaseSeconds: 60, waitSeconds: 10, signal: stop.signal };
    const receives = Array.from({ length: 5 }, () => trial.backend.receive(options));
    const orders = [await trial.place(), await trial.place(), await trial.place()];
    const taken: Delivery[] = [];
    const collected = Promise.all(
      receives.map(async (receive) => {
        taken.push(...(await receive));
        if (taken.length >= orders.length) stop.abort();
      }),
    );
    await trial.settles("five receives, three of them with a delivery", collected);
    assert.deepEqual(idsOf(taken).sort(), idsOf(orders).sort());
  }),
  both("a delivery in flight comes to no other receiver", async (trial) => {
    await trial.place();
    await trial.receiveOne("received");
    await trial.receiveNothing("received");
  }),
  both("a receive never gives more than `max` deliveries", async (trial) => {
    await Promise.all(Array.from({ length: 5 }, () => trial.place()));
    const options = { status: "received", leaseSeconds: 60, waitSeconds: 0 };
    const two = await trial.eventually("a first delivery", async () => {
      const batch = await trial.backend.receive({ ...options, max: 2 });
      return batch.length > 0 ? batch : undefined;
    });
    assert.ok(two.length <= 2);
    await trial.receive("received", 5 - two.length);
  }),
  both("a receive that is aborted ends empty and takes nothing with it", async (trial) => {
    const stop = new AbortController();
    const options = { status: "received", max: 5, leaseSeconds: 60, waitSeconds: 10 };
    const received = trial.backend.receive({ ...options, signal: stop.signal });
    stop.abort();
    assert.deepEqual(await trial.settles("the aborted receive", received), []);
    const late = trial.backend.receive({ ...options, signal: stop.signal });
    assert.deepEqual(await trial.settles("the receive with a signal aborted before", late), []);
    const order = await trial.place();
    assert.equal((await trial.receiveOne("received")).orderId, order.id);
  }),
  both("the delivery of a visit that a commit ended never comes back, not after its lease either", async (trial) => {
    const order = await trial.place();
    await trial.receiveOne("received", shortSeconds);
    await trial.commit(order, movedTo("priced"));
    await trial.receiveOne("priced");
    await trial.pass(shortSeconds + trial.backend.limits.timingSeconds);
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
  }),
  both(
    "a committed change consumes its delivery: nothing is leased any more, and nothing comes again",
    async (trial) => {
      for (const outcome of [movedTo("held"), movedTo("done"), failedForGood("declined")]) {
        const order = await trial.place();
        await trial.commit(order, outcome, await trial.receiveOne("received", shortSeconds));
      }
      await noneInFlight(trial);
      await trial.pass(shortSeconds + trial.backend.limits.timingSeconds);
      await trial.receiveNothing("received");
      await noneInFlight(trial);
    },
  ),
  needs(
    "closing",
    both("a close gives back nothing of a delivery that a commit consumed", async (trial) => {
      const delivery = await trial.place().then(() => trial.receiveOne("received", shortSeconds));
      const moved = await trial.commit(await trial.get(delivery.orderId), movedTo("priced"), delivery);
      await trial.reopen();
      const next = await trial.receiveOne("priced");
      assert.deepEqual([next.orderId, next.visit, next.redelivered], [moved.id, moved.visit, false]);
      await trial.pass(shortSeconds + trial.backend.limits.timingSeconds);
      await trial.receiveNothing("received");
    }),
  ),
  both("settling a delivery that a commit consumed leaves the next delivery alone", async (trial) => {
    const order = await trial.place();
    const first = await trial.receiveOne("received");
    const moved = await trial.commit(order, movedTo("priced"), first);
    await trial.backend.settle(first, { verdict: "done" });
    await trial.backend.settle(first, { verdict: "again", notBefore: trial.clock.now() + 3_600_000 });
    const second = await trial.receiveOne("priced");
    assert.equal(second.orderId, order.id);
    await trial.backend.settle(first, { verdict: "again", notBefore: 0 });
    await trial.receiveNothing("received");
    await trial.receiveNothing("priced");
    await trial.commit(moved, movedTo("done"));
  }),
  both("settling a failed attempt's delivery after its commit leaves the next attempt's alone", async (trial) => {
    const order = await trial.place();
    const first = await trial.receiveOne("received");
    await trial.commit(order, failedAttempt("down", 0), first);
    const leasedAt = trial.clock.now();
    const second = await trial.receiveOne("received", shortSeconds);
    assert.deepEqual([second.orderId, second.visit], [order.id, 0]);
    await trial.backend.settle(first, { verdict: "done" });
    await trial.backend.settle(first, { verdict: "again", notBefore: 0 });
    // The first's `done` must not remove the second delivery, and its `again` must not free it before its time.
    const third = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds });
    assert.deepEqual([third.orderId, third.redelivered], [order.id, true]);
  }),
  both("settling after the lease has run out leaves the next worker's delivery alone", async (trial) => {
    await trial.place();
    let leasedAt = trial.clock.now();
    const late = await trial.receiveOne("received", shortSeconds);
    const second = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds }, shortSeconds);
    leasedAt = trial.clock.now();
    await trial.backend.settle(late, { verdict: "done" });
    await trial.backend.settle(late, { verdict: "again", notBefore: leasedAt + 3_600_000 });
    const third = await trial.receiveWithin("received", { notBefore: leasedAt, by: leasedAt + shortMilliseconds });
    assert.deepEqual([third.orderId, third.visit, third.redelivered], [second.orderId, second.visit, true]);
    await trial.backend.settle(third, { verdict: "done" });
    await trial.receiveNothing("received");
  }),
  both("of two workers that hold one visit, the late and the new one, exactly one commits", async (trial) => {
    const order = await trial.place();
    const leasedAt = trial.clock.now();
    await trial.receiveOne("received", shortSeconds);
    const second = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds });
    assert.equal(second.orderId, order.id);
    const answers = await Promise.all([
      trial.backend.commit(trial.change(order, movedTo("priced", { by: "late" }))),
      trial.backend.commit(trial.change(order, movedTo("priced", { by: "new" }))),
    ]);
    assert.deepEqual([...answers].sort(), ["committed", "stale"]);
    await trial.receiveOne("priced");
    await trial.receiveNothing("priced");
    await trial.receiveNothing("received");
  }),
  both("a commit that keeps the delivery leaves it in flight, with its lease", async (trial) => {
    const order = await trial.place();
    const leasedAt = trial.clock.now();
    const first = await trial.receiveOne("received", shortSeconds);
    const recorded = await trial.commit(order, redelivered, first);
    assert.equal(recorded.attempting, true);
    const second = await trial.receiveWithin("received", { notBefore: leasedAt + shortMilliseconds });
    assert.deepEqual([second.orderId, second.visit, second.redelivered], [order.id, first.visit, true]);
    await trial.receiveNothing("received");
    await trial.commit(recorded, movedTo("done"));
    await trial.receiveNothing("received");
  }),
];

async function noneInFlight(trial: Trial): Promise<void> {
  await trial.eventually("no delivery in flight", async () =>
    (await trial.depths()).every(({ inFlight }) => inFlight === 0) ? true : undefined,
  );
}
