import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { memory } from "../../src/backend/memory/memory.ts";
import type { Backend, Delivery, ReceiveOptions, Verdict } from "../../src/backend/port.ts";
import { CauceError } from "../../src/core/errors.ts";
import { final } from "../../src/core/workflow.ts";
import type { RunAttempt, Settlement } from "../../src/engine/attempt.ts";
import { createLoopWatch } from "../../src/engine/loopWatch.ts";
import { startPoll } from "../../src/engine/poll.ts";
import { createDeadlines } from "../../src/engine/runHandler.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { actor, appOf, atEnd, contextOf, engineOf, isIn, keptLog, quiet, workflowOf } from "./support.ts";

interface Attempted {
  readonly delivery: Delivery;
  /** Reports the end of the handler, whose outcome is still to be committed. */
  handled(): void;
  settle(settlement?: Settlement): void;
  fail(error: unknown): void;
}

/** Starts a poll over the memory backend, whose attempts the test ends. */
function polling(t: TestContext, options: { concurrency?: number; around?: (backend: Backend) => Backend } = {}) {
  const { concurrency = 2, around = (backend) => backend } = options;
  const clock = fakeClock();
  const inner = memory({ clock });
  const receives: ReceiveOptions[] = [];
  const settled: [string, Verdict["verdict"]][] = [];
  const onSettle = new Set<() => void>();
  const backend = around({
    ...inner,
    receive(receive) {
      receives.push(receive);
      return inner.receive(receive);
    },
    async settle(delivery, verdict) {
      await inner.settle(delivery, verdict);
      settled.push([delivery.orderId, verdict.verdict]);
      for (const look of onSettle) look();
    },
  });
  const attempted: Attempted[] = [];
  const onAttempt = new Set<() => void>();
  const attempt: RunAttempt = (delivery, handled) =>
    new Promise((settle, fail) => {
      attempted.push({ delivery, handled, settle, fail });
      for (const look of onAttempt) look();
    });
  const kept = keptLog();
  const stop = startPoll(
    {
      ...contextOf({
        backend,
        clock,
        log: kept.log,
      }),
      ...{
        status: "received",
        definition: { to: ["done"], concurrency, timeoutSeconds: 10 },
        handler: assert.fail,
        resources: {},
        enter: (_, code, ...args) => code(...args),
        deadlines: createDeadlines(clock),
        watch: createLoopWatch(clock, () => {}),
        activity: { status: "received", running: 0, endedAt: 0 },
      },
      stopping: new AbortController().signal,
    },
    attempt,
  );
  atEnd(t, async () => {
    for (const each of attempted) each.settle({ verdict: "done" });
    await stop();
    await inner.close();
    assert.equal(clock.timers, 0);
  });
  const reached = (looks: Set<() => void>, isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!isSo()) return;
        looks.delete(look);
        resolve();
      };
      looks.add(look);
      look();
    });
  return {
    ...kept,
    clock,
    stop,
    receives,
    settled,
    attempted,
    async place(count = 1): Promise<string[]> {
      const order = { status: "received", kind: "handled", dataJson: "{}", group: null, expiresAt: null } as const;
      const by = { ...actor, requestId: null, messageId: null };
      const ids: string[] = [];
      for (let n = 0; n < count; n++) {
        const placed = await inner.place({ ...order, createdAt: clock.now(), by, extrasJson: null, key: null });
        ids.push(placed.outcome === "placed" ? placed.order.id : assert.fail());
      }
      return ids;
    },
    /** Resolves with the attempt of this number, from 1. */
    async nth(number: number): Promise<Attempted> {
      await reached(onAttempt, () => attempted.length >= number);
      return attempted[number - 1] ?? assert.fail();
    },
    settledCount: (count: number) => reached(onSettle, () => settled.length >= count),
  };
}

const done: Verdict = { verdict: "done" };

describe("a poll", () => {
  test("keeps `concurrency` handlers running, and fills each slot that becomes free", async (t) => {
    const { place, nth, attempted, settled, settledCount, receives } = polling(t, { concurrency: 3 });
    const ids = await place(8);
    await nth(3);
    await quiet();
    assert.equal(attempted.length, 3);
    for (let ended = 1; ended <= 5; ended++) {
      attempted[ended - 1]?.settle(done);
      await nth(3 + ended);
      await quiet();
      assert.equal(attempted.length, 3 + ended, "one ends, one begins");
    }
    for (const each of attempted) each.settle(done);
    await settledCount(8);
    assert.deepEqual(
      attempted.map(({ delivery }) => delivery.orderId),
      ids,
      "the oldest first",
    );
    assert.deepEqual(settled.map(([id]) => id).toSorted(), ids.toSorted());
    for (const { max, status } of receives) {
      assert.ok(max >= 1 && max <= 3, `it asked for ${max}`);
      assert.equal(status, "received");
    }
  });

  test("receives ahead while an outcome is being committed, and fills the slot once that has ended", async (t) => {
    const { place, nth, attempted, receives } = polling(t, { concurrency: 1 });
    await place(2);
    const first = await nth(1);
    await quiet();
    assert.deepEqual([attempted.length, receives.length], [1, 1]);
    first.handled();
    await quiet();
    assert.deepEqual([attempted.length, receives.length], [1, 2], "the next is here, and its handler has not begun");
    first.settle({ ...done, consumed: true });
    await nth(2);
  });

  test("gives back what it received ahead where the store keeps an outcome waiting, and goes on afterwards", async (t) => {
    const { place, nth, attempted, receives, settled, settledCount, clock } = polling(t, { concurrency: 1 });
    const ids = await place(3);
    const first = await nth(1);
    first.handled();
    await quiet();
    assert.equal(receives.length, 2);
    clock.advance(1);
    await settledCount(1);
    assert.deepEqual(settled, [[ids[1], "again"]]);
    clock.advance(30);
    await quiet();
    assert.deepEqual(
      [attempted.length, receives.length],
      [1, 2],
      "neither begun nor received while nothing is committed",
    );
    first.settle({ ...done, consumed: true });
    const next = (await nth(2)).delivery;
    assert.deepEqual([next.orderId, next.redelivered], [ids[1], false], "no attempt counts of what was only held");
  });

  test("keeps a redelivered delivery that it received ahead, until there is a slot", async (t) => {
    const { place, nth, attempted, settled, clock } = polling(t, { concurrency: 1 });
    const [lost, other] = await place(2);
    const first = await nth(1);
    clock.advance(30);
    first.settle(undefined);
    const second = await nth(2);
    assert.equal(second.delivery.orderId, other);
    clock.advance(30);
    second.handled();
    await quiet();
    clock.advance(10);
    await quiet();
    assert.deepEqual([attempted.length, settled], [2, []]);
    second.settle({ ...done, consumed: true });
    const again = await nth(3);
    assert.deepEqual([again.delivery.orderId, again.delivery.redelivered], [lost, true]);
  });

  test("leaves a redelivered delivery to its lease where its handler could outlast it", async (t) => {
    const { place, nth, clock } = polling(t, { concurrency: 1 });
    const [lost, other] = await place(2);
    (await nth(1)).settle(undefined);
    const second = await nth(2);
    clock.advance(59);
    await quiet();
    clock.advance(1);
    second.handled();
    await quiet();
    // Leased for 60 s, of which a handler may take 10.
    clock.advance(50);
    second.settle(undefined);
    const third = await nth(3);
    assert.deepEqual([third.delivery.orderId, third.delivery.redelivered], [other, true]);
    third.settle(done);
    await quiet();
    clock.advance(10);
    const again = await nth(4);
    assert.deepEqual([again.delivery.orderId, again.delivery.redelivered], [lost, true]);
  });

  test("frees a slot once, however often its handler reports its end", async (t) => {
    const { place, nth, attempted } = polling(t, { concurrency: 1 });
    await place(4);
    const first = await nth(1);
    for (let times = 0; times < 3; times++) first.handled();
    first.settle(done);
    await nth(2);
    await quiet();
    assert.equal(attempted.length, 2);
  });

  test("settles a delivery with the attempt's verdict: done, again at a time, or none", async (t) => {
    const { place, nth, settled, settledCount, clock, attempted } = polling(t, { concurrency: 3 });
    const [one, two, three] = await place(3);
    (await nth(1)).settle(done);
    (await nth(2)).settle({ verdict: "again", notBefore: clock.now() + 5_000 });
    (await nth(3)).settle(undefined);
    await settledCount(2);
    await quiet();
    assert.deepEqual(settled, [
      [one, "done"],
      [two, "again"],
    ]);
    clock.advance(5);
    assert.deepEqual([(await nth(4)).delivery.orderId, attempted[3]?.delivery.redelivered], [two, false]);
    clock.advance(55);
    const back = await nth(5);
    assert.deepEqual([back.delivery.orderId, back.delivery.redelivered], [three, true], "its lease ran out");
  });

  test("settles nothing that a commit has consumed", async (t) => {
    const { place, nth, settled, settledCount, clock } = polling(t, { concurrency: 3 });
    const [, , three] = await place(3);
    (await nth(1)).settle({ verdict: "done", consumed: true });
    (await nth(2)).settle({ verdict: "again", notBefore: clock.now(), consumed: true });
    (await nth(3)).settle(done);
    await settledCount(1);
    await quiet();
    assert.deepEqual(settled, [[three, "done"]]);
  });

  for (const [what, error, told] of [
    ["broke", new Error("decide threw"), "Error: decide threw"],
    ["broke with a value that has no text", Object.create(null), "something that has no description"],
  ] as const) {
    test(`leaves a delivery alone whose attempt ${what}, logs it, and uses the slot again`, async (t) => {
      const { place, nth, logged, settled, clock } = polling(t, { concurrency: 1 });
      const [broken, next] = await place(2);
      (await nth(1)).fail(error);
      const line = await logged("delivery not settled");
      assert.deepEqual(
        [line.level, line.fields.orderId, line.fields.visit, line.fields.error],
        ["error", broken, 0, told],
      );
      const second = await nth(2);
      assert.equal(second.delivery.orderId, next);
      second.settle(done);
      assert.deepEqual(settled, []);
      clock.advance(60);
      assert.equal((await nth(3)).delivery.orderId, broken);
    });
  }

  test("logs an error when the queue does not take the verdict", async (t) => {
    const { place, nth, logged } = polling(t, {
      around: (backend) => ({ ...backend, settle: () => Promise.reject(new CauceError("store_unavailable", "busy")) }),
    });
    const [id] = await place();
    (await nth(1)).settle(done);
    const line = await logged("delivery not settled");
    assert.deepEqual([line.fields.orderId, line.fields.error], [id, "CauceError: busy"]);
  });

  test("pauses a second after a failed receive, and goes on", async (t) => {
    let faults = 2;
    let asked = 0;
    const { place, nth, logged, lines, clock } = polling(t, {
      around: (backend) => ({
        ...backend,
        receive(options) {
          asked++;
          return faults-- > 0 ? Promise.reject(new CauceError("store_unavailable", "busy")) : backend.receive(options);
        },
      }),
    });
    await place();
    await logged("receive failed");
    clock.advance(0.999);
    await quiet();
    assert.equal(asked, 1);
    clock.advance(0.001);
    await logged("receive failed", 2);
    await quiet();
    assert.equal(asked, 2);
    clock.advance(1);
    await nth(1);
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields.status, fields.error]),
      Array(2).fill(["error", "received", "CauceError: busy"]),
    );
  });

  test("waits in one receive while nothing comes, without a timer of its own", async (t) => {
    const { place, nth, receives, clock } = polling(t);
    await quiet();
    assert.deepEqual(
      receives.map(({ max, waitSeconds, leaseSeconds }) => [max, waitSeconds, leaseSeconds]),
      [[2, Number.POSITIVE_INFINITY, 60]],
    );
    assert.equal(clock.timers, 0);
    clock.advance(30 * 86_400);
    await quiet();
    assert.equal(receives.length, 1);
    await place();
    (await nth(1)).settle(done);
  });

  test("asks the backend for no longer a wait than its limit", async (t) => {
    const { receives } = polling(t, {
      around: (backend) => ({ ...backend, limits: { ...backend.limits, longestWaitSeconds: 20 } }),
    });
    await quiet();
    assert.equal(receives[0]?.waitSeconds, 20);
  });
});

describe("stopping a poll", () => {
  test("receives nothing more and waits for the attempts under way, their commits included", async (t) => {
    const { place, nth, stop, receives, attempted } = polling(t, { concurrency: 1 });
    const ids = await place(2);
    const first = await nth(1);
    let stopped = false;
    const stopping = stop().then(() => {
      stopped = true;
    });
    first.handled();
    await quiet();
    assert.equal(stopped, false, "the handler has ended, its outcome is not yet committed");
    first.settle(done);
    await stopping;
    const asked = receives.length;
    await quiet();
    assert.deepEqual([receives.length, attempted.map(({ delivery }) => delivery.orderId)], [asked, ids.slice(0, 1)]);
  });

  test("ends the receive that waits", async (t) => {
    const { stop, place, attempted } = polling(t);
    await quiet();
    await stop();
    await place();
    await quiet();
    assert.equal(attempted.length, 0);
  });

  test("ends the pause after a fault", async (t) => {
    const { stop, logged, clock } = polling(t, {
      around: (backend) => ({ ...backend, receive: () => Promise.reject(new Error("busy")) }),
    });
    await logged("receive failed");
    assert.equal(clock.timers, 1);
    await stop();
    assert.equal(clock.timers, 0);
  });

  test("logs nothing of a receive that the stop made fail", async (t) => {
    const { stop, lines } = polling(t, {
      around: (backend) => ({
        ...backend,
        receive: ({ signal }) =>
          new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")))),
      }),
    });
    await stop();
    assert.deepEqual(lines, []);
  });

  test("both of two calls of stop end once the attempts under way have ended", async (t) => {
    const { place, nth, stop } = polling(t);
    await place();
    const first = await nth(1);
    const ended: string[] = [];
    const both = ["first stop", "second stop"].map((which) => stop().then(() => ended.push(which)));
    await quiet();
    assert.deepEqual(ended, [], "an attempt is under way");
    first.settle(done);
    await Promise.all(both);
    await stop();
    assert.deepEqual(ended, ["first stop", "second stop"]);
  });

  test("still attempts the deliveries that a receive under way brings", async (t) => {
    const received = Promise.withResolvers<Delivery[]>();
    const { place, nth, stop, settled } = polling(t, {
      around: (backend) => ({ ...backend, receive: () => received.promise }),
    });
    const [orderId = ""] = await place();
    const stopping = stop();
    received.resolve([{ orderId, status: "received", visit: 0, receipt: "r", redelivered: false, messageId: null }]);
    (await nth(1)).settle(done);
    await stopping;
    assert.deepEqual(settled, [[orderId, "done"]]);
  });
});

test("a thousand orders through two statuses never run more handlers of one status than its concurrency", async (t) => {
  const workflow = workflowOf({
    received: { to: ["priced"], concurrency: 7 },
    priced: { to: ["done"], concurrency: 1 },
    done: final,
  });
  const running = { received: 0, priced: 0 };
  const runningMax = { received: 0, priced: 0 };
  const handlerOf = (status: keyof typeof running, to: string) => async () => {
    runningMax[status] = Math.max(runningMax[status], ++running[status]);
    await new Promise(setImmediate);
    running[status]--;
    return to;
  };
  const app = appOf(workflow, { received: handlerOf("received", "priced"), priced: handlerOf("priced", "done") });
  const { engine, place, until } = engineOf(t, app);
  await engine.start();
  const orders = await Promise.all(Array.from({ length: 1_000 }, () => place()));
  for (const { id } of orders) await until(id, isIn("done"));
  assert.deepEqual(runningMax, { received: 7, priced: 1 });
});

test("no more handlers run than `concurrency` while the store takes no commits, and all orders end once it does", async (t) => {
  const workflow = workflowOf({ received: { to: ["done"], concurrency: 2 }, done: final });
  let runs = 0;
  let refuses = true;
  const app = appOf(workflow, {
    received: () => {
      runs++;
      return "done";
    },
  });
  const { engine, place, until, clock, logged } = engineOf(t, app, {
    around: (backend) => ({
      ...backend,
      commit: (change, delivery) =>
        refuses ? Promise.reject(new CauceError("store_full", "the disk is full")) : backend.commit(change, delivery),
    }),
  });
  await engine.start();
  const orders = await Promise.all(Array.from({ length: 20 }, () => place()));
  await logged("the store takes no writes; trying again", 2);
  for (let second = 0; second < 30; second++) {
    clock.advance(1);
    await quiet();
  }
  assert.equal(runs, 2);
  refuses = false;
  clock.advance(1);
  for (const { id } of orders) await until(id, isIn("done"));
  assert.equal(runs, 20);
});
