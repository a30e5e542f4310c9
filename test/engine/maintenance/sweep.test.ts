import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../../src/backend/memory/memory.ts";
import type { Backend, Swept } from "../../../src/backend/port.ts";
import { CauceError } from "../../../src/core/errors.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { final } from "../../../src/core/workflow.ts";
import { createMaintenance } from "../../../src/engine/maintenance/maintenance.ts";
import { createSweep } from "../../../src/engine/maintenance/sweep.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { given } from "../../../src/testing/given.ts";
import { openSqlite, temporaryDirectory } from "../../backend/sqlite/support.ts";
import {
  actor,
  appOf,
  atEnd,
  contextOf,
  engineOf,
  isFailed,
  isIn,
  keptLog,
  pathOf,
  quiet,
  taken,
  workflowOf,
} from "../support.ts";

const hours = 3_600;
const days = 24 * hours;

const review = workflowOf({
  review: { to: ["approved", "rejected"], waits: true, expires: { afterSeconds: 72 * hours, to: "rejected" } },
  approved: final,
  rejected: final,
});

describe("a wait that expires", () => {
  test("moves its order on at its time and not before, also from the initial status", async (t) => {
    const { engine, place, until, get, clock } = engineOf(t, appOf(review));
    await engine.start();
    const { id } = await place();
    clock.advance(72 * hours - 0.001);
    await quiet();
    assert.equal((await get(id)).visit, 0);
    clock.advance(0.001);
    const order = await until(id, isIn("rejected"));
    assert.deepEqual(
      [order.entry.reason, order.entry.at, order.entry.by],
      ["expired after 259200 s", clock.now(), { ...actor, requestId: null, messageId: null }],
    );
  });

  test("counts from the moment at which a handler moved the order into it, for each order", async (t) => {
    const workflow = workflowOf({
      received: { to: ["review"] },
      review: { to: ["approved"], waits: true, expires: { afterSeconds: 10, to: "approved" } },
      approved: final,
    });
    const { engine, place, until, get, clock } = engineOf(t, appOf(workflow, { received: () => "review" }));
    await engine.start();
    const orders: StoredOrder[] = [];
    for (let n = 0; n < 3; n++) {
      orders.push(await until((await place()).id, isIn("review")));
      clock.advance(2);
    }
    clock.advance(4);
    for (const [index, { id, entry }] of orders.entries()) {
      assert.equal((await until(id, isIn("approved"))).entry.at, entry.at + 10_000);
      for (const later of orders.slice(index + 1)) assert.equal((await get(later.id)).status, "review");
      clock.advance(2);
    }
    clock.advance(1 * hours);
    assert.equal(clock.timers, 0, "no order waits, and no timer is left");
  });

  test("ends at its time, also further ahead than Node's timers reach", async (t) => {
    const long = workflowOf({
      parked: { to: ["done"], waits: true, expires: { afterSeconds: 400 * days, to: "done" } },
      done: final,
    });
    const { engine, place, until, get, clock } = engineOf(t, appOf(long));
    await engine.start();
    const { id } = await place();
    clock.advance(399 * days);
    await quiet();
    assert.equal((await get(id)).status, "parked");
    clock.advance(1 * days);
    await until(id, isIn("done"));
  });

  test("may lead to a handled status, whose handler then runs", async (t) => {
    const workflow = workflowOf({
      parked: { to: ["reminded"], waits: true, expires: { afterSeconds: 60, to: "reminded" } },
      reminded: { to: ["done"] },
      done: final,
    });
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { reminded: () => "done" }));
    await engine.start();
    const { id } = await place();
    clock.advance(60);
    assert.deepEqual(pathOf(await until(id, isIn("done"))), ["parked", "reminded", "done"]);
  });

  test("does nothing to an order that was moved before", async (t) => {
    const { engine, place, get, clock, changes } = engineOf(t, appOf(review));
    await engine.start();
    const { id } = await place();
    clock.advance(72 * hours - 1);
    taken(await engine.transition(id, { to: "approved" }));
    clock.advance(1 * days);
    await quiet();
    assert.deepEqual([(await get(id)).status, changes.length], ["approved", 1]);
  });

  test("moves its order once where a transition comes at the same moment, by one of the two", async (t) => {
    const { engine, place, until, clock, changes } = engineOf(t, appOf(review));
    await engine.start();
    for (let n = 0; n < 20; n++) {
      const { id } = await place();
      clock.advance(72 * hours);
      const [result] = await Promise.all([engine.transition(id, { to: "approved" }), quiet()]);
      const order = await until(id, (each) => each.visit === 1);
      assert.equal(order.status, "refused" in result ? "rejected" : "approved");
    }
    assert.equal(changes.length, 20);
  });

  test("leaves the order waiting, without an expiry, where the definition no longer has the expiry", async (t) => {
    const clock = fakeClock();
    const backend = memory({ clock });
    const before = engineOf(t, appOf(review), { clock, backend });
    const { id } = await before.place();
    await before.engine.stop();

    const patient = workflowOf({ review: { to: ["approved"], waits: true }, approved: final });
    const after = engineOf(t, appOf(patient), { clock, backend });
    await after.engine.start();
    clock.advance(72 * hours);
    const order = await after.until(id, (each) => each.expiresAt === null);
    assert.deepEqual([order.status, order.visit, order.failure], ["review", 0, null]);
    clock.advance(365 * days);
    await quiet();
    assert.equal(after.changes.length, 1);
    await after.engine.stop();
    await backend.close();
    assert.equal(clock.timers, 0);
  });

  test("ends at the next start where it expired while nothing ran, and else at its time", async (t) => {
    const { directory, remove } = temporaryDirectory();
    atEnd(t, remove);
    const clock = fakeClock();
    const first = await openSqlite(directory, { clock });
    atEnd(t, () => first.close());
    const before = engineOf(t, appOf(review), { clock, backend: first });
    await before.engine.start();
    const { id: early } = await before.place();
    clock.advance(2 * hours);
    const { id: late } = await before.place();
    await before.engine.stop();
    await first.close();
    assert.equal(clock.timers, 0);

    clock.advance(71 * hours);
    const second = await openSqlite(directory, { clock });
    atEnd(t, () => second.close());
    const after = engineOf(t, appOf(review), { clock, backend: second });
    await after.engine.start();
    assert.equal((await after.get(early)).status, "rejected", "at once");
    assert.equal((await after.get(late)).status, "review");
    clock.advance(1 * hours);
    assert.equal((await after.until(late, isIn("rejected"))).entry.at, clock.now());
    await after.engine.stop();
    await second.close();
    assert.equal(clock.timers, 0);
  });

  test("wakes nothing before its time: an idle engine asks the backend for nothing", async (t) => {
    const asked = { receive: 0, sweep: 0 };
    const workflow = workflowOf({
      received: { to: ["parked"] },
      priced: { to: ["done"] },
      parked: { to: ["priced"], waits: true, expires: { afterSeconds: 300 * days, to: "done" } },
      done: final,
    });
    const app = appOf(workflow, { received: () => "parked", priced: () => "done" });
    const { engine, place, until, clock } = engineOf(t, app, {
      around: (backend) => ({
        ...backend,
        receive: (options) => {
          asked.receive++;
          return backend.receive(options);
        },
        sweep: (query) => {
          asked.sweep++;
          return backend.sweep(query);
        },
      }),
    });
    await engine.start();
    const { id } = await place();
    await until(id, isIn("parked"));
    await quiet();
    const before = { ...asked };
    for (let day = 0; day < 299; day++) {
      clock.advance(1 * days);
      await quiet();
    }
    assert.deepEqual(asked, before);
    clock.advance(1 * days);
    await until(id, isIn("done"));
  });
});

test("an operator's retry of a failed wait starts its expiry again", async (t) => {
  const workflow = workflowOf(
    {
      received: { to: ["review"] },
      review: { to: ["received", "done"], waits: true, expires: { afterSeconds: 60, to: "received" } },
      done: final,
    },
    { visitsMax: 1 },
  );
  const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received: () => "review" }));
  await engine.start();
  const { id } = await place();
  await until(id, isIn("review"));
  clock.advance(60);
  const failed = await until(id, isFailed);
  assert.deepEqual([failed.failure?.code, failed.status, failed.expiresAt], ["visits_exceeded", "review", null]);
  clock.advance(500);
  const { order } = taken(await engine.retry(id));
  assert.equal(order.expiresAt, clock.now() + 60_000);
  clock.advance(60);
  await until(id, isFailed);
});

const parking = workflowOf({
  parked: { to: ["done"], waits: true, expires: { afterSeconds: 10, to: "done" } },
  received: { to: ["done"] },
  done: final,
});

/** Makes a sweep over the memory backend, and notes the orders that it moved. */
function sweeping(t: TestContext, around: (backend: Backend) => Backend = (backend) => backend) {
  const clock = fakeClock();
  const inner = memory({ clock });
  const kept = keptLog();
  const moved: string[] = [];
  const gate: { hold?: Promise<void> } = {};
  const backend: Backend = {
    ...around(inner),
    async commit(change) {
      await gate.hold;
      moved.push(change.before.id);
      return inner.commit(change);
    },
  };
  const context = contextOf({ workflow: parking, backend, clock, log: kept.log });
  const sweep = createMaintenance(context, [createSweep(context)]);
  atEnd(t, async () => {
    await sweep.stop();
    await inner.close();
    assert.equal(clock.timers, 0);
  });
  return {
    ...kept,
    clock,
    backend: inner,
    sweep,
    moved,
    gate,
    async place(afterSeconds = 10): Promise<string> {
      const expiresAt = clock.now() + afterSeconds * 1_000;
      const placed = await inner.place({
        status: "parked",
        kind: "waiting",
        dataJson: "{}",
        group: null,
        createdAt: clock.now(),
        expiresAt,
        by: { ...actor, requestId: null, messageId: null },
        extrasJson: null,
        key: null,
      });
      sweep.notice("sweep", expiresAt);
      return placed.outcome === "placed" ? placed.order.id : assert.fail();
    },
  };
}

describe("a sweep", () => {
  test("moves all that is overdue, over several pages, before its start resolves", async (t) => {
    const { sweep, place, moved, clock } = sweeping(t);
    await sweep.stop();
    const ids: string[] = [];
    for (let n = 0; n < 450; n++) ids.push(await place());
    const ahead = await place(60);
    clock.advance(10);
    await sweep.start();
    assert.deepEqual(moved, ids, "the oldest first");
    assert.equal(clock.timers, 1);
    clock.advance(50);
    await quiet();
    assert.deepEqual(moved, [...ids, ahead]);
  });

  test("goes on behind an order that cannot be moved or queued, on later pages too, and then rejects", async () => {
    const missing = new CauceError("store_missing", "no such queue");
    const stale = new CauceError("store_unavailable", "busy");
    const order = (id: string) => ({ ...given(parking).order, id });
    const pages: Swept[] = [
      { expired: [order("a"), order("stuck"), order("b")], redelivered: 5, failed: [], nextCursor: "1", nextAt: null },
      { expired: [], redelivered: 2, failed: [missing], nextCursor: "2", nextAt: null },
      { expired: [order("c")], redelivered: 0, failed: [], nextCursor: null, nextAt: null },
    ];
    for (const { fails, code } of [
      { fails: true, code: "store_unavailable" },
      { fails: false, code: "store_missing" },
    ]) {
      const moved: string[] = [];
      const clock = fakeClock();
      clock.advance(10);
      const backend: Backend = {
        ...memory({ clock }),
        sweep: async ({ cursor = "0" }) => pages[+cursor] as Swept,
        async commit({ before: { id } }) {
          if (id === "stuck" && fails) throw stale;
          moved.push(id);
          return "committed";
        },
      };
      const context = contextOf({ workflow: parking, backend, clock });
      const { done, errors } = await createSweep(context).run({ goOn: () => true, rest: async () => {} });
      assert.equal(done, fails ? 10 : 11);
      assert.deepEqual(errors, fails ? [stale, missing] : [missing]);
      await assert.rejects(
        createMaintenance(context, [createSweep(context)]).once("sweep", () => true),
        { code },
      );
      const once = fails ? ["a", "b", "c"] : ["a", "stuck", "b", "c"];
      assert.deepEqual(moved, [...once, ...once]);
    }
  });

  test("counts the orders that it moved and those that the backend delivered again", async () => {
    const clock = fakeClock();
    clock.advance(10);
    const expired = [{ ...given(parking).order, id: "a" }];
    const page: Swept = { expired, redelivered: 5, failed: [], nextCursor: null, nextAt: null };
    const backend: Backend = { ...memory({ clock }), sweep: async () => page, commit: async () => "committed" };
    const context = contextOf({ workflow: parking, backend, clock });
    const sweep = createMaintenance(context, [createSweep(context)]);
    assert.equal(await sweep.once("sweep", () => true), 6);
    assert.equal(await sweep.once("sweep", () => false), 5, "what it was told not to go on with is not moved");
  });

  test("has one timer, for the earliest expiry", async (t) => {
    const { sweep, place, moved, clock } = sweeping(t);
    await sweep.start();
    const [late, early] = [await place(20), await place(5)];
    await place(30);
    assert.equal(clock.timers, 1);
    clock.advance(5);
    await quiet();
    assert.deepEqual(moved, [early]);
    clock.advance(15);
    await quiet();
    assert.deepEqual(moved, [early, late]);
  });

  test("misses no order whose time comes while it is moving others", async (t) => {
    const { sweep, place, moved, clock, gate } = sweeping(t);
    await sweep.start();
    const first = await place(10);
    const held = Promise.withResolvers<void>();
    gate.hold = held.promise;
    clock.advance(10);
    await quiet();
    const second = await place(5);
    clock.advance(5);
    await quiet();
    held.resolve();
    await quiet();
    assert.deepEqual(moved, [first, second]);
  });

  test("queues lost deliveries again", async (t) => {
    const { sweep, backend, clock } = sweeping(t);
    const placed = await backend.place({
      status: "received",
      kind: "handled",
      dataJson: "{}",
      group: null,
      createdAt: clock.now(),
      expiresAt: null,
      by: { ...actor, requestId: null, messageId: null },
      extrasJson: null,
      key: null,
    });
    const id = placed.outcome === "placed" ? placed.order.id : assert.fail();
    const receive = { status: "received", max: 1, leaseSeconds: 60, waitSeconds: 0 };
    const [delivery] = await backend.receive(receive);
    await backend.settle(delivery ?? assert.fail(), { verdict: "done" });
    await sweep.start();
    assert.equal((await backend.receive(receive))[0]?.orderId, id);
  });

  test("is tried again five seconds after a fault, and logs the fault", async (t) => {
    let faults = 2;
    const { sweep, place, moved, clock, of } = sweeping(t, (backend) => ({
      ...backend,
      sweep: (query) =>
        faults-- > 0 ? Promise.reject(new CauceError("store_unavailable", "busy")) : backend.sweep(query),
    }));
    const id = await place(0);
    await sweep.start();
    assert.deepEqual(moved, [], "a start does not fail for it");
    assert.deepEqual(
      of("sweep failed").map(({ level, fields }) => [level, fields.error]),
      [["error", "CauceError: busy"]],
    );
    clock.advance(5);
    await quiet();
    assert.equal(of("sweep failed").length, 2);
    clock.advance(4.999);
    await quiet();
    assert.deepEqual(moved, []);
    clock.advance(0.001);
    await quiet();
    assert.deepEqual(moved, [id]);
  });

  test("ends with the orders that it is moving when it is stopped, and moves no more", async (t) => {
    const { sweep, place, moved, clock, gate } = sweeping(t);
    await sweep.start();
    const first = await place(10);
    await place(20);
    const held = Promise.withResolvers<void>();
    gate.hold = held.promise;
    clock.advance(10);
    await quiet();
    let stopped = false;
    const stopping = sweep.stop().then(() => {
      stopped = true;
    });
    await quiet();
    assert.equal(stopped, false);
    held.resolve();
    await stopping;
    assert.equal(clock.timers, 0);
    clock.advance(100);
    await place(0);
    await quiet();
    assert.deepEqual(moved, [first]);
  });
});
