import assert from "node:assert/strict";
import { failedAttempt, failedForGood, movedTo, redelivered, requested } from "./orders.ts";
import { both, type Case, needs } from "./trial.ts";

/** 4. Every change is fenced by its version. */
export const fenced: readonly Case[] = [
  both("a committed change reads back whole, whatever it changed", async (trial) => {
    let order = await trial.place({ group: "c-1" });
    await trial.receiveOne("received");
    order = await trial.commit(order, redelivered);
    assert.deepEqual(await trial.get(order.id), order);
    order = await trial.commit(order, failedAttempt("no answer from 10.0.0.1", 0));
    assert.deepEqual(await trial.get(order.id), order);
    await trial.receiveOne("received");
    order = await trial.commit(order, movedTo("parked", { price: 5 }));
    assert.ok(order.expiresAt);
    assert.deepEqual(await trial.get(order.id), order);
    order = await trial.commit(order, requested("priced", "hash-of-a-key"));
    assert.equal(order.entry.key, "hash-of-a-key");
    assert.deepEqual(await trial.get(order.id), order);
    order = await trial.handle(order, movedTo("received"));
    order = await trial.handle(order, failedForGood("declined: año 💥"));
    assert.ok(order.failure);
    assert.deepEqual(await trial.get(order.id), order);
    assert.equal(order.past.length, 3);
  }),
  both("a history that is cut reads back whole", async (trial) => {
    let order = await trial.place();
    for (let visit = 0; visit < 56; visit++) {
      await trial.receiveOne(order.status);
      order = await trial.commit(order, movedTo(order.status === "received" ? "priced" : "received"));
    }
    assert.ok(order.pastOmitted > 0);
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("of 20 commits at one version exactly one is committed, and its change is what is stored", async (trial) => {
    const order = await trial.place();
    await trial.receiveOne("received");
    const changes = Array.from({ length: 20 }, (_, n) =>
      trial.change(order, movedTo(n % 2 === 0 ? "priced" : "held", { n })),
    );
    const answers = await Promise.all(changes.map((change) => trial.backend.commit(change)));
    assert.equal(answers.filter((answer) => answer === "committed").length, 1, "committed");
    assert.equal(answers.filter((answer) => answer === "stale").length, 19, "stale");
    const winner = changes[answers.indexOf("committed")];
    assert.deepEqual(await trial.get(order.id), winner?.after);
    if (winner?.delivery === "enter") await trial.receiveOne("priced");
    await trial.receiveNothing("priced");
    await trial.receiveNothing("received");
  }),
  both("a stale commit changes nothing: not the order, its delivery, the failures or the counts", async (trial) => {
    const order = await trial.place();
    await trial.receiveOne("received");
    const late = [movedTo("held"), movedTo("done"), failedForGood("late"), failedAttempt("late", 5)];
    const changes = late.map((outcome) => trial.change(order, outcome));
    const moved = await trial.commit(order, movedTo("priced"));
    for (const change of changes) assert.equal(await trial.backend.commit(change), "stale");
    assert.deepEqual(await trial.get(order.id), moved);
    assert.deepEqual(await trial.failures(), []);
    const { expired, redelivered } = await trial.backend.sweep({ limit: 10 });
    assert.deepEqual([expired, redelivered], [[], 0]);
    assert.equal((await trial.receiveOne("priced")).orderId, order.id);
    await trial.receiveNothing("received");
  }),
  both("a commit of an order that is not there is stale, and does not make it", async (trial) => {
    const order = await trial.place();
    // This changes the front of the id, since a backend may find its orders by a part of it.
    const id = `${order.id.startsWith("0") ? "1" : "0"}${order.id.slice(1)}`;
    const change = trial.change({ ...order, id }, movedTo("priced"));
    assert.equal(await trial.backend.commit(change), "stale");
    assert.equal(await trial.backend.get(id), undefined);
    await trial.receiveNothing("priced");
  }),
  both("a version that is still to come is stale too", async (trial) => {
    const order = await trial.place();
    const change = trial.change({ ...order, version: order.version + 1 }, movedTo("done"));
    assert.equal(await trial.backend.commit(change), "stale");
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("10 writers that each read and commit until they succeed leave 10 changes and no gap", async (trial) => {
    const { id } = await trial.place({ status: "held" });
    const write = async () => {
      for (;;) {
        const order = await trial.get(id);
        // No outcome of `decide` leaves a waiting order in its status, so the case makes this change itself.
        const results = { ...JSON.parse(order.resultsJson), [`n${order.version}`]: order.version };
        const after = { ...order, version: order.version + 1, resultsJson: JSON.stringify(results) };
        const change = { before: order, after, ended: null, delivery: "end" } as const;
        if ((await trial.backend.commit(change)) === "committed") return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, write));
    const order = await trial.get(id);
    assert.equal(order.version, 11);
    assert.deepEqual(
      Object.values(JSON.parse(order.resultsJson)),
      Array.from({ length: 10 }, (_, n) => n + 1),
    );
  }),
  needs(
    "crashing",
    both("the fence outlives a crash", async (trial) => {
      const order = await trial.place();
      const moved = await trial.handle(order, movedTo("priced"));
      await trial.crash();
      assert.equal(await trial.backend.commit(trial.change(order, movedTo("held"))), "stale");
      assert.deepEqual(await trial.get(order.id), moved);
      await trial.commit(moved, movedTo("done"));
    }),
  ),
];
