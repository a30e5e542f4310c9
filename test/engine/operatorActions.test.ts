import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { z } from "zod";
import type { AnyHandler } from "../../src/core/handlers.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { final } from "../../src/core/workflow.ts";
import {
  actor,
  appOf,
  cauceError,
  controlled,
  engineOf,
  isFailed,
  isIn,
  type Options,
  openStore,
  pathOf,
  refused,
  resultsOf,
  taken,
  workflowOf,
} from "./support.ts";

const review = workflowOf(
  {
    review: { to: ["approved", "rejected"], waits: true },
    approved: { to: ["done"], exhausted: "rejected", retry: { attempts: 1 } },
    old: { to: ["done"], waits: true, retired: true },
    rejected: final,
    done: final,
  },
  { results: z.object({ reviewer: z.string(), amount: z.number() }).partial() },
);

function reviewing(t: TestContext, options: Options = {}) {
  return engineOf(t, appOf(review, { approved: () => "done" }), options);
}

describe("a transition", () => {
  test("moves a waiting order, with who asked, why, and the results it brings", async (t) => {
    const { engine, place, get } = reviewing(t);
    const { id } = await place();
    const request = { to: "rejected", reason: "too dear", results: { reviewer: "ana" } };
    const { moved, order } = taken(await engine.transition(id, request, { requestId: "r-1" }));
    assert.equal(moved, true);
    assert.deepEqual(await get(id), order);
    assert.deepEqual(
      [pathOf(order), order.version, resultsOf(order)],
      [["review", "rejected"], 2, { reviewer: "ana" }],
    );
    assert.deepEqual(
      [order.entry.reason, order.entry.by],
      ["too dear", { ...actor, requestId: "r-1", messageId: null }],
    );
  });

  test("is followed by a delivery where it leads to a handled status", async (t) => {
    const { engine, place, until } = reviewing(t);
    await engine.start();
    const { id } = await place();
    taken(await engine.transition(id, { to: "approved" }));
    assert.deepEqual(pathOf(await until(id, isIn("done"))), ["review", "approved", "done"]);
  });

  test("is refused where the workflow does not allow it, and changes nothing", async (t) => {
    const { engine, place, get, changes } = reviewing(t);
    const order = await place();
    const cases: [string, RegExp][] = [
      ["done", /may move to approved, rejected, not to "done"/],
      ["review", /not to "review"/],
      ["nowhere", /"nowhere" is no status/],
      ["constructor", /is no status/],
      ["old", /retired/],
    ];
    for (const [to, message] of cases) {
      const refusal = refused(await engine.transition(order.id, { to }), "transition_not_allowed");
      assert.match(refusal.message, message);
    }
    refused(await engine.transition("0193", { to: "approved" }), "order_not_found");
    assert.deepEqual([await get(order.id), changes.length], [order, 0]);

    const approved = await place();
    taken(await engine.transition(approved.id, { to: "approved" }));
    refused(await engine.transition(approved.id, { to: "done" }), "being_handled");
    const rejected = await place();
    taken(await engine.transition(rejected.id, { to: "rejected" }));
    const refusal = refused(await engine.transition(rejected.id, { to: "approved" }), "transition_not_allowed");
    assert.match(refusal.message, /final/);
  });

  test("moves a failed order to what its status allows, or to its `exhausted`", async (t) => {
    const workflow = workflowOf({
      received: { to: ["done"], exhausted: "rejected" },
      done: final,
      rejected: final,
      elsewhere: final,
    });
    const { clock, backend } = await openStore(t);
    for (const to of ["done", "rejected"]) {
      // An older definition, without `exhausted`, marked the order failed.
      const older = workflowOf({ received: { to: ["done"], retry: { attempts: 1 } }, done: final });
      const fails: AnyHandler = () => {
        throw new Error("down");
      };
      const before = engineOf(t, appOf(older, { received: fails }), { clock, backend });
      await before.engine.start();
      const { id } = await before.place();
      await before.until(id, isFailed);
      await before.engine.stop();

      const { engine } = engineOf(t, appOf(workflow, { received: () => "done" }), { clock, backend });
      refused(await engine.transition(id, { to: "elsewhere" }), "transition_not_allowed");
      const { order } = taken(await engine.transition(id, { to }));
      assert.deepEqual([order.status, order.failure, order.past[0]?.error], [to, null, "down"]);
    }
  });

  test("is refused with each fault where its results do not fit, and changes nothing", async (t) => {
    const { engine, place, get } = reviewing(t);
    const order = await place();
    const results = { reviewer: 5, amount: "much" };
    const refusal = refused(await engine.transition(order.id, { to: "approved", results }), "invalid_results");
    assert.deepEqual(
      refusal.faults?.map(({ path }) => path),
      ["reviewer", "amount"],
    );
    for (const bad of [{ amount: 1n }, { reviewer: "\ud800" }]) {
      const keyed = engine.transition(order.id, { to: "approved", results: bad }, { idempotencyKey: "k" });
      refused(await keyed, "invalid_results");
    }
    assert.deepEqual(await get(order.id), order);
  });

  for (const idempotencyKey of [undefined, "k"]) {
    const how = idempotencyKey === undefined ? "without a key" : "with a key";
    test(`is refused with the path of what JSON has no word for in its results, ${how}`, async (t) => {
      const { engine, place, get } = reviewing(t);
      const order = await place();
      for (const [results, path] of [
        [{ amount: 1, detail: { rate: Number.NaN } }, "detail.rate"],
        [{ reviewer: Promise.resolve("ana") }, "reviewer"],
        [{ seen: [new Set()] }, "seen.0"],
      ] as const) {
        const asked = engine.transition(order.id, { to: "approved", results }, { idempotencyKey });
        const refusal = refused(await asked, "invalid_results");
        assert.deepEqual(
          refusal.faults?.map((fault) => fault.path),
          [path],
        );
      }
      assert.deepEqual(await get(order.id), order);
    });
  }

  test("moves the order only at its `expectedVersion`", async (t) => {
    const { engine, place } = reviewing(t);
    const { id, version } = await place();
    for (const other of [version - 1, version + 1]) {
      const refusal = refused(await engine.transition(id, { to: "rejected", expectedVersion: other }), "stale");
      assert.match(refusal.message, new RegExp(`version ${version}, not ${other}`));
    }
    taken(await engine.transition(id, { to: "rejected", expectedVersion: version }));
    refused(await engine.transition(id, { to: "rejected", expectedVersion: version }), "stale");
  });

  test("is not bounded by `visitsMax`, which is for handlers", async (t) => {
    const ring = workflowOf(
      { here: { to: ["there"], waits: true }, there: { to: ["here"], waits: true } },
      { visitsMax: 1 },
    );
    const { engine, place, get } = engineOf(t, appOf(ring));
    const { id } = await place();
    for (const to of ["there", "here", "there"]) taken(await engine.transition(id, { to }));
    assert.deepEqual(pathOf(await get(id)), ["here", "there", "here", "there"]);
  });
});

for (const store of ["memory", "sqlite"] as const) {
  test(`many transitions of one order at once move it exactly once (${store})`, async (t) => {
    const { clock, backend } = await openStore(t, store);
    const { engine, place, get, changes } = reviewing(t, { clock, backend });
    const { id, version } = await place();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const to = n % 2 ? "approved" : "rejected";
        return engine.transition(id, n % 3 ? { to } : { to, expectedVersion: version });
      }),
    );
    assert.equal(results.filter((result) => !("refused" in result)).length, 1);
    assert.deepEqual([changes.length, (await get(id)).version], [1, 2]);
  });
}

describe("a transition with an idempotency key", () => {
  test("moves the order once where it is repeated, and the repeat gets the order as it is by then", async (t) => {
    const { engine, place, until, changes } = reviewing(t);
    await engine.start();
    const { id } = await place();
    const request = { to: "approved", results: { amount: 5, reviewer: "ana" } };
    const key = { idempotencyKey: "webhook-1" };
    const first = taken(await engine.transition(id, request, key));
    const order = await until(id, isIn("done"));
    const reordered = { results: { reviewer: "ana", amount: 5 }, reason: undefined, to: "approved" };
    const again = taken(await engine.transition(id, reordered, key));
    assert.deepEqual([first.moved, again.moved, again.order], [true, false, order]);
    assert.equal(changes.length, 2);
  });

  test("is a conflict where the key was used for another request of the order, and not where another order has it", async (t) => {
    const { engine, place } = reviewing(t);
    const [one, two] = [await place(), await place()];
    const key = { idempotencyKey: "k" };
    taken(await engine.transition(one.id, { to: "approved" }, key));
    for (const request of [{ to: "rejected" }, { to: "approved", reason: "x" }]) {
      refused(await engine.transition(one.id, request, key), "idempotency_conflict");
    }
    assert.equal(taken(await engine.transition(two.id, { to: "rejected" }, key)).moved, true);
  });

  test("moves the order once where it is sent many times at once, and every call is answered", async (t) => {
    const { engine, place, changes } = reviewing(t);
    const { id } = await place();
    const results = await Promise.all(
      Array.from({ length: 10 }, () => engine.transition(id, { to: "approved" }, { idempotencyKey: "k" })),
    );
    assert.equal(results.filter((result) => taken(result).moved).length, 1);
    assert.equal(changes.length, 1);
  });

  test("keeps its key as hashes, and the key of a refused transition may be used again", async (t) => {
    const { engine, place } = reviewing(t);
    const { id } = await place();
    const key = { idempotencyKey: "secret" };
    refused(await engine.transition(id, { to: "done" }, key), "transition_not_allowed");
    const { order } = taken(await engine.transition(id, { to: "approved" }, key));
    assert.match(order.entry.key ?? "", /^[0-9a-f]{64}:[0-9a-f]{64}$/);
  });
});

/** Makes failed orders, each with the message that its data names. */
async function failing(t: TestContext, messages: readonly string[], options: Options = {}) {
  const workflow = workflowOf({
    received: { to: ["priced", "done"], retry: { attempts: 1 } },
    priced: { to: ["done"], retry: { attempts: 1 } },
    done: final,
  });
  const healed = { yes: false };
  const handler: AnyHandler = ({ data, status }) => {
    if (healed.yes) return "done";
    const { message, at = "received" } = data as { message: string; at?: string };
    if (at !== status) return "priced";
    throw new Error(message);
  };
  const running = engineOf(t, appOf(workflow, { received: handler, priced: handler }), options);
  await running.engine.start();
  const orders: StoredOrder[] = [];
  for (const text of messages) {
    const [message, at] = text.split("@");
    orders.push(await running.until((await running.place({ message, at })).id, isFailed));
  }
  return { ...running, orders, ids: orders.map(({ id }) => id), healed };
}

describe("a retry", () => {
  test("starts a failed order again, in its status, with all its attempts", async (t) => {
    const { engine, until, ids, healed } = await failing(t, ["down"]);
    const [id = ""] = ids;
    const { order } = taken(await engine.retry(id, { requestId: "r-1" }));
    assert.deepEqual([order.status, order.visit, order.attempts, order.failure], ["received", 0, 0, null]);
    await until(id, isFailed);
    healed.yes = true;
    taken(await engine.retry(id));
    const done = await until(id, isIn("done"));
    assert.deepEqual([done.past[0]?.attempts, done.past[0]?.error], [1, "down"]);
  });

  test("is refused where its order has not failed, or is not there", async (t) => {
    const { engine, place } = reviewing(t);
    refused(await engine.retry((await place()).id), "not_failed");
    refused(await engine.retry("0193"), "order_not_found");
  });

  test("starts its order once where it is asked for many times at once", async (t) => {
    const { engine, changes, ids } = await failing(t, ["down"]);
    const [id = ""] = ids;
    // The engine is stopped, so the order does not fail again in between.
    await engine.stop();
    const before = changes.length;
    const results = await Promise.all(Array.from({ length: 10 }, () => engine.retry(id)));
    const others = results.filter((result) => "refused" in result);
    assert.deepEqual([changes.length - before, others.length], [1, 9]);
    for (const other of others) refused(other, "not_failed");
  });
});

describe("a retry of many", () => {
  const messages = [
    "card 1 declined",
    "card 2 declined",
    "gateway down",
    "card 3 declined@priced",
    "gateway down@priced",
  ];
  const statusesOf = async (running: Awaited<ReturnType<typeof failing>>) =>
    (await Promise.all(running.ids.map(running.get))).map((order) => (isFailed(order) ? "failed" : "started"));
  async function retry(
    t: TestContext,
    filter: (running: Awaited<ReturnType<typeof failing>>) => Parameters<typeof running.engine.retryMany>[0],
  ) {
    const running = await failing(t, messages);
    // The engine is stopped, so started orders stay in their status.
    await running.engine.stop();
    const result = await running.engine.retryMany(filter(running));
    return { ...result, now: await statusesOf(running) };
  }

  test("takes all failed orders, those of a status, of a fingerprint, of both, or those of given ids", async (t) => {
    const [yes, no] = ["started", "failed"];
    const fingerprint = "card … declined";
    assert.deepEqual(await retry(t, () => ({})), { retried: 5, nextCursor: null, now: Array(5).fill(yes) });
    assert.deepEqual(await retry(t, () => ({ status: "priced" })), {
      retried: 2,
      nextCursor: null,
      now: [no, no, no, yes, yes],
    });
    assert.deepEqual(await retry(t, () => ({ fingerprint })), {
      retried: 3,
      nextCursor: null,
      now: [yes, yes, no, yes, no],
    });
    assert.deepEqual(await retry(t, () => ({ fingerprint, status: "received" })), {
      retried: 2,
      nextCursor: null,
      now: [yes, yes, no, no, no],
    });
    assert.deepEqual(await retry(t, ({ ids }) => ({ ids: [ids[0] ?? "", ids[4] ?? "", "0193", ids[0] ?? ""] })), {
      retried: 2,
      nextCursor: null,
      now: [yes, no, no, no, yes],
    });
    assert.deepEqual(await retry(t, ({ ids }) => ({ ids, status: "priced", fingerprint })), {
      retried: 1,
      nextCursor: null,
      now: [no, no, no, yes, no],
    });
    assert.deepEqual(await retry(t, () => ({ fingerprint: "none such" })), {
      retried: 0,
      nextCursor: null,
      now: Array(5).fill(no),
    });
  });

  test("goes on at its cursor, and starts each order once, also orders that fail again at once", async (t) => {
    for (const byIds of [false, true]) {
      const { engine, ids, changes } = await failing(t, Array(7).fill("down"));
      const retried: number[] = [];
      const before = changes.length;
      let cursor: string | undefined;
      do {
        const result = await engine.retryMany({ limit: 3, cursor, ...(byIds ? { ids } : {}) });
        retried.push(result.retried);
        cursor = result.nextCursor ?? undefined;
      } while (cursor !== undefined);
      assert.deepEqual(retried, [3, 3, 1]);
      const started = changes.slice(before).filter(({ after }) => after.failure === null);
      assert.deepEqual(started.map(({ after }) => after.id).toSorted(), ids.toSorted());
    }
  });

  test("refuses a cursor that no retry of many returned", async (t) => {
    const { engine, ids } = await failing(t, ["down"]);
    for (const cursor of ["x", "-1", "1.5", "0"]) {
      await assert.rejects(engine.retryMany({ cursor }), cauceError("invalid_cursor"));
      await assert.rejects(engine.retryMany({ ids, cursor }), cauceError("invalid_cursor"));
    }
  });

  test("takes at most 1,000 orders a call by default, over several pages", async (t) => {
    const running = await failing(t, []);
    const orders = await Promise.all(Array.from({ length: 1_001 }, () => running.place({ message: "down" })));
    for (const { id } of orders) await running.until(id, isFailed);
    running.healed.yes = true;
    const first = await running.engine.retryMany({});
    assert.equal(first.retried, 1_000);
    const rest = await running.engine.retryMany({ cursor: first.nextCursor ?? assert.fail() });
    assert.deepEqual(rest, { retried: 1, nextCursor: null });
  });

  test("leaves out orders that another call changes at that moment, and counts only its own", async (t) => {
    const { engine, ids, changes, healed } = await failing(t, Array(20).fill("down"));
    healed.yes = true;
    const before = changes.length;
    const [one, two] = await Promise.all([engine.retryMany({}), engine.retryMany({ ids })]);
    assert.equal(one.retried + two.retried, 20);
    const started = changes.slice(before).filter(({ before }) => before.failure !== null);
    assert.equal(started.length, 20);
  });
});

test("failures are grouped by status and fingerprint, the largest first, with first, last and latest message", async (t) => {
  const { engine, clock, place, until } = await failing(t, [
    "gateway down",
    "card 1 declined",
    "card 1 declined@priced",
  ]);
  const start = clock.now();
  clock.advance(60);
  await until((await place({ message: "card 2 declined" })).id, isFailed);
  const card = { status: "received", fingerprint: "card … declined", message: "card 2 declined" };
  const [largest, ...others] = await engine.failures();
  assert.deepEqual(largest, { ...card, count: 2, firstAt: start, lastAt: start + 60_000 });
  assert.deepEqual(
    others.map(({ status, message, count, lastAt }) => [status, message, count, lastAt - start]).toSorted(),
    [
      ["priced", "card 1 declined", 1, 0],
      ["received", "gateway down", 1, 0],
    ],
  );
});

test("an order that its handler has can be moved by no request and started by no retry", async (t) => {
  const approved = controlled();
  const { engine, place, until } = engineOf(t, appOf(review, { approved: approved.handler }));
  await engine.start();
  const { id } = await place();
  taken(await engine.transition(id, { to: "approved" }));
  const call = await approved.call(1);
  refused(await engine.transition(id, { to: "rejected" }), "being_handled");
  refused(await engine.retry(id), "not_failed");
  call.answer("done");
  await until(id, isIn("done"));
});

describe("removal", () => {
  test("erases a final order, and says so in the log, since its history is gone", async (t) => {
    const { engine, place, of } = reviewing(t);
    const { id } = await place();
    refused((await engine.remove(id)) ?? {}, "order_not_final");
    taken(await engine.transition(id, { to: "rejected" }));
    assert.equal(await engine.remove(id, { requestId: "r-1" }), undefined);
    assert.equal(await engine.get(id), undefined);
    assert.deepEqual(
      of("order removed").map(({ fields }) => fields),
      [{ orderId: id, requestId: "r-1" }],
    );
    refused((await engine.remove(id)) ?? {}, "order_not_found");
    refused(await engine.transition(id, { to: "rejected" }), "order_not_found");
  });
});
