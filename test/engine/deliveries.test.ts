import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend, Delivery } from "../../src/backend/port.ts";
import { type Change, decide, type Outcome } from "../../src/core/decide.ts";
import { CauceError, PermanentError } from "../../src/core/errors.ts";
import type { AnyHandler } from "../../src/core/handlers.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { final, handledStatus } from "../../src/core/workflow.ts";
import { createAttempt } from "../../src/engine/attempt.ts";
import { createLoopWatch } from "../../src/engine/loopWatch.ts";
import { createDeadlines } from "../../src/engine/runHandler.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { copyStore, openSqlite, temporaryDirectory } from "../backend/sqlite/support.ts";
import {
  actor,
  appOf,
  atEnd,
  contextOf,
  controlled,
  engineOf,
  isFailed,
  isIn,
  keptLog,
  quiet,
  workflowOf,
} from "./support.ts";

const workflow = workflowOf({
  received: { to: ["priced", "held"], timeoutSeconds: 10, retry: { attempts: 3, baseSeconds: 4 } },
  priced: { to: ["done"] },
  held: { to: ["done"], waits: true },
  done: final,
});
const by = { ...actor, requestId: null, messageId: null };
const done = { verdict: "done" };
/** The verdict after a commit that told the queue: nothing is left to settle. */
const consumed = { verdict: "done", consumed: true };

/** Makes the attempt of the status "received" over the memory backend. */
function attempting(
  handler: AnyHandler = () => assert.fail("the handler ran"),
  around = (backend: Backend) => backend,
) {
  const clock = fakeClock();
  const inner = memory({ clock });
  const backend = around(inner);
  const deadlines = createDeadlines(clock);
  const watch = createLoopWatch(clock, () => {});
  const kept = keptLog();
  const events: string[] = [];
  const committedFor: (Delivery | undefined)[] = [];
  const attempt = createAttempt({
    ...contextOf({
      workflow,
      backend: {
        ...backend,
        commit: (change, delivery) => {
          events.push("commit");
          committedFor.push(delivery);
          return backend.commit(change, delivery);
        },
      },
      clock,
      log: kept.log,
    }),
    status: "received",
    definition: handledStatus(workflow, "received"),
    handler: () => handler,
    resources: {},
    enter: (_, code, ...args) => code(...args),
    deadlines,
    watch,
    activity: watch.add("received"),
    stopping: new AbortController().signal,
  });
  return {
    ...kept,
    clock,
    backend,
    events,
    committedFor,
    attempt: (delivery: Delivery) => attempt(delivery, () => void events.push("ended")),
    async place(): Promise<StoredOrder> {
      const placed = await inner.place({
        status: "received",
        kind: "handled",
        dataJson: "{}",
        group: null,
        createdAt: clock.now(),
        expiresAt: null,
        by,
        extrasJson: null,
        key: null,
      });
      return placed.outcome === "placed" ? placed.order : assert.fail();
    },
    async commit(order: StoredOrder, outcome: Outcome): Promise<StoredOrder> {
      const decision = decide(order, outcome, { workflow, now: clock.now(), random: () => 0.5, by });
      const change: Change = "change" in decision ? decision.change : assert.fail(decision.message);
      assert.equal(await inner.commit(change), "committed");
      return change.after;
    },
    async close() {
      deadlines.close();
      watch.close();
      await inner.close();
      assert.equal(clock.timers, 0);
    },
  };
}

function deliveryOf(order: Pick<StoredOrder, "id" | "visit">, fields: Partial<Delivery> = {}): Delivery {
  const { id, visit } = order;
  return { orderId: id, status: "received", visit, receipt: "r", redelivered: false, messageId: null, ...fields };
}

describe("a delivery", () => {
  test("is dropped where its visit is over", async () => {
    const { place, commit, attempt, events, close } = attempting();
    for (const to of ["priced", "held"]) {
      const order = await place();
      await commit(order, { kind: "moved", to });
      const verdict = await attempt(deliveryOf(order));
      assert.deepEqual(verdict, done, "only one that was in flight before may have lost the next");
    }
    assert.deepEqual(events, ["ended", "ended"]);
    await close();
  });

  test("queues the order's current visit, where that one is handled, when it comes again after its own visit is over", async () => {
    const { place, commit, attempt, backend, close } = attempting();
    const moved = await place();
    const after = await commit(moved, { kind: "moved", to: "priced" });
    const stray = deliveryOf(moved, { redelivered: true });
    const verdict = await attempt(stray);
    assert.deepEqual(verdict, { verdict: "superseded", by: after });
    await backend.settle(stray, verdict ?? assert.fail());
    const [next, ...more] = await backend.receive({ status: "priced", max: 9, leaseSeconds: 60, waitSeconds: 0 });
    assert.deepEqual([next?.visit, more], [1, []], "and only once");

    const held = await place();
    await commit(held, { kind: "moved", to: "held" });
    assert.deepEqual(await attempt(deliveryOf(held, { redelivered: true })), done);
    await close();
  });

  test("is dropped where its order has failed", async () => {
    const { place, commit, attempt, close } = attempting();
    const order = await place();
    await commit(order, { kind: "failed", code: "handler_failed", message: "down", permanent: true });
    assert.deepEqual(await attempt(deliveryOf(order)), done);
    assert.deepEqual(await attempt(deliveryOf(order, { redelivered: true })), done);
    await close();
  });

  test("comes again a second later where its order is not there yet, or not in its visit yet", async () => {
    const { place, attempt, clock, close } = attempting();
    const again = { verdict: "again", notBefore: clock.now() + 1_000 };
    assert.deepEqual(await attempt(deliveryOf({ id: "0193", visit: 0 })), again);
    // The order is still not there: it was removed.
    assert.deepEqual(await attempt(deliveryOf({ id: "0193", visit: 0 }, { redelivered: true })), done);
    const { id } = await place();
    assert.deepEqual(await attempt(deliveryOf({ id, visit: 1 })), again);
    await close();
  });

  test("comes again at the order's time where it came before that time", async () => {
    const { place, commit, attempt, clock, close } = attempting(() => "priced");
    const order = await place();
    const { notBefore } = await commit(order, { kind: "failed", code: "handler_failed", message: "down" });
    assert.equal(notBefore, clock.now() + 2_000);
    clock.advance(1.999);
    assert.deepEqual(await attempt(deliveryOf(order)), { verdict: "again", notBefore });
    clock.advance(0.001);
    assert.deepEqual(await attempt(deliveryOf(order)), consumed);
    await close();
  });

  test("is no attempt where its order cannot be read, and comes again a second later", async () => {
    let faults = 1;
    const { place, attempt, clock, backend, lines, events, close } = attempting(
      () => "priced",
      (inner) => ({
        ...inner,
        get: async (id) => {
          if (faults-- > 0) throw new CauceError("store_unavailable", "busy");
          return inner.get(id);
        },
      }),
    );
    const order = await place();
    assert.deepEqual(await attempt(deliveryOf(order)), { verdict: "again", notBefore: clock.now() + 1_000 });
    assert.deepEqual([events, lines[0]?.level, lines[0]?.fields.orderId], [["ended"], "warn", order.id]);
    assert.deepEqual(await attempt(deliveryOf(order)), consumed);
    assert.equal((await backend.get(order.id))?.past[0]?.attempts, 1);
    await close();
  });

  test("frees its slot as soon as its handler has ended, before the commit", async () => {
    const { place, attempt, events, close } = attempting(() => "priced");
    assert.deepEqual(await attempt(deliveryOf(await place())), consumed);
    assert.deepEqual(events, ["ended", "commit"]);
    await close();
  });

  test("is consumed by the commit of its outcome, whatever the outcome", async () => {
    const outcomes: [AnyHandler, object, redelivered: boolean][] = [
      [() => "priced", consumed, false],
      [() => "held", consumed, false],
      [() => Promise.reject(new PermanentError("declined")), consumed, false],
      [() => Promise.reject(new Error("down")), { verdict: "again", afterSeconds: 2, consumed: true }, false],
      [() => "priced", consumed, true],
    ];
    for (const [handler, { afterSeconds, ...expected }, redelivered] of outcomes as [
      AnyHandler,
      { afterSeconds?: number },
      boolean,
    ][]) {
      const { place, attempt, committedFor, clock, close } = attempting(handler);
      const delivery = deliveryOf(await place(), { redelivered });
      const notBefore = afterSeconds === undefined ? {} : { notBefore: clock.now() + afterSeconds * 1_000 };
      assert.deepEqual(await attempt(delivery), { ...expected, ...notBefore });
      // The attempt of a redelivery is recorded first, which keeps the delivery leased.
      assert.deepEqual(committedFor, redelivered ? [delivery, delivery] : [delivery]);
      await close();
    }
  });

  test("is consumed by the commit that uses up its order's attempts", async () => {
    const { place, commit, attempt, committedFor, clock, close } = attempting();
    let order = await place();
    for (const attempts of [1, 2]) {
      order = await commit(order, { kind: "failed", code: "handler_failed", message: "down" });
      assert.equal(order.attempts, attempts);
    }
    clock.advance(60);
    const lost = deliveryOf(order, { redelivered: true });
    assert.deepEqual(await attempt(lost), consumed);
    assert.deepEqual(committedFor, [lost]);
    await close();
  });

  test("is settled by the order's current state where its outcome comes too late", async () => {
    const cases: [Outcome, object][] = [
      [{ kind: "moved", to: "priced" }, done],
      [{ kind: "moved", to: "held" }, done],
      [{ kind: "failed", code: "handler_failed", message: "down", permanent: true }, done],
      [
        { kind: "failed", code: "handler_failed", message: "down" },
        { verdict: "again", afterSeconds: 2 },
      ],
      [{ kind: "redelivered" }, { verdict: "again", afterSeconds: 0 }],
    ];
    for (const [first, { verdict, afterSeconds }] of cases as [Outcome, { verdict: string; afterSeconds?: number }][]) {
      const received = controlled();
      const { place, commit, attempt, clock, backend, close } = attempting(received.handler);
      const order = await place();
      const verdicts = attempt(deliveryOf(order));
      const call = await received.call(1);
      const after = await commit(order, first);
      call.answer("priced");
      const expected = verdict === "done" ? done : { verdict, notBefore: clock.now() + (afterSeconds ?? 0) * 1_000 };
      assert.deepEqual(await verdicts, expected);
      assert.deepEqual(await backend.get(order.id), after, "the first outcome stands");
      await close();
    }
  });

  test("leaves the id of its message in the history, where the queue has message ids", async () => {
    const { place, attempt, backend, close } = attempting(() => "priced");
    const [named, unnamed] = [await place(), await place()];
    await attempt(deliveryOf(named, { messageId: "m-1" }));
    await attempt(deliveryOf(unnamed));
    assert.equal((await backend.get(named.id))?.entry.by.messageId, "m-1");
    assert.equal((await backend.get(unnamed.id))?.entry.by.messageId, null);
    await close();
  });
});

describe("an attempt whose worker died", () => {
  test("counts, and the next attempt is recorded before its handler runs", async (t) => {
    const received = controlled();
    const running = engineOf(t, appOf(workflow, { received: received.handler, priced: () => "done" }));
    const { engine, backend, place, until, clock, get, logged, of } = running;
    const { id } = await place();
    const [lost] = await backend.receive({ status: "received", max: 1, leaseSeconds: 60, waitSeconds: 0 });
    assert.equal(lost?.orderId, id);
    await engine.start();
    clock.advance(59.999);
    await quiet();
    assert.equal(received.calls.length, 0, "its lease has not run out");
    clock.advance(0.001);
    const call = await received.call(1);
    assert.equal(call.context.attempt, 2);
    const recorded = await get(id);
    assert.deepEqual([recorded.attempts, recorded.attempting, recorded.visit], [2, true, 0]);
    assert.match(recorded.entry.error ?? "", /ended before the handler did/);
    const { fields } = await logged("attempt begins again; the last told of no end");
    assert.deepEqual(fields, { orderId: id, status: "received", visit: 0, attempt: 2 });
    assert.equal(of("attempt failed").length, 0);
    call.answer("priced");
    const order = await until(id, isIn("done"));
    assert.deepEqual([order.past[0]?.attempts, order.past[1]?.attempts], [2, 1]);
  });

  test("is not counted twice when the attempt after it fails in the usual way", async (t) => {
    const received = controlled();
    const app = appOf(workflow, { received: received.handler, priced: () => "done" });
    const { engine, backend, place, until, clock } = engineOf(t, app);
    const { id } = await place();
    await backend.receive({ status: "received", max: 1, leaseSeconds: 60, waitSeconds: 0 });
    await engine.start();
    clock.advance(60);
    (await received.call(1)).fail(new Error("down"));
    const order = await until(id, (each) => each.notBefore !== null);
    assert.deepEqual([order.attempts, order.attempting, order.entry.error], [2, false, "down"]);
    clock.advance(4);
    const last = await received.call(2);
    assert.equal(last.context.attempt, 3);
    last.answer("priced");
    await until(id, isIn("done"));
  });

  test("is repeated until the policy's attempts are used up: the order fails with worker_lost and holds up no other", async (t) => {
    const folders = [temporaryDirectory()];
    atEnd(t, () => {
      for (const folder of folders) folder.remove();
    });
    const clock = fakeClock();
    let runs = 0;
    let id = "";
    for (let life = 1; life <= 4; life++) {
      const { directory } = folders.at(-1) ?? assert.fail();
      const backend = await openSqlite(directory, { clock });
      atEnd(t, () => backend.close());
      const deadly = controlled();
      const received: AnyHandler = (order, context) => {
        if (!(order.data as { deadly?: boolean }).deadly) return "priced";
        runs++;
        return deadly.handler(order, context);
      };
      const app = appOf(workflow, { received, priced: () => "done" });
      const { engine, place, until, logged, get } = engineOf(t, app, { clock, backend });
      if (life === 1) ({ id } = await place({ deadly: true }));
      await engine.start();
      if (life === 2 || life === 3) {
        // After a crash its order is tried alone. The others follow when its attempt has lasted 0.25 s.
        await deadly.call(1);
        clock.advance(0.25);
      }
      await until((await place()).id, isIn("done"));
      if (life < 4) {
        const call = await deadly.call(1);
        assert.equal(call.context.attempt, life);
        // The copy is what SIGKILL would leave at this moment. The store that goes on here is not read again.
        folders.push(temporaryDirectory());
        copyStore(directory, folders.at(-1)?.directory ?? "");
        call.answer("priced");
        await until(id, isIn("done"));
      } else {
        const line = await logged("order failed");
        assert.deepEqual([line.fields.orderId, line.fields.code], [id, "worker_lost"]);
        const order = await get(id);
        assert.deepEqual([order.status, order.failure?.code, order.attempts], ["received", "worker_lost", 3]);
      }
      await engine.stop();
      await backend.close();
    }
    assert.equal(runs, 3, "the handler ran once for each attempt, and not again");
    assert.equal(clock.timers, 0);
  });

  test("moves its order to `exhausted` where it was the last and the status has one", async (t) => {
    const saved = workflowOf({
      received: { to: ["done"], retry: { attempts: 1 }, exhausted: "rejected" },
      done: final,
      rejected: final,
    });
    const app = appOf(saved, { received: () => assert.fail("its attempts are used up") });
    const { engine, backend, place, until, clock, logged } = engineOf(t, app);
    const { id } = await place();
    await backend.receive({ status: "received", max: 1, leaseSeconds: 60, waitSeconds: 0 });
    await engine.start();
    clock.advance(60);
    const order = await until(id, (each) => isFailed(each) || each.status === "rejected");
    assert.equal((await logged("attempts used up")).fields.code, "worker_lost");
    assert.deepEqual([order.status, order.past[0]?.attempts], ["rejected", 1]);
    assert.match(order.entry.reason ?? "", /^exhausted: the process that ran the handler ended/);
  });
});
