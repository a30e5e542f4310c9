import assert from "node:assert/strict";
import { movedTo } from "./orders.ts";
import { both, type Case, idsOf, needs, placedOrder } from "./trial.ts";

/** 2. Placing is idempotent by key. */
export const idempotent: readonly Case[] = [
  both("a repeat with the same content gives the same order", async (trial) => {
    const order = await trial.place({ key: "k" });
    const repeat = await trial.backend.place(trial.newOrder({ key: "k" }));
    assert.deepEqual(repeat, { outcome: "repeated", order });
    await trial.list({}, 1);
  }),
  both("a repeat gives the order as it stands now, for as long as it lives, and queues nothing", async (trial) => {
    const order = await trial.place({ key: "k" });
    const done = await trial.handle(order, movedTo("done", { price: 5 }));
    const repeat = await trial.backend.place(trial.newOrder({ key: "k" }));
    assert.deepEqual(repeat, { outcome: "repeated", order: done });
    await trial.receiveNothing("received");
  }),
  both("other content is a conflict that names the order and changes nothing", async (trial) => {
    const order = await trial.place({ key: "k" });
    const other = await trial.backend.place(trial.newOrder({ key: "k", dataJson: '{"n":2}' }));
    assert.deepEqual(other, { outcome: "conflict", orderId: order.id });
    assert.deepEqual(await trial.get(order.id), order);
    assert.deepEqual(idsOf(await trial.list({}, 1)), [order.id]);
    await trial.receive("received", 1);
    await trial.receiveNothing("received");
  }),
  both("other content leaves the order its own where both are large", async (trial) => {
    const large = (letter: string) => JSON.stringify({ text: letter.repeat(20_000) });
    const order = await trial.place({ key: "k", dataJson: large("a") });
    const other = await trial.backend.place(trial.newOrder({ key: "k", dataJson: large("b") }));
    assert.deepEqual(other, { outcome: "conflict", orderId: order.id });
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("50 placings at once with one key give one order and one delivery", async (trial) => {
    const placings = Array.from({ length: 50 }, () => trial.backend.place(trial.newOrder({ key: "k" })));
    const results = await Promise.all(placings);
    assert.equal(results.filter((result) => result.outcome === "placed").length, 1, "placings that were new");
    assert.equal(results.filter((result) => result.outcome === "repeated").length, 49, "placings that were repeats");
    const ids = results.map((result) => ("order" in result ? result.order.id : result.orderId));
    assert.equal(new Set(ids).size, 1, "orders that the answers name");
    assert.deepEqual(idsOf(await trial.list({}, 1)), [ids[0]]);
    assert.equal((await trial.receiveOne("received")).orderId, ids[0]);
    await trial.receiveNothing("received");
  }),
  both("of two contents at once under one key one wins, and the other is a conflict", async (trial) => {
    const contents = Array.from({ length: 20 }, (_, n) => `{"n":${n % 2}}`);
    const results = await Promise.all(
      contents.map((dataJson) => trial.backend.place(trial.newOrder({ key: "k", dataJson }))),
    );
    const winner = results.find((result) => result.outcome === "placed");
    assert.ok(winner);
    const order = placedOrder(winner);
    results.forEach((result, n) => {
      if (result === winner) return;
      const expected = contents[n] === order.dataJson ? "repeated" : "conflict";
      assert.equal(result.outcome, expected, `the placing with ${contents[n]}, when ${order.dataJson} won`);
    });
    await trial.list({}, 1);
  }),
  both("other keys, and no key, give orders of their own whatever the content", async (trial) => {
    const orders = [
      await trial.place({ key: "a" }),
      await trial.place({ key: "b" }),
      await trial.place(),
      await trial.place(),
    ];
    assert.equal(new Set(idsOf(orders)).size, 4);
    await trial.receive("received", 4);
  }),
  needs(
    "crashing",
    both("a key outlives a crash", async (trial) => {
      const order = await trial.place({ key: "k" });
      await trial.crash();
      const repeat = await trial.backend.place(trial.newOrder({ key: "k" }));
      assert.deepEqual(repeat, { outcome: "repeated", order });
      const other = await trial.backend.place(trial.newOrder({ key: "k", dataJson: "[]" }));
      assert.deepEqual(other, { outcome: "conflict", orderId: order.id });
    }),
  ),
];
