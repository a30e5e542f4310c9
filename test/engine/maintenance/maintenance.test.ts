import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../../src/backend/memory/memory.ts";
import {
  type Chore,
  type ChoreName,
  createMaintenance,
  maintainOnce,
  type Ran,
} from "../../../src/engine/maintenance/maintenance.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { atEnd, contextOf, keptLog, quiet } from "../support.ts";

/** Chores whose runs the test sees, and the maintenance that runs them. */
function maintaining(t: TestContext, parts: Partial<Record<ChoreName, Partial<Chore>>>) {
  const clock = fakeClock();
  const kept = keptLog();
  const runs: string[] = [];
  const chores = Object.entries(parts).map(
    ([name, own]): Chore => ({
      ...{ name: name as ChoreName, startWaits: true, failed: `${name} failed`, retrySeconds: 5 },
      ...own,
      async run(turn) {
        runs.push(name);
        return (await own.run?.(turn)) ?? ran();
      },
    }),
  );
  const backend = memory({ clock });
  const maintenance = createMaintenance(contextOf({ backend, clock, log: kept.log }), chores);
  atEnd(t, async () => {
    await maintenance.stop();
    await backend.close();
    assert.equal(clock.timers, 0, "timers left on the clock");
  });
  return { ...kept, clock, runs, maintenance };
}

const ran = (parts: Partial<Ran> = {}): Ran => ({ done: 0, nextAt: null, againSeconds: Number.POSITIVE_INFINITY, errors: [], ...parts });

describe("maintenance", () => {
  test("starts its chores one after the other, and waits for those that a start waits for alone", async (t) => {
    const [first, second] = [Promise.withResolvers<Ran>(), Promise.withResolvers<Ran>()];
    const { maintenance, runs } = maintaining(t, {
      sweep: { run: () => first.promise },
      retention: { startWaits: false, run: () => second.promise },
    });
    let isStarted = false;
    const starting = maintenance.start().then(() => {
      isStarted = true;
    });
    await quiet();
    assert.deepEqual([isStarted, runs], [false, ["sweep"]]);
    first.resolve(ran());
    await starting;
    assert.deepEqual(runs, ["sweep", "retention"]);
    second.resolve(ran());
  });

  test("begins no further chore once it is stopped", async (t) => {
    const held = Promise.withResolvers<void>();
    const { maintenance, runs } = maintaining(t, {
      sweep: { run: () => held.promise.then(() => ran()) },
      retention: {},
    });
    const starting = maintenance.start();
    const stopping = maintenance.stop();
    held.resolve();
    await Promise.all([starting, stopping]);
    assert.deepEqual(runs, ["sweep"]);
  });

  test("runs each chore again when it said that it is due, and one that failed after its own pause", async (t) => {
    const { maintenance, runs, clock, of } = maintaining(t, {
      sweep: { run: async () => ran({ nextAt: clock.now() + 60_000 }) },
      retention: { run: async () => ran({ errors: [new Error("no"), new Error("nor this")] }), retrySeconds: 7 },
    });
    await maintenance.start();
    clock.advance(7);
    await quiet();
    assert.deepEqual(runs, ["sweep", "retention", "retention"]);
    assert.deepEqual(
      of("retention failed").map(({ fields }) => fields),
      Array(2).fill({ workflow: "orders", error: "Error: no" }),
    );
    clock.advance(53);
    await quiet();
    assert.equal(runs.filter((name) => name === "sweep").length, 2);
  });

  test("runs a chore once when asked, and arms no timer by it", async (t) => {
    const { maintenance, clock } = maintaining(t, {
      sweep: { run: async ({ goOn }) => ran({ done: goOn() ? 3 : 1, nextAt: clock.now() + 1_000 }) },
    });
    assert.equal(await maintenance.once("sweep", () => true), 3);
    assert.equal(await maintenance.once("sweep", () => false), 1);
    assert.equal(await maintenance.once("retention", () => true), 0, "there is no such chore");
    assert.equal(clock.timers, 0);
  });

  test("hears of what becomes due before it was started, and not after it was stopped", async (t) => {
    const { maintenance, runs, clock } = maintaining(t, { sweep: {} });
    maintenance.notice("sweep", clock.now() + 1_000);
    maintenance.notice("retention", clock.now() + 1_000);
    assert.equal(clock.timers, 1);
    clock.advance(1);
    await quiet();
    assert.deepEqual(runs, ["sweep"]);
    await maintenance.stop();
    maintenance.notice("sweep", clock.now() + 1_000);
    assert.equal(clock.timers, 0);
  });
});

describe("the chores of several workflows, once", () => {
  const workflows = (seen: string[], fails: readonly string[] = []) =>
    ["orders", "claims"].map((name) => ({
      workflow: { name },
      async maintain(chore: ChoreName) {
        seen.push(`${chore} ${name}`);
        if (fails.includes(`${chore} ${name}`)) throw new Error(`no ${chore} for ${name}`);
        return chore === "sweep" ? 2 : 1;
      },
    }));

  test("are run chore by chore, and counted by chore", async () => {
    const seen: string[] = [];
    const told: unknown[] = [];
    const onRun = (...run: unknown[]) => void told.push(run);
    const done = await maintainOnce(workflows(seen), () => true, { onRun });
    assert.deepEqual(done, { sweep: 4, retention: 2 });
    assert.deepEqual(seen, ["sweep orders", "sweep claims", "retention orders", "retention claims"]);
    assert.deepEqual(told[1], ["claims", "sweep", 2]);
  });

  test("are run for the others where one fails, and then no further chore", async () => {
    const seen: string[] = [];
    await assert.rejects(
      maintainOnce(workflows(seen, ["sweep orders"]), () => true),
      { message: "no sweep for orders" },
    );
    assert.deepEqual(seen, ["sweep orders", "sweep claims"]);
  });

  test("are not begun any more once the signal has aborted", async () => {
    const seen: string[] = [];
    const ending = new AbortController();
    const { signal } = ending;
    const done = await maintainOnce(workflows(seen), () => true, { signal, onRun: () => ending.abort() });
    assert.deepEqual([done, seen], [{ sweep: 2, retention: 0 }, ["sweep orders"]]);
  });
});
