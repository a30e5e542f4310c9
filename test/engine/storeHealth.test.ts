import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CauceError, type ErrorCode } from "../../src/core/errors.ts";
import { final } from "../../src/core/workflow.ts";
import { createStoreHealth } from "../../src/engine/storeHealth.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { appOf, engineOf, isIn, workflowOf } from "./support.ts";

/** A store that takes writes or refuses them with a code, and counts the probes. */
function storeOf() {
  const store = {
    code: undefined as ErrorCode | undefined,
    probes: 0,
    async probe() {
      store.probes++;
      await new Promise(setImmediate);
      if (store.code !== undefined) throw new CauceError(store.code, "no");
    },
  };
  return store;
}

describe("the store's health", () => {
  test("is good, without a probe, until a write is refused for the store's sake", async () => {
    const store = storeOf();
    const health = createStoreHealth({ backend: store, clock: fakeClock() });
    for (const code of ["closed", "limit_exceeded", "internal_error"] as const) {
      health.refused(new CauceError(code, "no"));
      assert.equal(await health.takesWrites(), true, code);
    }
    health.refused(new Error("no"));
    assert.equal(await health.takesWrites(), true);
    assert.equal(store.probes, 0);
  });

  test("is asked for once a second at most, however many ask, and recovers by itself", async () => {
    for (const code of ["store_full", "store_unavailable", "store_unreadable", "store_corrupt"] as const) {
      const store = storeOf();
      const clock = fakeClock();
      const health = createStoreHealth({ backend: store, clock });
      store.code = code;
      health.refused(new CauceError(code, "no"));
      const asked = await Promise.all(Array.from({ length: 5 }, () => health.takesWrites()));
      assert.deepEqual([asked.includes(true), store.probes], [false, 1]);
      store.code = undefined;
      clock.advance(0.999);
      assert.deepEqual([await health.takesWrites(), store.probes], [false, 1]);
      clock.advance(0.001);
      assert.deepEqual([await health.takesWrites(), store.probes], [true, 2]);
      assert.deepEqual([await health.takesWrites(), store.probes], [true, 2]);
    }
  });

  test("is good again with the first write that succeeds", async () => {
    const store = storeOf();
    const health = createStoreHealth({ backend: store, clock: fakeClock() });
    health.refused(new CauceError("store_full", "no"));
    health.took();
    assert.deepEqual([await health.takesWrites(), store.probes], [true, 0]);
  });
});

test("an engine's store is in fault from a placing or a handler's change on, and no longer than that", async (t) => {
  let full = false;
  const refuse = () => Promise.reject(new CauceError("store_full", "the disk is full"));
  const workflow = workflowOf({ open: { to: ["done"] }, done: final });
  const { engine, place, until, clock, logged } = engineOf(t, appOf(workflow, { open: () => "done" }), {
    around: (backend) => ({
      ...backend,
      place: (order) => (full ? refuse() : backend.place(order)),
      commit: (change) => (full ? refuse() : backend.commit(change)),
      probe: () => (full ? refuse() : backend.probe()),
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

test("what an operator changes says it too, and a change that was refused for another reason does not", async (t) => {
  let full = false;
  const refuse = () => Promise.reject(new CauceError("store_full", "the disk is full"));
  const workflow = workflowOf({ open: { to: ["asked"] }, asked: { to: ["done"], waits: true }, done: final });
  const { engine, place, until, clock } = engineOf(t, appOf(workflow, { open: () => "asked" }), {
    around: (backend) => ({
      ...backend,
      commit: (change) => (full ? refuse() : backend.commit(change)),
      remove: (id) => (full ? refuse() : backend.remove(id)),
      pause: (status) => (full ? refuse() : backend.pause(status)),
      resume: (status) => (full ? refuse() : backend.resume(status)),
      probe: () => (full ? refuse() : backend.probe()),
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
