import assert from "node:assert/strict";
import type { StoredOrder } from "../../core/order.ts";
import { failedAttempt, failedForGood, movedTo, type OrderOptions, requested } from "./orders.ts";
import { both, type Case, idsOf, needs, placedOrder, type Trial } from "./trial.ts";

const gone = { removed: 1, nextCursor: null };
const none = { removed: 0, nextCursor: null };

/** 7, of removal: only final orders are ever removed, and nothing of a removed order is left. */
export const removal: readonly Case[] = [
  both(
    "a final order is removed: nothing finds it any more, and it cannot be removed or changed again",
    async (trial) => {
      const kept = await finish(trial);
      const held = await trial.place({ status: "held", group: "g" });
      const change = trial.change(held, requested("priced"));
      const order = await trial.commit(held, requested("done"));
      assert.deepEqual(await trial.backend.remove({ id: order.id }), gone);
      assert.equal(await trial.backend.get(order.id), undefined);
      assert.deepEqual(idsOf(await trial.list({}, 1)), [kept.id]);
      assert.deepEqual(idsOf(await trial.list({ status: "done" }, 1)), [kept.id]);
      assert.deepEqual(await trial.list({ group: "g" }, 0), []);
      assert.deepEqual(await trial.backend.remove({ id: order.id }), none);
      assert.equal(await trial.backend.commit({ ...change, before: order }), "stale");
      assert.equal(await trial.backend.get(order.id), undefined);
    },
  ),
  both("an id that no order has is not found, whatever it looks like", async (trial) => {
    const order = await finish(trial);
    const last = order.id.at(-1) === "0" ? "1" : "0";
    for (const id of ["", "unknown", `${order.id.slice(0, -1)}${last}`, `${order.id}0`]) {
      assert.deepEqual(await trial.backend.remove({ id }), none, id);
    }
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("an order that is not final is not removed: queued, in flight, delayed, waiting, failed", async (trial) => {
    const orders = await unfinished(trial);
    for (const order of orders) assert.equal(await trial.backend.remove({ id: order.id }), "not_final", order.status);
    await trial.pass(1);
    assert.equal(await removeAll(trial, trial.clock.now()), 0);
    for (const order of orders) assert.deepEqual(await trial.get(order.id), order);
  }),
  both("removal changes no depth and no count of failures, and what is queued goes on", async (trial) => {
    const [queued] = await unfinished(trial);
    assert.ok(queued);
    const last = await finish(trial);
    const seen = async () => [await trial.depths(), await trial.failures()];
    const before = await seen();
    await trial.backend.remove({ id: last.id });
    await trial.pass(0.1);
    await removeAll(trial, trial.clock.now());
    assert.deepEqual(await seen(), before);
    await trial.handle(queued, movedTo("done"));
  }),
  both("an idempotency key lasts as long as its order: after removal it places a new order", async (trial) => {
    const first = await finish(trial, { key: "k", dataJson: '{"n":1}' });
    const repeat = await trial.backend.place(trial.newOrder({ key: "k", dataJson: '{"n":1}' }));
    assert.equal(repeat.outcome, "repeated");
    assert.deepEqual(await trial.backend.remove({ id: first.id }), gone);
    const next = placedOrder(await trial.backend.place(trial.newOrder({ key: "k", dataJson: '{"n":2}' })));
    assert.notEqual(next.id, first.id);
    const other = await trial.backend.place(trial.newOrder({ key: "k", dataJson: '{"n":1}' }));
    assert.deepEqual(other, { outcome: "conflict", orderId: next.id });
  }),
  both("a list goes on from a cursor whose order was removed", async (trial) => {
    const orders: StoredOrder[] = [];
    for (let n = 0; n < 4; n++) orders.push(await finish(trial));
    const [first, second, third] = orders;
    assert.ok(first && second && third);
    await trial.list({}, 4);
    const page = await trial.backend.list({ limit: 2 });
    assert.ok(page.nextCursor !== null);
    await trial.backend.remove({ id: third.id });
    await trial.list({}, 3);
    const next = await trial.backend.list({ limit: 2, cursor: page.nextCursor });
    assert.deepEqual(idsOf(next.items), [second.id, first.id]);
  }),
  both("final orders that changed last before a time are removed, page by page, and no others", async (trial) => {
    const open = await unfinished(trial);
    const old = [await finish(trial, { key: "k" }), await finish(trial), await finish(trial)];
    const late = await trial.place();
    await trial.pass(1);
    const before = trial.clock.now();
    await trial.pass(0.1);
    const finishedLate = await trial.commit(late, movedTo("done"));
    const young = await finish(trial);
    assert.equal(await removeAll(trial, old[0]?.updatedAt ?? 0), 0);

    assert.equal(await removeAll(trial, before), old.length);
    for (const { id } of old) assert.equal(await trial.backend.get(id), undefined);
    for (const order of [...open, finishedLate, young]) assert.deepEqual(await trial.get(order.id), order);
    placedOrder(await trial.backend.place(trial.newOrder({ key: "k", dataJson: '{"n":9}' })));
    assert.equal(await removeAll(trial, before), 0);
  }),
  both("a removal's cursor is one that a removal returned", async (trial) => {
    await assert.rejects(trial.backend.remove({ before: 0, limit: 1, cursor: "nonsense" }), (error) => {
      assert.equal((error as { code?: string }).code, "invalid_cursor");
      return true;
    });
  }),
  needs(
    "closing",
    both(
      "ids are not given twice, also when the newest order was removed before the store was opened again",
      async (trial) => {
        const kept = await trial.place({ status: "held" });
        const order = await finish(trial, { status: "held" });
        assert.deepEqual(await trial.backend.remove({ id: order.id }), gone);
        await trial.reopen();
        await trial.get(kept.id);
        const next = await trial.place();
        assert.ok(next.id > order.id && next.id.slice(0, 18) !== order.id.slice(0, 18), `${order.id}, then ${next.id}`);
      },
    ),
  ),
  needs(
    "crashing",
    both("removal outlives a crash", async (trial) => {
      const order = await finish(trial, { key: "k", group: "g" });
      const open = await trial.place({ status: "held" });
      assert.deepEqual(await trial.backend.remove({ id: order.id }), gone);
      await trial.crash();
      assert.equal(await trial.backend.get(order.id), undefined);
      assert.deepEqual(idsOf(await trial.list({}, 1)), [open.id]);
      placedOrder(await trial.backend.place(trial.newOrder({ key: "k" })));
    }),
  ),
];

/** Places an order and moves it to a final status. */
async function finish(trial: Trial, options: OrderOptions = {}): Promise<StoredOrder> {
  return trial.commit(await trial.place({ status: "held", ...options }), requested("done"));
}

/** Makes one order of each kind that must stay. The first order is queued. */
async function unfinished(trial: Trial): Promise<StoredOrder[]> {
  const [delayed, failed, flying] = [await trial.place(), await trial.place(), await trial.place()];
  await trial.receive("received", 3);
  return [
    await trial.place({ status: "priced" }),
    await trial.commit(delayed, failedAttempt("down", 3_600)),
    await trial.commit(failed, failedForGood("down")),
    flying,
    await trial.place({ status: "held" }),
    await trial.place({ status: "parked", expiresAt: trial.clock.now() + 3_600_000 }),
  ];
}

/** Removes page by page. Returns the number of removed orders. */
async function removeAll(trial: Trial, before: number): Promise<number> {
  let all = 0;
  let cursor: string | undefined;
  for (let calls = 0; calls < 50; calls++) {
    const removal = await trial.backend.remove({ before, limit: 2, cursor });
    assert.ok(removal !== "not_final", "that is said of an id alone");
    const { removed: count, nextCursor } = removal;
    assert.ok(count <= 2, `remove({ limit: 2 }) removed ${count}`);
    all += count;
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
  assert.fail("the removal has no end");
}
