import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend, NewOrder } from "../../src/backend/port.ts";
import { CauceError, type ErrorCode } from "../../src/core/errors.ts";
import { final } from "../../src/core/workflow.ts";
import { createStoreHealth } from "../../src/engine/storeHealth.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { actor, appOf, engineOf, isIn, workflowOf } from "./support.ts";

/** Makes a store that takes writes or refuses them with a code, and counts the probes. */
function storeOf(t: TestContext) {
  const clock = fakeClock();
  const right = memory({ clock });
  t.after(() => right.close());
  const store = { code: undefined as ErrorCode | undefined, probes: 0 };
  const check = () => {
    if (store.code !== undefined) throw new CauceError(store.code, "no");
  };
  const backend: Backend = {
    ...right,
    async place(order) {
      check();
      return right.place(order);
    },
    async keep(note) {
      assert.deepEqual(note, { is: "probe" });
      store.probes++;
      await new Promise(setImmediate);
      check();
    },
  };
  const health = createStoreHealth(backend, clock);
  const place = (key: NewOrder["key"] = null) =>
    health.healthChecked.place({
      ...{
        status: "open",
        kind: "handled",
        dataJson: "{}",
        group: null,
        createdAt: 0,
        expiresAt: null,
        extrasJson: null,
        key,
      },
      by: { ...actor, requestId: null, messageId: null },
    });
  return { store, clock, place, ...health };
}

describe("the store's health", () => {
  test("is good, without a probe, until a write is refused for a fault of the store", async (t) => {
    const { store, place, takesWrites } = storeOf(t);
    for (const code of ["closed", "limit_exceeded", "internal_error"] as const) {
      store.code = code;
      await assert.rejects(place(), { code });
      assert.equal(await takesWrites(), true, code);
    }
    assert.equal(store.probes, 0);
  });

  test("is probed at most once a second, however many callers ask, and recovers by itself", async (t) => {
    for (const code of ["store_full", "store_unavailable", "store_unreadable", "store_corrupt"] as const) {
      const { store, clock, place, takesWrites } = storeOf(t);
      store.code = code;
      await assert.rejects(place(), { code });
      const asked = await Promise.all(Array.from({ length: 5 }, () => takesWrites()));
      assert.deepEqual([asked.includes(true), store.probes], [false, 1]);
      store.code = undefined;
      clock.advance(0.999);
      assert.deepEqual([await takesWrites(), store.probes], [false, 1]);
      clock.advance(0.001);
      assert.deepEqual([await takesWrites(), store.probes], [true, 2]);
      assert.deepEqual([await takesWrites(), store.probes], [true, 2]);
    }
  });

  test("is good again with the first write that succeeds, and not with a repeat that writes nothing", async (t) => {
    const { store, place, takesWrites } = storeOf(t);
    const key = { keyHash: "aa", contentHash: "bb" };
    await place(key);
    store.code = "store_full";
    await assert.rejects(place(), { code: "store_full" });
    assert.deepEqual([await takesWrites({ probes: false }), store.probes], [false, 0]);
    assert.equal(await takesWrites(), false);
    store.code = undefined;
    assert.equal((await place(key)).outcome, "repeated");
    assert.deepEqual([await takesWrites(), store.probes], [false, 1]);
    await place();
    assert.deepEqual([await takesWrites({ probes: false }), await takesWrites(), store.probes], [true, true, 1]);
  });
});

test("a pause, a change and a removal show that the store takes writes; a removal of nothing does not", async (t) => {
  const clock = fakeClock();
  const right = memory({ clock });
  t.after(() => right.close());
  let full = true;
  const backend: Backend = {
    ...right,
    keep: (note) => (full ? Promise.reject(new CauceError("store_full", "no")) : right.keep(note)),
  };
  const { healthChecked, takesWrites } = createStoreHealth(backend, clock);
  const by = { ...actor, requestId: null, messageId: null };
  const order = {
    kind: "final",
    dataJson: "{}",
    group: null,
    createdAt: 0,
    expiresAt: null,
    extrasJson: null,
  } as const;
  const placed = await healthChecked.place({ ...order, status: "done", by, key: null });
  assert.ok(placed.outcome === "placed");
  const writes: (() => Promise<unknown>)[] = [
    () => healthChecked.keep({ is: "paused", status: "open", paused: true }),
    () => healthChecked.remove({ id: placed.order.id }),
  ];
  for (const write of writes) {
    full = true;
    await assert.rejects(healthChecked.keep({ is: "probe" }), { code: "store_full" });
    await healthChecked.remove({ id: "none" });
    // The probe is refused: no write has succeeded yet.
    assert.equal(await takesWrites(), false);
    full = write !== writes[0];
    await write();
    assert.equal(await takesWrites(), true);
  }
});

test("an engine takes no writes from a placing or commit that the store refused until the next that it takes", async (t) => {
  let full = false;
  const refuse = () => Promise.reject(new CauceError("store_full", "the disk is full"));
  const workflow = workflowOf({ open: { to: ["done"] }, done: final });
  const { engine, place, until, clock, logged } = engineOf(t, appOf(workflow, { open: () => "done" }), {
    around: (backend) => ({
      ...backend,
      place: (order) => (full ? refuse() : backend.place(order)),
      commit: (change) => (full ? refuse() : backend.commit(change)),
      keep: (note) => (full ? refuse() : backend.keep(note)),
    }),
  });
  const { id } = await place();
  full = true;
  await assert.rejects(engine.place({}), { code: "store_full" });
  assert.equal(await engine.takesWrites(), false);
  full = false;
  await place();
  assert.equal(await engine.takesWrites(), true);

  full = true;
  await engine.start();
  await logged("the store takes no writes; trying again");
  assert.equal(await engine.takesWrites(), false);
  full = false;
  clock.advance(1);
  await until(id, isIn("done"));
  assert.equal(await engine.takesWrites(), true);
});

test("an operator's change shows a fault of the store too, and a change refused for another reason does not", async (t) => {
  let full = false;
  const refuse = () => Promise.reject(new CauceError("store_full", "the disk is full"));
  const workflow = workflowOf({ open: { to: ["asked"] }, asked: { to: ["done"], waits: true }, done: final });
  const { engine, place, until, clock } = engineOf(t, appOf(workflow, { open: () => "asked" }), {
    around: (backend) => ({
      ...backend,
      commit: (change) => (full ? refuse() : backend.commit(change)),
      remove: (which) => (full ? refuse() : backend.remove(which)),
      keep: (note) => (full ? refuse() : backend.keep(note)),
    }),
  });
  const { id } = await place();
  const { id: other } = await place();
  await engine.start();
  await until(id, isIn("asked"));
  await until(other, isIn("asked"));
  await engine.transition(other, { to: "done" });
  for (const change of [
    () => engine.transition(id, { to: "done" }),
    () => engine.remove(other),
    () => engine.setPaused("open", true),
    () => engine.setPaused("open", false),
  ]) {
    full = true;
    await assert.rejects(change(), { code: "store_full" });
    assert.equal(await engine.takesWrites(), false, String(change));
    full = false;
    clock.advance(1);
    assert.equal(await engine.takesWrites(), true);
  }
  assert.equal((await engine.remove(id))?.refused, "order_not_final");
  full = true;
  assert.equal(await engine.takesWrites(), true);
});
