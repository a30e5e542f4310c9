import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { PermanentError, RetryError } from "../../src/core/errors.ts";
import type { AnyHandler } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { temporaryDirectory } from "../backend/sqlite/support.ts";
import { appOf, controlled, engineOf, isFailed, isIn, pathOf, quiet, resultsOf, workflowOf } from "./support.ts";

const one = workflowOf({
  received: { to: ["done"], retry: { attempts: 3, baseSeconds: 4, maxSeconds: 300 } },
  done: final,
});
const saved = workflowOf({
  received: { to: ["done"], retry: { attempts: 2 }, exhausted: "rejected" },
  done: final,
  rejected: final,
});
const tryingOnce = workflowOf({ received: { to: ["done"], retry: { attempts: 1 } }, done: final });

describe("the next status", () => {
  const two = workflowOf(
    { received: { to: ["priced"] }, priced: { to: ["done", "dropped"] }, done: final, dropped: final },
    { results: z.object({ price: z.number(), rate: z.number(), note: z.string() }).partial() },
  );

  test("a handler returns the next status as a text or as { to, results }, at once or in a promise", async (t) => {
    for (const answer of ["done", { to: "done" }, { to: "done", results: undefined }, { to: "done", results: {} }]) {
      for (const handler of [() => answer, async () => answer, () => thenable(answer)]) {
        const { engine, place, until } = engineOf(t, appOf(one, { received: handler }));
        await engine.start();
        const order = await until((await place()).id, isIn("done"));
        assert.deepEqual([order.visit, order.past[0]?.attempts, resultsOf(order)], [1, 1, {}]);
      }
    }
  });

  test("results are merged key by key over the transitions, and the next handler sees them", async (t) => {
    const seen: unknown[] = [];
    const app = appOf(two, {
      received: ({ results }) => {
        seen.push(results);
        return { to: "priced", results: { price: 5, rate: 1 } };
      },
      priced: ({ results }) => {
        seen.push(results);
        return { to: "done", results: { rate: 2, note: "paid" } };
      },
    });
    const { engine, place, until } = engineOf(t, app);
    await engine.start();
    const order = await until((await place()).id, isIn("done"));
    assert.deepEqual(seen, [{}, { price: 5, rate: 1 }]);
    assert.deepEqual(resultsOf(order), { price: 5, rate: 2, note: "paid" });
    assert.deepEqual(pathOf(order), ["received", "priced", "done"]);
  });

  test("results that cannot be taken fail the order at once, and change nothing", async (t) => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const hostile = {
      get price() {
        throw new Error("no price");
      },
    };
    const nameless = {
      toJSON() {
        throw Object.create(null);
      },
    };
    const hidden = new Proxy(
      {},
      {
        getPrototypeOf() {
          throw Object.create(null);
        },
      },
    );
    const bad: [unknown, RegExp][] = [
      [{ price: "5" }, /price: /],
      [{ note: "x".repeat(100) }, /more than the 64 bytes/],
      ["text", /must be an object/],
      [null, /must be an object/],
      [[1], /must be an object/],
      [{ other: 1n }, /fit the schema/],
      [{ other: circular }, /fit the schema/],
      [hostile, /no price/],
      [{ other: nameless }, /cannot be read: /],
      [hidden, /cannot be read: something that has no description/],
    ];
    const loose = { ...two, results: z.looseObject({ price: z.number(), note: z.string() }).partial() };
    for (const [results, message] of bad) {
      let runs = 0;
      const received = () => {
        runs++;
        return { to: "priced", results };
      };
      const { engine, place, until } = engineOf(t, appOf(loose, { received, priced: () => "done" }), {
        around: (backend) => ({ ...backend, limits: { ...backend.limits, dataBytesMax: 64 } }),
      });
      await engine.start();
      const order = await until((await place()).id, isFailed);
      assert.equal(order.failure?.code, "invalid_results");
      assert.match(order.failure.message, message);
      assert.deepEqual([order.status, order.attempts, runs, resultsOf(order)], ["received", 1, 1, {}]);
    }
  });

  test("a returned value that names no next status fails the order at once, and the failure names the value", async (t) => {
    const bad: [unknown, RegExp][] = [
      ["elsewhere", /"elsewhere"; it may return done$/],
      ["received", /"received"; it may return done$/],
      ["constructor", /"constructor"; it may return done$/],
      ["", /""; it may return done$/],
      [{ to: "elsewhere", results: {} }, /"elsewhere"; it may return done$/],
      [{ to: "done", result: { price: 5 } }, /unknown key "result"/],
      [{ to: ["done"] }, /returned object;/],
      [["done"], /returned object;/],
      [{}, /returned object;/],
      [undefined, /returned undefined;/],
      [null, /returned null;/],
      [5, /returned number;/],
      [true, /returned boolean;/],
      [() => "done", /returned function;/],
    ];
    for (const [answer, message] of bad) {
      let runs = 0;
      const received = () => {
        runs++;
        return answer;
      };
      const { engine, place, until, of } = engineOf(t, appOf(one, { received }));
      await engine.start();
      const order = await until((await place()).id, isFailed);
      assert.equal(order.failure?.code, "invalid_transition");
      assert.match(order.failure.message, message);
      assert.deepEqual([order.status, order.visit, order.attempts, runs], ["received", 0, 1, 1]);
      await quiet();
      const [line] = of("order failed");
      assert.deepEqual(
        [line?.level, line?.fields.code, line?.fields.orderId],
        ["error", "invalid_transition", order.id],
      );
    }
  });

  test("the returned value is read once, since a getter may give another value the next time", async (t) => {
    let reads = 0;
    const received: AnyHandler = () => ({
      get to() {
        reads++;
        return reads === 1 ? "done" : (Symbol("done") as never);
      },
    });
    const { engine, place, until } = engineOf(t, appOf(one, { received }));
    await engine.start();
    assert.equal((await until((await place()).id, isIn("done"))).version, 2);
  });

  test("a returned value that cannot be read fails the attempt, and the next attempt is made", async (t) => {
    const received: AnyHandler = (_order, { attempt }) =>
      attempt === 1
        ? {
            get to() {
              throw new Error("no next status");
            },
          }
        : "done";
    for (const handler of [received, async (...args: Parameters<AnyHandler>) => received(...args)]) {
      const { engine, place, until, clock } = engineOf(t, appOf(one, { received: handler }));
      await engine.start();
      const { id } = await place();
      assert.equal((await until(id, (order) => order.attempts === 1)).entry.error, "no next status");
      clock.advance(2);
      assert.equal((await until(id, isIn("done"))).past[0]?.attempts, 2);
    }
  });

  test("a failed order of a status with `exhausted` goes there at once, with the reason", async (t) => {
    const { engine, place, until, logged } = engineOf(t, appOf(saved, { received: () => "elsewhere" }));
    await engine.start();
    const order = await until((await place()).id, isIn("rejected"));
    assert.equal(order.failure, null);
    assert.equal(order.past[0]?.attempts, 1);
    assert.match(order.entry.reason ?? "", /^exhausted: the handler of "received" returned "elsewhere"/);
    const { code, outcome } = (await logged("attempts used up")).fields;
    assert.deepEqual([code, outcome], ["invalid_transition", "failed"]);
  });

  test("an order that loops is marked failed at `visitsMax`, and can still become final", async (t) => {
    const ring = (last: string) => {
      const workflow = workflowOf(
        { here: { to: ["there", "done"] }, there: { to: ["here", "done"] }, done: final },
        { visitsMax: 5 },
      );
      let visits = 0;
      const next = (to: string) => () => (++visits > 5 ? last : to);
      return appOf(workflow, { here: next("there"), there: next("here") });
    };
    const looping = engineOf(t, ring("here"));
    await looping.engine.start();
    const lost = await looping.until((await looping.place()).id, isFailed);
    assert.deepEqual([lost.failure?.code, lost.visit, lost.status], ["visits_exceeded", 5, "there"]);
    assert.match(lost.failure?.message ?? "", /^the order has made 5 transitions .* loop through "here"$/);

    const ending = engineOf(t, ring("done"));
    await ending.engine.start();
    assert.equal((await ending.until((await ending.place()).id, isIn("done"))).visit, 6);
  });
});

describe("a failed attempt", () => {
  test("is followed by another after exactly the policy's delay, until the attempts are used up", async (t) => {
    const random = [0.5, 0.25];
    const received = controlled();
    const { engine, place, until, clock, of } = engineOf(t, appOf(one, { received: received.handler }), {
      random: () => random.shift() ?? assert.fail("one delay too many"),
    });
    await engine.start();
    const { id } = await place();

    // The delays: half of 4 s, then a quarter of 8 s.
    for (const [attempt, delaySeconds] of [
      [1, 2],
      [2, 2],
    ] as const) {
      const call = await received.call(attempt);
      assert.deepEqual([call.context.attempt, call.order.attempts], [attempt, attempt - 1]);
      call.fail(new Error(`down ${attempt}`));
      const order = await until(id, (each) => each.attempts === attempt);
      assert.deepEqual(
        [order.entry.error, order.failure, order.notBefore],
        [`down ${attempt}`, null, clock.now() + delaySeconds * 1_000],
      );
      clock.advance(delaySeconds - 0.001);
      await quiet();
      assert.equal(received.calls.length, attempt, "the handler ran too early");
      clock.advance(0.001);
    }
    (await received.call(3)).fail(new Error("down for order 4711"));
    const order = await until(id, isFailed);
    assert.deepEqual(order.failure, {
      code: "handler_failed",
      message: "down for order 4711",
      fingerprint: "down for order …",
      at: clock.now(),
    });
    assert.deepEqual([order.status, order.visit, order.attempts, order.notBefore], ["received", 0, 3, null]);
    clock.advance(86_400);
    await quiet();
    assert.equal(received.calls.length, 3);
    assert.deepEqual(
      [of("attempt failed").map(({ fields }) => [fields.attempt, fields.error]), of("order failed").length],
      [
        [
          [1, "down 1"],
          [2, "down 2"],
        ],
        1,
      ],
    );
  });

  test("is logged with its stack and causes, which are never stored, and with the time of the next attempt", async (t) => {
    const received: AnyHandler = () => {
      throw new Error("down", { cause: new Error("connect ECONNREFUSED") });
    };
    const { engine, place, changes, clock, logged } = engineOf(t, appOf(one, { received }));
    await engine.start();
    await place({ secret: "4711" });
    const { fields } = await logged("attempt failed");
    assert.match(String(fields.stack), /^Error: down\n +at .*attempt\.test\.ts:\d+/);
    assert.match(String(fields.stack), /\ncaused by: Error: connect ECONNREFUSED\n +at .*attempt\.test\.ts:\d+/);
    assert.doesNotMatch(JSON.stringify(fields), /4711/);
    assert.equal(fields.notBefore, new Date(clock.now() + 2_000).toISOString());
    clock.advance(2);
    await logged("attempt failed", 2);
    clock.advance(4);
    assert.match(String((await logged("order failed")).fields.stack), /^Error: down\n/);
    assert.equal(changes.length, 3);
    assert.doesNotMatch(JSON.stringify(changes), /attempt\.test\.ts|caused by/);
  });

  test("has the first reason in its message and fingerprint, and all reasons in the log", async (t) => {
    const reasons = [new Error("connect ECONNREFUSED 127.0.0.1:443"), new Error("connect ETIMEDOUT 127.0.0.2:443")];
    const received: AnyHandler = () => {
      throw new TypeError("fetch failed", { cause: new AggregateError(reasons) });
    };
    const { engine, place, until, logged } = engineOf(t, appOf(tryingOnce, { received }));
    await engine.start();
    const { failure } = await until((await place()).id, isFailed);
    assert.equal(failure?.message, "fetch failed: connect ECONNREFUSED 127.0.0.1:443");
    assert.equal(failure?.fingerprint, "fetch failed: connect ECONNREFUSED …");
    const { stack } = (await logged("order failed")).fields;
    assert.match(String(stack), /^TypeError: fetch failed\n[\s\S]*\ncaused by: AggregateError\b[\s\S]*/);
    for (const { message } of reasons) assert.match(String(stack), new RegExp(`\ncaused by: Error: ${message}\n`));
  });

  test("logs no stack where the thrown value is no Error, and survives a hostile value", async (t) => {
    const circular = new Error("round");
    circular.cause = circular;
    const hostile = Object.defineProperty(new Error("mean"), "stack", {
      get() {
        throw new Error("no stack");
      },
    });
    for (const [thrown, hasStack] of [
      ["text", false],
      [circular, true],
      [hostile, false],
    ] as const) {
      const received: AnyHandler = () => {
        throw thrown;
      };
      const { engine, place, logged } = engineOf(t, appOf(tryingOnce, { received }));
      await engine.start();
      await place();
      assert.equal("stack" in (await logged("order failed")).fields, hasStack);
    }
  });

  test("counts, with its error in the history, when a later attempt succeeds", async (t) => {
    const received: AnyHandler = (_order, { attempt }) => {
      if (attempt < 3) throw new Error(`down ${attempt}`);
      return "done";
    };
    const { engine, place, until } = engineOf(t, appOf(one, { received }), { random: () => 0 });
    await engine.start();
    const order = await until((await place()).id, isIn("done"));
    assert.deepEqual(
      [order.past[0]?.attempts, order.past[0]?.error, order.attempts, order.entry.error],
      [3, "down 2", 0, null],
    );
  });

  test("moves the order to `exhausted` when it was the last, with its error as the reason", async (t) => {
    const received = () => {
      throw new Error("down");
    };
    const { engine, place, until, of } = engineOf(t, appOf(saved, { received }), { random: () => 0 });
    await engine.start();
    const order = await until((await place()).id, isIn("rejected"));
    assert.deepEqual(
      [order.failure, order.entry.reason, order.past[0]?.attempts, order.past[0]?.error],
      [null, "exhausted: down", 2, "down"],
    );
    await quiet();
    const { to, code, outcome } = of("attempts used up")[0]?.fields ?? {};
    assert.deepEqual([to, code, outcome], ["rejected", "handler_failed", "failed"]);
  });

  test("is the last one where it threw a PermanentError", async (t) => {
    for (const workflow of [one, saved]) {
      let runs = 0;
      const received = async () => {
        runs++;
        throw new PermanentError("blocked");
      };
      const { engine, place, until } = engineOf(t, appOf(workflow, { received }));
      await engine.start();
      const order = await until((await place()).id, (each) => isFailed(each) || each.status === "rejected");
      assert.equal(runs, 1);
      assert.deepEqual(
        [order.status, order.failure?.code, order.failure?.message, order.entry.reason],
        workflow === one
          ? ["received", "handler_failed", "blocked", null]
          : ["rejected", undefined, undefined, "exhausted: blocked"],
      );
    }
  });

  test("is followed by another after exactly the delay of its RetryError, without jitter", async (t) => {
    const received = controlled();
    const { engine, place, until, clock } = engineOf(t, appOf(one, { received: received.handler }), {
      random: () => assert.fail("a RetryError needs no jitter"),
    });
    await engine.start();
    const { id } = await place();
    (await received.call(1)).fail(new RetryError({ delaySeconds: 90_000.5, message: "tomorrow" }));
    const order = await until(id, (each) => each.attempts === 1);
    assert.deepEqual([order.notBefore, order.entry.error], [clock.now() + 90_000_500, "tomorrow"]);
    clock.advance(90_000.499);
    await quiet();
    assert.equal(received.calls.length, 1);
    clock.advance(0.001);
    (await received.call(2)).fail(new RetryError({ delaySeconds: 0 }));
    (await received.call(3)).fail(new RetryError({ delaySeconds: 5 }));
    assert.equal((await until(id, isFailed)).attempts, 3, "it still uses up an attempt");
  });

  test("is followed by another after the policy's delay where its RetryError's delay was overwritten with an invalid one", async (t) => {
    for (const delaySeconds of [Number.NaN, "soon", null, -1, Number.POSITIVE_INFINITY]) {
      const received = controlled();
      const { engine, place, until, clock } = engineOf(t, appOf(one, { received: received.handler }), {
        random: () => 1,
      });
      await engine.start();
      const { id } = await place();
      (await received.call(1)).fail(Object.assign(new RetryError({ delaySeconds: 90 }), { delaySeconds }));
      const order = await until(id, (each) => each.attempts === 1);
      assert.equal(order.notBefore, clock.now() + 4_000);
    }
  });

  test("may have thrown any value", async (t) => {
    const inspected = Symbol.for("nodejs.util.inspect.custom");
    const fail = () => {
      throw new Error("not even that");
    };
    const thrown: [unknown, RegExp][] = [
      ["gateway down", /^gateway down$/],
      ["", /^''$/],
      [undefined, /^undefined$/],
      [null, /^null$/],
      [42, /^42$/],
      [Object.create(null), /null prototype/],
      [{ code: "E_DOWN" }, /E_DOWN/],
      [new Error(""), /^Error$/],
      [new TypeError(""), /^TypeError$/],
      [Object.assign(new Error("x"), { message: Object.create(null) }), /no description/],
      [{ [inspected]: fail }, /no description/],
      [new Proxy({}, { getPrototypeOf: fail }), /^\{\}$/],
    ];
    for (const [error, message] of thrown) {
      const throws = () => {
        throw error;
      };
      for (const received of [throws, async () => throws()]) {
        const { engine, place, until } = engineOf(t, appOf(tryingOnce, { received }));
        await engine.start();
        const order = await until((await place()).id, isFailed);
        assert.equal(order.failure?.code, "handler_failed");
        assert.match(order.failure.message, message);
      }
    }
  });

  test("holds up no other order", async (t) => {
    const received: AnyHandler = ({ data }) => {
      if ((data as { bad?: boolean }).bad) throw new Error("down");
      return "done";
    };
    const { engine, place, until } = engineOf(
      t,
      appOf(workflowOf({ received: { to: ["done"], concurrency: 1 }, done: final }), { received }),
    );
    await engine.start();
    const bad = await place({ bad: true });
    await until(bad.id, (order) => order.attempts === 1);
    await until((await place()).id, isIn("done"));
    assert.equal((await until(bad.id, () => true)).status, "received");
  });

  test("counts as the first after an operator's retry, under the same idempotency key", async (t) => {
    const received = controlled();
    const { engine, place, until } = engineOf(t, appOf(tryingOnce, { received: received.handler }));
    await engine.start();
    const { id } = await place();
    (await received.call(1)).fail(new Error("down"));
    await until(id, isFailed);
    await engine.retry(id);
    const call = await received.call(2);
    assert.deepEqual([call.context.attempt, call.order.failure, call.order.history.at(-1)?.error], [1, null, "down"]);
    assert.equal(call.context.idempotencyKey, received.calls[0]?.context.idempotencyKey);
    call.answer("done");
    await until(id, isIn("done"));
  });
});

describe("the order and the context of a handler", () => {
  const two = workflowOf({ received: { to: ["priced"] }, priced: { to: ["done"] }, done: final });

  test("a handler gets the same idempotency key on every attempt of a visit, and another on the next visit", async (t) => {
    const handled = controlled();
    const { engine, place, until } = engineOf(t, appOf(two, { received: handled.handler, priced: handled.handler }), {
      random: () => 0,
    });
    await engine.start();
    const { id } = await place();
    (await handled.call(1)).fail(new Error("down"));
    (await handled.call(2)).answer("priced");
    (await handled.call(3)).answer("done");
    await until(id, isIn("done"));
    assert.deepEqual(
      handled.calls.map(({ context }) => [context.idempotencyKey, context.attempt]),
      [
        [`${id}:0`, 1],
        [`${id}:0`, 2],
        [`${id}:1`, 1],
      ],
    );
  });

  test("a handler gets the resources, and a log whose lines say which attempt wrote them", async (t) => {
    const app = appOf(
      one,
      {
        received: (_order, { gateway, log }) => {
          log.info({ amount: 5 }, `asking ${gateway}`);
          log.warn({ orderId: "mine" }, "slow");
          log.error({}, "gone");
          return "done";
        },
      },
      { resources: async () => ({ gateway: "the gateway" }) },
    );
    const { engine, place, logged, lines } = engineOf(t, app);
    await engine.start();
    const { id } = await place();
    await logged("attempt done");
    const fields = { orderId: id, status: "received", visit: 0, attempt: 1 };
    assert.deepEqual(lines, [
      { level: "info", fields: { ...fields, amount: 5 }, message: "asking the gateway" },
      { level: "warn", fields: { ...fields, orderId: "mine" }, message: "slow" },
      { level: "error", fields, message: "gone" },
      { level: "info", fields: { ...fields, milliseconds: 0, outcome: "moved", to: "done" }, message: "attempt done" },
    ]);
  });

  test("a handler gets an order of its own, and its changes to that object do not reach the stored order", async (t) => {
    const data = { items: [{ sku: "TEA-1" }] };
    const spoil: AnyHandler = (order, { attempt }) => {
      const loose = order as unknown as { status: string; data: typeof data; results: Record<string, unknown> };
      loose.data.items.push({ sku: "BAD-1" });
      loose.results.paid = true;
      loose.status = "done";
      for (const visit of order.history) {
        Object.assign(visit, { status: "spoilt" });
        Object.assign(visit.by, { name: "spoilt" });
      }
      assert.equal(loose.data.items.length, 2, "what a handler did to its order stays there");
      if (attempt === 1) throw new Error("down");
      return "priced";
    };
    const { engine, place, until } = engineOf(t, appOf(two, { received: spoil, priced: () => "done" }), {
      random: () => 0,
    });
    await engine.start();
    const order = await until((await place(data)).id, isIn("done"));
    assert.deepEqual([JSON.parse(order.dataJson), resultsOf(order)], [data, {}]);
    assert.deepEqual(pathOf(order), ["received", "priced", "done"]);
    const fresh = await place(data);
    for (const { by } of [...order.past, order.entry, fresh.entry]) assert.equal(by.name, "test");
  });
});

describe("a lazy handler", () => {
  const lazily = (load: () => Promise<{ default: AnyHandler }>) => ({ received: { lazy: load } });

  test("loads once, when its status first needs it", async (t) => {
    let loads = 0;
    const loaded = Promise.withResolvers<{ default: AnyHandler }>();
    const load = () => {
      loads++;
      return loaded.promise;
    };
    const { engine, place, until } = engineOf(t, appOf(one, lazily(load)));
    await engine.start();
    await quiet();
    assert.equal(loads, 0);
    const orders = [await place(), await place(), await place()];
    await quiet();
    loaded.resolve({ default: () => "done" });
    for (const { id } of orders) await until(id, isIn("done"));
    await until((await place()).id, isIn("done"));
    assert.equal(loads, 1);
  });

  test("is found in a CommonJS build of its module", async (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const file = join(directory, "received.cjs");
    const mark = 'Object.defineProperty(exports, "__esModule", { value: true });';
    writeFileSync(file, `${mark} exports.default = () => "done";`);
    const app = appOf(
      one,
      lazily(() => import(pathToFileURL(file).href)),
    );
    const { engine, place, until } = engineOf(t, app, { random: () => 0 });
    await engine.start();
    const order = await until((await place()).id, (each) => isIn("done")(each) || isFailed(each));
    assert.deepEqual([order.status, order.failure], ["done", null]);
  });

  test("fails the attempt where its module does not load, and the next attempt loads the module again", async (t) => {
    const failing = () => {
      throw new Error("no such module");
    };
    for (const fail of [failing, async () => failing()]) {
      let loads = 0;
      const load = () => (++loads < 3 ? fail() : Promise.resolve({ default: () => "done" }));
      const { engine, place, until } = engineOf(t, appOf(one, lazily(load)), { random: () => 0 });
      await engine.start();
      const order = await until((await place()).id, isIn("done"));
      assert.deepEqual([order.past[0]?.attempts, order.past[0]?.error, loads], [3, "no such module", 3]);
    }
  });

  test("fails the attempt where its module has no function as its default export, and the failure says so", async (t) => {
    for (const module of [{}, { default: "done" }, undefined]) {
      const app = appOf(
        one,
        lazily(async () => module as unknown as { default: AnyHandler }),
      );
      const { engine, place, until } = engineOf(t, app, { random: () => 0 });
      await engine.start();
      const order = await until((await place()).id, isFailed);
      assert.deepEqual([order.failure?.code, order.attempts], ["app_invalid", 3]);
      assert.match(order.failure?.message ?? "", /add `export default`/);
    }
  });
});

/** Makes a promise that is not JavaScript's own. */
function thenable(value: unknown) {
  return {
    // biome-ignore lint/suspicious/noThenProperty: libraries that make their own promises do so.
    then: (resolve: (value: unknown) => void) => setImmediate(resolve, value),
  };
}
