import assert from "node:assert/strict";
import { extrasBytesMax } from "../../core/extras.ts";
import type { StoredOrder } from "../../core/order.ts";
import { expired, failedAttempt, failedForGood, movedTo, redelivered, requested, retried } from "./orders.ts";
import { afterClosing, afterCrash, assertOf, both, type Case, shortSeconds, type Trial, withinLease } from "./trial.ts";

/** `writeExtras` would write this text differently, so a backend that parses it and writes it again changes it. */
const extrasJson = '{ "steps" : {"charge":1.0}, "acts":[], "ofANewerVersion":"año 漢字 👩‍👩‍👧 \\u0000" }';
const others = '{"definition":2}';

/** 1, of an order's extras: they stay the same byte for byte until a change replaces them. */
export const extras: readonly Case[] = [
  both("extras that an order is placed with come back by placing, get, list and a repeat of the key", async (trial) => {
    const order = await trial.place({ extrasJson, key: "k" });
    assert.equal(order.extrasJson, extrasJson);
    await trial.isStored(order);
    assert.deepEqual(await trial.list({}, 1), [order]);
    assert.deepEqual(await trial.offer({ extrasJson: others, key: "k" }), { outcome: "repeated", order });
    await trial.receiveOne("received");
    assert.deepEqual(await trial.get(order.id), order, "in a worker's hand");
  }),
  both("extras are kept byte for byte, whatever they hold", async (trial) => {
    for (const text of ["{}", "no JSON at all", '"', "'; DROP TABLE orders; --", '{"__proto__":1}', '{"a":1,"a":2}']) {
      const { id } = await trial.place({ extrasJson: text });
      assert.equal((await trial.get(id)).extrasJson, text);
    }
  }),
  both("extras of 600, 601 and the most bytes come back, placed and replaced by one another", async (trial) => {
    const sizes = [600, 601, extrasBytesMax];
    const texts = sizes.flatMap((bytes) => [textOf(bytes, "x"), textOf(bytes, "漢"), textOf(bytes, "👩")]);
    for (const text of texts) {
      const { id } = await trial.place({ status: "held", extrasJson: text });
      assert.equal((await trial.get(id)).extrasJson, text);
    }
    let order = await trial.place({ status: "held" });
    for (const text of [...texts, ...texts.toReversed()]) {
      order = await commitExtras(trial, order, text);
      await trial.isStored(order);
    }
    assert.deepEqual(await trial.list({ status: "held" }, texts.length + 1).then(([newest]) => newest), order);
  }),
  both("extras that a commit changes come back with its version, and a stale commit changes none", async (trial) => {
    const order = await trial.place({ extrasJson, key: "k" });
    await trial.receiveOne("received");
    const [change, late] = [trial.change(order, movedTo("priced")), trial.change(order, movedTo("held"))];
    const after = { ...change.after, extrasJson: others };
    assert.equal(await trial.backend.commit({ ...change, after }), "committed");
    const stale = { ...late, after: { ...late.after, extrasJson: '{"definition":3}' } };
    assert.equal(await trial.backend.commit(stale), "stale");
    await trial.isStored(after);
    assert.deepEqual(await trial.list({ status: "priced" }, 1), [after]);
    assert.deepEqual(await trial.offer({ extrasJson, key: "k" }), { outcome: "repeated", order: after });
    await trial.receiveOne("priced");
    assert.deepEqual(await trial.get(order.id), after, "in a worker's hand");
  }),
  both("extras stay through every change of their order, and no order gets another's", async (trial) => {
    for (const text of [extrasJson, textOf(extrasBytesMax, "漢"), null]) await keeps(trial, text);
  }),
  both("an order whose extras were taken away is as one that never had any", async (trial) => {
    for (const text of [extrasJson, textOf(extrasBytesMax, "x")]) {
      const order = await trial.place({ extrasJson: text });
      await trial.receiveOne("received");
      const change = trial.change(order, movedTo("priced"));
      const bare = { ...change.after, extrasJson: null };
      assert.equal(await trial.backend.commit({ ...change, after: bare }), "committed");
      await trial.isStored(bare);
      await trial.receiveOne("priced");
      assert.deepEqual(await trial.get(order.id), bare, "in a worker's hand");
      const done = await trial.commit(bare, movedTo("done"));
      await trial.isStored(done);
    }
  }),
  both("extras go with their order: a placing with its key has none of them", async (trial) => {
    for (const text of [extrasJson, textOf(extrasBytesMax, "x")]) {
      const held = await trial.place({ status: "held", key: text, extrasJson: text });
      await trial.commit(held, requested("done"));
      assert.deepEqual(await trial.backend.remove({ id: held.id }), { removed: 1, nextCursor: null });
      const next = await trial.place({ status: "held", key: text });
      assert.equal((await trial.get(next.id)).extrasJson, null);
    }
  }),
  afterClosing("extras outlive a clean close", async (trial) => {
    const [order, bare] = [await trial.place({ extrasJson }), await trial.place()];
    const changed = await commitExtras(trial, await trial.place({ status: "held", extrasJson }), others);
    await trial.reopen();
    await trial.isStored(order, bare, changed);
  }),
  afterCrash("extras outlive a crash, also those of an order in a worker's hand", async (trial) => {
    const order = await trial.place({ extrasJson });
    const leasedAt = trial.clock.now();
    await trial.receiveOne("received", shortSeconds);
    const changed = await commitExtras(trial, await trial.place({ status: "held", extrasJson }), others);
    await trial.crash();
    assertOf(await trial.receiveWithin("received", withinLease(leasedAt)), order);
    await trial.isStored(order, changed);
  }),
];

/** Takes an order with these extras through every kind of change. No change touches them. */
async function keeps(trial: Trial, text: string | null): Promise<void> {
  let order = await trial.place({ extrasJson: text });
  const after = async (what: string, changed: Promise<StoredOrder>): Promise<void> => {
    order = await changed;
    assert.equal(order.extrasJson, text, what);
    assert.deepEqual(await trial.get(order.id), order, what);
  };
  await trial.receiveOne("received");
  await after("an attempt began", trial.commit(order, redelivered));
  await after("an attempt failed", trial.commit(order, failedAttempt("down", 0)));
  await after("a transition", trial.handle(order, movedTo("priced", { price: 5 })));
  order = await trial.handle(order, movedTo("received"));
  await after("failed", trial.handle(order, failedForGood("declined")));
  assert.deepEqual(await trial.list({ failed: true }, 1), [order]);
  order = await trial.commit(order, retried);
  await after("it waits", trial.handle(order, movedTo("held")));
  await after("an operator moved it", trial.commit(order, requested("priced")));
  await after("it ended", trial.handle(order, movedTo("done")));
  order = await trial.place({ status: "parked", extrasJson: text, expiresAt: trial.clock.now() + 50 });
  await trial.pass(0.1);
  const due = await trial.eventually("the wait that expired", async () => {
    const swept = await trial.backend.sweep({ limit: 10 });
    return swept.expired.length > 0 ? swept.expired : undefined;
  });
  assert.deepEqual(due, [order], "a sweep gives it");
  await after("it expired", trial.commit(order, expired));
}

/** Commits other extras of a waiting order, and changes nothing else. */
async function commitExtras(trial: Trial, before: StoredOrder, text: string): Promise<StoredOrder> {
  const after = { ...before, version: before.version + 1, extrasJson: text };
  assert.equal(await trial.backend.commit({ before, after, ended: null, delivery: "end" }), "committed");
  return after;
}

/** Makes extras of this size in bytes. The character may take one to four bytes. */
function textOf(bytes: number, character: string): string {
  const room = bytes - Buffer.byteLength('{"x":""}');
  const wide = character.repeat(Math.floor(room / Buffer.byteLength(character)));
  return `{"x":"${wide}${"x".repeat(room - Buffer.byteLength(wide))}"}`;
}
