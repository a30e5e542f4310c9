import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { type AttemptDeadline, createDeadlines } from "../../src/engine/runHandler.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { appOf, controlled, engineOf, isFailed, isIn, quiet, workflowOf } from "./support.ts";

describe("deadlines", () => {
  function openDeadlines() {
    const clock = fakeClock(0);
    const deadlines = createDeadlines(clock);
    const expired: [string, number][] = [];
    const add = (name: string, afterSeconds = 10): AttemptDeadline => {
      const at = clock.monotonic() + afterSeconds * 1_000;
      const expire = () => void expired.push([name, clock.now()]);
      const deadline: AttemptDeadline = { at, expire, earlier: undefined, later: undefined };
      deadlines.add(deadline);
      return deadline;
    };
    return { clock, deadlines, expired, add };
  }

  test("one timer serves all deadlines, and each expires at its time", () => {
    const { clock, deadlines, expired, add } = openDeadlines();
    add("a");
    clock.advance(1);
    add("b1");
    add("b2");
    clock.advance(3);
    add("c");
    assert.equal(clock.timers, 1);
    clock.advance(60);
    assert.deepEqual(expired, [
      ["a", 10_000],
      ["b1", 11_000],
      ["b2", 11_000],
      ["c", 14_000],
    ]);
    assert.equal(clock.timers, 0);
    deadlines.close();
  });

  test("a removed deadline does not expire, and the others still do", () => {
    const { clock, deadlines, expired, add } = openDeadlines();
    const first = add("first");
    clock.advance(4);
    add("second");
    deadlines.remove(first);
    deadlines.remove(first);
    clock.advance(9.999);
    assert.deepEqual(expired, []);
    clock.advance(0.001);
    assert.deepEqual(expired, [["second", 14_000]]);
    add("third");
    clock.advance(10);
    assert.deepEqual(expired.at(-1), ["third", 24_000]);
    deadlines.close();
  });

  test("after the close no deadline expires, and no timer is left", () => {
    const { clock, deadlines, expired, add } = openDeadlines();
    add("a");
    deadlines.close();
    assert.equal(clock.timers, 0);
    clock.advance(60);
    assert.deepEqual(expired, []);
  });
});

describe("an attempt that reaches its timeoutSeconds", () => {
  const workflow = workflowOf({
    received: { to: ["done"], timeoutSeconds: 10, concurrency: 1, retry: { attempts: 2, baseSeconds: 4 } },
    done: final,
  });

  test("is aborted at that moment and not before, and counts as failed", async (t) => {
    const received = controlled();
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received: received.handler }));
    await engine.start();
    const { id } = await place();
    const { signal } = (await received.call(1)).context;
    let aborts = 0;
    signal.addEventListener("abort", () => aborts++);
    clock.advance(9.999);
    await quiet();
    assert.deepEqual([aborts, signal.aborted], [0, false]);
    clock.advance(0.001);
    assert.deepEqual([aborts, signal.aborted, signal.reason.name], [1, true, "TimeoutError"]);
    assert.match(signal.reason.message, /10/);

    const order = await until(id, (each) => each.attempts === 1);
    const error = 'the handler of "received" did not end within 10 s';
    assert.deepEqual([order.entry.error, order.notBefore], [error, clock.now() + 2_000]);

    clock.advance(2);
    const second = (await received.call(2)).context;
    assert.equal(second.idempotencyKey, `${id}:0`, "what it does outside carries the same key");
    assert.equal(second.signal.aborted, false);
    clock.advance(10);
    const failed = await until(id, isFailed);
    assert.deepEqual([failed.failure?.code, failed.failure?.message, failed.attempts], ["attempt_timed_out", error, 2]);
  });

  test("changes nothing with what its handler returns or throws later", async (t) => {
    for (const late of ["answer", "fail"] as const) {
      const received = controlled();
      const { engine, place, until, clock, changes, get } = engineOf(
        t,
        appOf(workflow, { received: received.handler }),
      );
      await engine.start();
      const { id } = await place();
      const first = await received.call(1);
      clock.advance(10);
      const after = await until(id, (order) => order.attempts === 1);
      first[late]("done");
      await quiet();
      assert.deepEqual([await get(id), changes.length], [after, 1]);

      clock.advance(2);
      const second = await received.call(2);
      assert.equal(second.context.signal.aborted, false, "the attempt before has no hold on this one");
      second.answer("done");
      assert.equal((await until(id, isIn("done"))).past[0]?.attempts, 2);
    }
  });

  test("has an aborted signal, also where its handler reads the signal for the first time", async (t) => {
    const looked = Promise.withResolvers<AbortSignal>();
    const goOn = Promise.withResolvers<void>();
    const received: AnyHandler = async (_order, context) => {
      await goOn.promise;
      looked.resolve(context.signal);
      return "done";
    };
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received }));
    await engine.start();
    const { id } = await place();
    await quiet();
    clock.advance(10);
    await until(id, (order) => order.attempts === 1);
    goOn.resolve();
    const signal = await looked.promise;
    assert.deepEqual([signal.aborted, signal.reason.name], [true, "TimeoutError"]);
  });

  test("frees its slot for the next order, also when its handler never ends", async (t) => {
    const received = controlled();
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received: received.handler }));
    await engine.start();
    await place();
    const next = await place();
    await received.call(1);
    await quiet();
    assert.equal(received.calls.length, 1);
    clock.advance(10);
    const second = await received.call(2);
    assert.equal(second.order.id, next.id);
    second.answer("done");
    await until(next.id, isIn("done"));
  });

  test("does not run a handler whose module loads only later", async (t) => {
    let runs = 0;
    const slow = Promise.withResolvers<{ default: AnyHandler }>();
    const loading = Promise.withResolvers<void>();
    const load = () => {
      loading.resolve();
      return slow.promise;
    };
    const { engine, place, until, clock, changes } = engineOf(t, appOf(workflow, { received: { lazy: load } }));
    await engine.start();
    const { id } = await place();
    await loading.promise;
    clock.advance(10);
    await until(id, (order) => order.attempts === 1);
    slow.resolve({ default: () => (runs++ === 0 ? "done" : assert.fail("it ran twice")) });
    await quiet();
    assert.deepEqual([runs, changes.length], [0, 1]);
    clock.advance(2);
    await until(id, isIn("done"));
  });

  test("is aborted after 30 s where the definition has no `timeoutSeconds`", async (t) => {
    const received = controlled();
    const plain = workflowOf({ received: { to: ["done"] }, done: final });
    const { engine, place, clock } = engineOf(t, appOf(plain, { received: received.handler }));
    await engine.start();
    await place();
    const { signal } = (await received.call(1)).context;
    clock.advance(29.999);
    assert.equal(signal.aborted, false);
    clock.advance(0.001);
    assert.equal(signal.aborted, true);
  });

  test("is the only one whose signal aborts: an attempt that ended in time keeps an unaborted signal", async (t) => {
    const received = controlled();
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received: received.handler }));
    await engine.start();
    const { id } = await place();
    const call = await received.call(1);
    const { signal } = call.context;
    call.answer("done");
    await until(id, isIn("done"));
    clock.advance(3_600);
    await quiet();
    assert.equal(signal.aborted, false);
  });
});

test("an attempt keeps its timeoutSeconds where the time of day is set back or forward meanwhile", async (t) => {
  const workflow = workflowOf({
    received: { to: ["done"], timeoutSeconds: 1, retry: { attempts: 1 } },
    done: final,
  });
  for (const seconds of [-10, 3_600]) {
    const received = controlled();
    const { engine, place, until, clock } = engineOf(t, appOf(workflow, { received: received.handler }));
    await engine.start();
    const { id } = await place();
    const { signal } = (await received.call(1)).context;
    clock.step(seconds);
    clock.advance(0.999);
    await quiet();
    assert.equal(signal.aborted, false);
    clock.advance(0.001);
    assert.equal(signal.aborted, true);
    assert.equal((await until(id, isFailed)).failure?.code, "attempt_timed_out");
  }
});

test("the milliseconds of an attempt are those that passed, whatever the time of day", async (t) => {
  const workflow = workflowOf({ received: { to: ["done"] }, done: final });
  const received = controlled();
  const { engine, place, until, clock, of } = engineOf(t, appOf(workflow, { received: received.handler }));
  await engine.start();
  const { id } = await place();
  const call = await received.call(1);
  clock.step(-3_600);
  clock.advance(2);
  call.answer("done");
  await until(id, isIn("done"));
  await quiet();
  assert.equal(of("attempt done")[0]?.fields.milliseconds, 2_000);
});
