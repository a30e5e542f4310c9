import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { memory } from "../../../src/backend/memory/memory.ts";
import type { Backend } from "../../../src/backend/port.ts";
import { decide, type Outcome } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { contractWorkflow, movedTo, redelivered } from "../../../src/testing/contract/orders.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { copyStore, newOrder, openSqlite, placeOne, temporaryDirectory } from "./support.ts";

const { by } = newOrder;
const at = (status: string, waitSeconds = 0, max = 1, leaseSeconds = 60) => ({
  status,
  max,
  leaseSeconds,
  waitSeconds,
});

async function opened(t: TestContext) {
  const clock = fakeClock();
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backends: Backend[] = [];
  const open = async (from: string) => {
    const backend = await openSqlite(from, { clock });
    backends.push(backend);
    return backend;
  };
  t.after(async () => {
    for (const backend of backends) await backend.close();
  });
  const change = (order: StoredOrder, outcome: Outcome) => {
    const decision = decide(order, outcome, { workflow: contractWorkflow, now: clock.now(), random: () => 0.5, by });
    assert.ok("change" in decision);
    return decision.change;
  };
  const backend = await open(directory);
  /** Resolves when all operations on their way to the writer have been answered. */
  const settled = async () => void (await backend.receive(at("nowhere")));
  return { clock, directory, backend, open, change, settled };
}

test("a verdict that the store refuses leaves the lease, which brings the delivery back", async (t) => {
  const { clock, directory, backend, settled } = await opened(t);
  await placeOne(backend);
  const [delivery] = await backend.receive(at("received"));
  assert.ok(delivery);
  const other = new DatabaseSync(join(directory, "orders.db"));
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(backend.settle(delivery, { verdict: "again", notBefore: clock.now() + 1_000 }), {
    code: "store_unavailable",
  });
  other.exec("ROLLBACK");
  other.close();
  clock.advance(61);
  await settled();
  const [again] = await backend.receive(at("received"));
  assert.equal(again?.orderId, delivery.orderId);
});

test("an order that is committed at the moment in which its lease ends is not delivered again", async (t) => {
  const { clock, backend, change, settled } = await opened(t);
  const order = await placeOne(backend);
  await backend.receive(at("received", 0, 1, 1));
  const second = backend.receive(at("received", 5));
  await settled();
  // The end of the lease and the commit go to the writer in one batch.
  clock.advance(1);
  assert.equal(await backend.commit(change(order, movedTo("done"))), "committed");
  await settled();
  assert.equal((await backend.get(order.id))?.status, "done");
  const next = await placeOne(backend);
  assert.deepEqual(
    (await second).map(({ orderId }) => orderId),
    [next.id],
  );
});

test("an order that is moved before a receiver got it is delivered to no receiver", async (t) => {
  const { backend, change, settled } = await opened(t);
  for (let turns = 0; turns < 6; turns++) {
    const order = await placeOne(backend);
    const stop = new AbortController();
    const given = backend.receive({ ...at("received", 5), signal: stop.signal });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    stop.abort();
    await given;
    await settled();
    assert.equal(await backend.commit(change(order, movedTo("done"))), "committed");
    assert.deepEqual(await backend.receive(at("received")), [], `after ${turns} turns`);
    assert.deepEqual((await backend.counts({ depths: true })).depths, []);
  }
});

test("a second delivery of one visit does not mark the next visit as redelivered", async (t) => {
  const { clock, backend, change, settled } = await opened(t);
  const first = backend.receive(at("received", 5, 1, 1));
  const order = await placeOne(backend);
  await first;
  const second = backend.receive(at("received", 5));
  await settled();
  clock.advance(1);
  const [delivery] = await second;
  assert.equal(delivery?.redelivered, true);
  assert.equal(await backend.commit(change(order, movedTo("priced"))), "committed");
  const [next] = await backend.receive(at("priced"));
  assert.equal(next?.redelivered, false);
});

test("orders that were leased at a crash hold up no other status while no receiver asks for them", async (t) => {
  const { clock, directory, backend, open, change } = await opened(t);
  const orders = [await placeOne(backend), await placeOne(backend), await placeOne(backend)];
  await backend.receive(at("received", 0, 3));
  const copy = temporaryDirectory();
  t.after(copy.remove);
  copyStore(directory, copy.directory);
  const after = await open(copy.directory);
  // The first order is moved before a receiver asks for its status.
  assert.equal(await after.commit(change(orders[0] as StoredOrder, movedTo("done"))), "committed");
  const priced = await placeOne(after, { status: "priced" });
  const [onTrial] = await after.receive(at("received"));
  assert.equal(onTrial?.redelivered, true);
  const waiting = after.receive(at("priced", 60));
  clock.advance(0.3);
  assert.deepEqual(
    (await waiting).map(({ orderId }) => orderId),
    [priced.id],
  );
  // The last order is still tried alone.
  const [last] = await after.receive(at("received"));
  assert.equal(last?.redelivered, true);
});

/** Leaves that many orders out, as a killed process does, and opens what it left. */
async function afterDeath(t: TestContext, count: number) {
  const before = await opened(t);
  const orders: StoredOrder[] = [];
  for (let n = 0; n < count; n++) orders.push(await placeOne(before.backend));
  assert.equal((await before.backend.receive(at("received", 0, count))).length, count);
  let { directory } = before;
  const die = () => {
    const copy = temporaryDirectory();
    t.after(copy.remove);
    copyStore(directory, copy.directory);
    directory = copy.directory;
    return before.open(directory);
  };
  return { ...before, orders, die };
}

const idsOf = (deliveries: readonly { readonly orderId: string }[]) => deliveries.map(({ orderId }) => orderId);

test("orders that were out at a crash are tried in groups that grow while none dies, and begin at 1 again", async (t) => {
  const { clock, orders, die } = await afterDeath(t, 40);
  const ids = orders.map(({ id }) => id);
  const groups = async (backend: Backend, count: number) => {
    const sizes: number[] = [];
    for (let n = 0; n < count; n++) {
      const group = await backend.receive(at("received", 60, 100));
      assert.deepEqual(idsOf(group), ids.slice(sizes.reduce((sum, size) => sum + size, 0)).slice(0, group.length));
      sizes.push(group.length);
      clock.advance(0.25);
    }
    return sizes;
  };
  assert.deepEqual(await groups(await die(), 5), [1, 2, 4, 8, 16]);
  assert.deepEqual(await groups(await die(), 3), [1, 2, 4]);
  // After the third death in a row, each group is on trial twice as long.
  const again = await die();
  assert.equal((await again.receive(at("received", 60, 100))).length, 1);
  clock.advance(0.25);
  assert.deepEqual(await again.receive(at("received", 0, 100)), []);
  const next = again.receive(at("received", 60, 100));
  clock.advance(0.25);
  assert.equal((await next).length, 2);
});

test("a group that has ended is followed at once by the next", async (t) => {
  const { orders, die, change } = await afterDeath(t, 7);
  const backend = await die();
  let left = orders;
  for (const size of [1, 2, 4]) {
    const group = await backend.receive(at("received", 60, 100));
    assert.equal(group.length, size);
    for (const order of left.slice(0, size)) await backend.commit(change(order, movedTo("done")));
    left = left.slice(size);
  }
  assert.deepEqual(left, []);
});

test("a fresh order does not wait for suspects, and after a second death in a row runs apart from them", async (t) => {
  const { clock, orders, die, change } = await afterDeath(t, 3);
  const first = await die();
  const fresh = await placeOne(first);
  assert.deepEqual(idsOf(await first.receive(at("received", 60, 100))), [orders[0]?.id, fresh.id]);
  const second = await die();
  const newest = await placeOne(second);
  const suspects = [...orders, fresh];
  const received: string[] = [];
  for (const size of [1, 2]) {
    const group = idsOf(await second.receive(at("received", 60, 100)));
    assert.equal(group.length, size);
    received.push(...group);
    for (const order of suspects) {
      if (group.includes(order.id)) await second.commit(change(order, movedTo("done")));
    }
  }
  received.push(...idsOf(await second.receive(at("received", 60, 100))));
  assert.deepEqual(received, idsOf(suspects.map(({ id }) => ({ orderId: id }))));
  const last = second.receive(at("received", 60, 100));
  clock.advance(0.25);
  assert.deepEqual(idsOf(await last), [newest.id]);
});

test("an attempt that was recorded is lost again only where its order was out alone when the process died", async (t) => {
  const { clock, orders, die, change } = await afterDeath(t, 2);
  const [a, b] = orders as [StoredOrder, StoredOrder];
  const take = async (backend: Backend) =>
    new Map((await backend.receive(at("received", 60, 100))).map(({ orderId, redelivered }) => [orderId, redelivered]));
  const first = await die();
  assert.deepEqual(await take(first), new Map([[a.id, true]]));
  const begun = change(a, redelivered);
  assert.equal(await first.commit(begun), "committed");
  clock.advance(0.25);
  assert.deepEqual(await take(first), new Map([[b.id, true]]));
  // Two were out: neither is charged again. The other was not recorded yet.
  const second = await die();
  assert.deepEqual(await take(second), new Map([[a.id, false]]));
  // One was out, and dies again before anything is recorded.
  const third = await die();
  assert.deepEqual(await take(third), new Map([[a.id, true]]));
  const fourth = await die();
  assert.deepEqual(await take(fourth), new Map([[a.id, true]]));
  assert.deepEqual((await fourth.get(a.id))?.attempting, true);
  assert.equal(await fourth.commit(change(begun.after, redelivered)), "committed");
  const fifth = await die();
  assert.deepEqual(await take(fifth), new Map([[a.id, true]]));
});

test("once all suspects have ended well, the next death is a first one", async (t) => {
  const { orders, die, change } = await afterDeath(t, 1);
  const [order] = orders as [StoredOrder];
  await die();
  const second = await die();
  await second.receive(at("received", 60, 100));
  await second.commit(change(order, movedTo("done")));
  await placeOne(second);
  await second.receive(at("received", 60, 100));
  const third = await die();
  await placeOne(third);
  assert.equal((await third.receive(at("received", 60, 100))).length, 2, "side by side");
});

test("a suspect of a status that the process does not handle keeps no death on record", async (t) => {
  const { backend, orders, die, change } = await afterDeath(t, 1);
  const [order] = orders as [StoredOrder];
  await placeOne(backend, { status: "priced" });
  await backend.receive(at("priced"));
  await die();
  const second = await die();
  await second.receive(at("received", 60, 100));
  await second.commit(change(order, movedTo("done")));
  await placeOne(second);
  await second.receive(at("received", 60, 100));
  const third = await die();
  await placeOne(third);
  assert.equal((await third.receive(at("received", 60, 100))).length, 2, "side by side, as after a first death");
});

test("a delivery that a close gives back stays redelivered: the attempt whose process died still counts", async (t) => {
  const { directory, backend, open } = await opened(t);
  await placeOne(backend);
  await backend.receive(at("received"));
  const copy = temporaryDirectory();
  t.after(copy.remove);
  copyStore(directory, copy.directory);
  for (let turns = 0; turns < 4; turns++) {
    const after = await open(copy.directory);
    const given = after.receive(at("received", 60));
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await after.close();
    await given;
  }
  const [delivery] = await (await open(copy.directory)).receive(at("received"));
  assert.equal(delivery?.redelivered, true);
});

test("a lease ends after its time where the time of day is set back or forward, on memory too", async (t) => {
  const { clock, backend, settled } = await opened(t);
  const inMemory = memory({ clock });
  t.after(() => inMemory.close());
  for (const store of [backend, inMemory]) {
    for (const seconds of [-600, 600]) {
      await placeOne(store);
      const [first] = await store.receive(at("received"));
      clock.step(seconds);
      clock.advance(59);
      await settled();
      assert.deepEqual(await store.receive(at("received")), []);
      clock.advance(1);
      await settled();
      const [again] = await store.receive(at("received"));
      assert.deepEqual([again?.orderId, again?.redelivered], [first?.orderId, true]);
      assert.ok(again);
      await store.settle(again, { verdict: "done" });
    }
  }
});

test("a receive waits for its seconds where the time of day is set back, on memory too", async (t) => {
  const { clock, backend } = await opened(t);
  const inMemory = memory({ clock });
  t.after(() => inMemory.close());
  for (const store of [backend, inMemory]) {
    let ended = false;
    const receiving = store.receive(at("received", 20)).then(() => {
      ended = true;
    });
    clock.step(-600);
    clock.advance(19);
    await Promise.resolve();
    assert.equal(ended, false);
    clock.advance(1);
    await receiving;
  }
});
