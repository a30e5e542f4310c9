import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../../src/backend/memory/memory.ts";
import type { Backend } from "../../../src/backend/port.ts";
import { CauceError } from "../../../src/core/errors.ts";
import { final } from "../../../src/core/workflow.ts";
import { noObserver } from "../../../src/engine/context.ts";
import { createEngine } from "../../../src/engine/createEngine.ts";
import { createMaintenance } from "../../../src/engine/maintenance/maintenance.ts";
import { createRetention } from "../../../src/engine/maintenance/retention.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { newOrder, placeOne } from "../../backend/sqlite/support.ts";
import { actor, appOf, atEnd, contextOf, keptLog, quiet, workflowOf } from "../support.ts";

const day = 86_400;

function retaining(t: TestContext, days: number, around: (right: Backend) => Partial<Backend> = () => ({})) {
  const clock = fakeClock();
  const kept = keptLog();
  const right = memory({ clock });
  const backend = { ...right, ...around(right) };
  const removals: number[] = [];
  const observer = { ...noObserver, removed: (count: number) => void removals.push(count) };
  const context = contextOf({ backend, clock, log: kept.log, observer });
  const retention = createMaintenance(context, [createRetention(context, days)]);
  atEnd(t, async () => {
    await retention.stop();
    await right.close();
    assert.equal(clock.timers, 0, "timers left on the clock");
  });
  return {
    ...kept,
    clock,
    backend: right,
    retention,
    removals,
    place: (kind: "final" | "waiting" = "final") => placeOne(right, { kind, status: kind, createdAt: clock.now() }),
    /** Moves time on so that the steps of a removal follow each other. */
    async finish(steps = 30) {
      for (let step = 0; step < steps; step++) {
        await quiet();
        clock.advance(0.02);
      }
    },
  };
}

describe("retention", () => {
  test("removes once when asked, as long as `goOn` allows", async (t) => {
    const { clock, backend, retention, place, of, removals } = retaining(t, 2);
    const orders = [];
    for (let n = 0; n < 3; n++) orders.push(await place());
    clock.advance(2 * day + 0.001);
    assert.equal(await retention.once("retention", () => false), 0);
    assert.ok(await backend.get(orders[0]?.id ?? ""));
    assert.equal(await retention.once("retention", () => true), 3);
    assert.deepEqual([removals, of("old orders removed").length], [[3], 1]);
    for (const { id } of orders) assert.equal(await backend.get(id), undefined);
    assert.equal(await retention.once("retention", () => true), 0);
  });

  test("removes older orders at the start and then every hour, and logs how many", async (t) => {
    const { clock, backend, retention, place, of, finish, removals } = retaining(t, 2);
    const old = await place();
    const waiting = await place("waiting");
    clock.advance(1.5 * day);
    const young = await place();
    clock.advance(0.5 * day + 0.001);
    await retention.start();
    await retention.start();
    await finish();
    assert.equal(await backend.get(old.id), undefined);
    assert.ok((await backend.get(young.id)) && (await backend.get(waiting.id)));
    assert.deepEqual(of("old orders removed"), [
      { level: "info", fields: { workflow: "orders", removed: 1, retentionDays: 2 }, message: "old orders removed" },
    ]);

    for (let hour = 0; hour < 35; hour++) {
      clock.advance(3_600);
      await quiet();
    }
    assert.ok(await backend.get(young.id));
    for (let hour = 0; hour < 2; hour++) {
      clock.advance(3_600);
      await quiet();
    }
    assert.equal(await backend.get(young.id), undefined);
    assert.ok(await backend.get(waiting.id));
    assert.deepEqual(removals, [1, 1]);
    assert.equal(of("old orders removed").length, 2);
  });

  test("removes 200 orders at a time, with a pause after each step for the store's other callers", async (t) => {
    const { clock, retention, place, removals, of, finish } = retaining(t, 1);
    for (let n = 0; n < 450; n++) await place();
    clock.advance(day + 1);
    await retention.start();
    await quiet();
    assert.deepEqual(removals, [200]);
    await quiet();
    assert.deepEqual(removals, [200]);
    clock.advance(0.02);
    await quiet();
    assert.deepEqual(removals, [200, 200]);
    await finish();
    assert.deepEqual(removals, [200, 200, 50]);
    assert.equal(of("old orders removed")[0]?.fields.removed, 450);
  });

  test("is silent when there is nothing to remove", async (t) => {
    const { retention, place, lines, finish } = retaining(t, 1);
    await place();
    await retention.start();
    await finish();
    assert.deepEqual(lines, []);
  });

  test("logs a fault of the store, and tries again in an hour", async (t) => {
    let fails = true;
    const { clock, backend, retention, place, of, finish } = retaining(t, 1, (right) => ({
      async remove(which) {
        if (fails) throw new CauceError("store_full", "the disk is full");
        return right.remove(which);
      },
    }));
    const { id } = await place();
    clock.advance(day + 1);
    await retention.start();
    await finish();
    assert.equal(of("old orders not removed; the next try is in an hour").length, 1);
    fails = false;
    clock.advance(3_590);
    await finish();
    assert.ok(await backend.get(id));
    clock.advance(10);
    await finish();
    assert.equal(await backend.get(id), undefined);
  });

  test("stops between two steps, and can be started again", async (t) => {
    const { clock, retention, place, removals, of, finish } = retaining(t, 1);
    for (let n = 0; n < 250; n++) await place();
    clock.advance(day + 1);
    await retention.start();
    await quiet();
    await retention.stop();
    assert.equal(clock.timers, 0);
    await finish();
    assert.deepEqual(removals, [200]);
    assert.equal(of("old orders removed")[0]?.fields.removed, 200);
    await retention.start();
    await finish();
    assert.deepEqual(removals, [200, 50]);
  });

  test("runs with its engine, and is off unless a number of days is given", async (t) => {
    for (const retentionDays of [undefined, 1]) {
      const clock = fakeClock();
      const backend = memory({ clock });
      const kept = keptLog();
      const app = appOf(workflowOf({ waiting: { to: ["done"], waits: true }, done: final }));
      let removed = 0;
      const observer = { ...noObserver, removed: (count: number) => void (removed += count) };
      const options = { app, backend, clock, random: () => 0.5, log: kept.log, actor, observer };
      const engine = createEngine({ ...options, ...(retentionDays === undefined ? {} : { retentionDays }) });
      atEnd(t, async () => {
        await engine.stop();
        await backend.close();
        assert.equal(clock.timers, 0);
      });
      const { id } = await placeOne(backend, { ...newOrder, kind: "final", status: "done", createdAt: clock.now() });
      clock.advance(day + 1);
      await engine.start();
      await quiet();
      assert.equal(await engine.get(id), retentionDays === undefined ? await backend.get(id) : undefined);
      assert.equal(removed, retentionDays ?? 0);
      await engine.stop();
      assert.equal(clock.timers, 0);
    }
  });
});
