import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend, BackendFactory, NewOrder } from "../../src/backend/port.ts";
import { type BackendUnderTest, describeBackend } from "../../src/testing/backendContract.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";

const open: BackendUnderTest["open"] = async ({ clock, delivery }) => {
  const backend = memory({ clock, delivery });
  return { backend, remove: () => backend.close() };
};

/** Long enough for a busy machine. A case waits so long only for a delivery that never comes. */
const patienceSeconds = 600;

describeBackend(test, "memory", { open, survives: "nothing", patienceSeconds });

// Every case waits for real leases of 1 or 2 s, so the cases run at the same time.
describe("the memory backend on the machine's clock", { concurrency: true }, () => {
  describeBackend(test, "memory", { open, survives: "nothing", clock: "real", patienceSeconds });
});

const order: NewOrder = {
  status: "received",
  kind: "handled",
  dataJson: "{}",
  group: null,
  createdAt: 0,
  expiresAt: null,
  by: { runtime: "node", name: "test", requestId: null, messageId: null },
  extrasJson: null,
  key: null,
};

async function place(backend: Backend, fields: Partial<NewOrder> = {}): Promise<string> {
  const placed = await backend.place({ ...order, ...fields });
  assert.equal(placed.outcome, "placed");
  return placed.outcome === "placed" ? placed.order.id : "";
}

const receiveOptions = { status: "received", max: 10, leaseSeconds: 10, waitSeconds: 0 };

test("memory is a factory that createCauce can call", async () => {
  const factory: BackendFactory = memory;
  const backend = await factory({ workflow: "orders", delivery: "fifo", clock: fakeClock() });
  const id = await place(backend);
  assert.equal((await backend.get(id))?.status, "received");
  assert.deepEqual(backend.where(id), { store: "memory", file: null, table: null, key: { id } });
  await backend.close();
});

test("memory refuses an option that it does not know", () => {
  const refused = { name: "CauceError", code: "setting_invalid" };
  assert.throws(() => memory({ directory: "data" } as object), { ...refused, message: /directory/ });
  assert.throws(() => memory({ delivery: "FIFO" } as object), { ...refused, message: /"standard" or "fifo"/ });
});

test("ids are UUIDs of version 7 that sort in the order of the placings, also when the clock stands still or goes back", async () => {
  let now = Date.UTC(2026, 10, 24);
  const backend = memory({ clock: { ...fakeClock(), now: () => now } });
  const ids: string[] = [];
  for (let n = 0; n < 10_000; n++) {
    if (n === 6_000) now -= 3_600_000;
    ids.push(await place(backend));
  }
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const milliseconds = Number.parseInt(ids[0]?.replace("-", "").slice(0, 12) ?? "", 16);
  assert.equal(milliseconds, Date.UTC(2026, 10, 24));
  await backend.close();
});

test("receives that wait are served in the order of their calls", async () => {
  const backend = memory({ clock: fakeClock() });
  const receives = ["a", "b", "c"].map(() => backend.receive({ ...receiveOptions, waitSeconds: 60 }));
  const ids = [await place(backend), await place(backend), await place(backend)];
  const taken = await Promise.all(receives);
  assert.deepEqual(
    taken.map((deliveries) => deliveries.map((delivery) => delivery.orderId)),
    ids.map((id) => [id]),
  );
  await backend.close();
});

test("the oldest delivery comes first, also one that came back", async () => {
  const clock = fakeClock();
  const backend = memory({ clock });
  const ids = [await place(backend), await place(backend), await place(backend)];
  await backend.receive({ ...receiveOptions, max: 1 });
  clock.advance(10);
  const deliveries = await backend.receive(receiveOptions);
  assert.deepEqual(
    deliveries.map((delivery) => [delivery.orderId, delivery.redelivered]),
    [
      [ids[0], true],
      [ids[1], false],
      [ids[2], false],
    ],
  );
  await backend.close();
});

test("memory sets no timer while no delivery is in flight, delayed or waited for", async () => {
  const clock = fakeClock();
  const backend = memory({ clock });
  await place(backend);
  assert.equal(clock.timers, 0);
  const [delivery] = await backend.receive(receiveOptions);
  assert.ok(delivery);
  assert.equal(clock.timers, 1);
  await backend.settle(delivery, { verdict: "done" });
  assert.equal(clock.timers, 0);
  const stop = new AbortController();
  const waits = backend.receive({ ...receiveOptions, waitSeconds: Number.POSITIVE_INFINITY, signal: stop.signal });
  assert.equal(clock.timers, 0);
  stop.abort();
  assert.deepEqual(await waits, []);
  await backend.close();
});

test("a sweep queues a lost delivery again, once", async () => {
  const backend = memory({ clock: fakeClock() });
  const id = await place(backend);
  const [delivery] = await backend.receive(receiveOptions);
  assert.ok(delivery);
  await backend.settle(delivery, { verdict: "done" });
  const { expired, redelivered } = await backend.sweep({ limit: 10 });
  assert.deepEqual([expired, redelivered], [[], 1]);
  assert.equal((await backend.sweep({ limit: 10 })).redelivered, 0);
  const again = await backend.receive(receiveOptions);
  assert.deepEqual(
    again.map(({ orderId }) => orderId),
    [id],
  );
  await backend.close();
});

test("a sweep's cursor is refused by a list, and a list's by a sweep", async () => {
  const clock = fakeClock();
  const backend = memory({ clock });
  for (let n = 0; n < 2; n++) await place(backend, { status: "held", kind: "waiting", expiresAt: clock.now() });
  const sweep = await backend.sweep({ limit: 1 });
  const list = await backend.list({ limit: 1 });
  assert.ok(sweep.nextCursor && list.nextCursor);
  await assert.rejects(backend.list({ limit: 1, cursor: sweep.nextCursor }), { code: "invalid_cursor" });
  await assert.rejects(backend.sweep({ limit: 1, cursor: list.nextCursor }), { code: "invalid_cursor" });
  await backend.close();
});
