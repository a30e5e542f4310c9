import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { type Change, type DecideContext, decide, type Outcome } from "../../src/core/decide.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { type AnyWorkflow, final, kindOf, retryOf, statusOf } from "../../src/core/workflow.ts";
import { type ExpectedChange, type GivenOrder, given } from "../../src/testing/given.ts";

const visitsMax = 6;
const orders = defineWorkflow({
  name: "orders",
  data: z.object({}),
  results: z.object({ tracking: z.string(), payment: z.string() }).partial(),
  initial: "received",
  visitsMax,
  statuses: {
    received: { to: ["awaiting", "paid", "rejected"], retry: { attempts: 3, baseSeconds: 2, maxSeconds: 5 } },
    awaiting: { to: ["paid", "rejected"], waits: true, expires: { afterSeconds: 60, to: "cancelled" } },
    review: { to: ["paid", "review"], waits: true },
    paid: { to: ["shipped", "received"], retry: { attempts: 2 }, exhausted: "rejected" },
    checked: { to: ["shipped"], retry: { attempts: 1 }, exhausted: "review" },
    old: { to: ["paid"], retired: true },
    oldWait: { to: ["paid"], waits: true, retired: true },
    shipped: final,
    rejected: final,
    cancelled: final,
  },
});

const freeOptions = {
  name: "free",
  data: z.object({}),
  initial: "a",
  statuses: { a: { to: ["b"] }, b: final },
} as const;
const free = defineWorkflow(freeOptions);

const down = { kind: "failed", code: "handler_failed", message: "down" } as const satisfies Outcome;
const late: Outcome = { kind: "failed", code: "attempt_timed_out", message: "too slow" };
const permanent: Outcome = { ...down, permanent: true };
const redelivered: Outcome = { kind: "redelivered" };
const expired: Outcome = { kind: "expired" };
const retried: Outcome = { kind: "retried" };
const unknown: Outcome = { kind: "unknown" };
const moved = (to: string, results?: object): Outcome => ({ kind: "moved", to, results });
const requested = (to: string, results?: object): Outcome => ({ kind: "requested", to, results });
const lost = "the process that ran the handler ended before the handler did";

type Row = readonly [
  what: string,
  order: GivenOrder<typeof orders>,
  outcome: Outcome,
  expected: ExpectedChange<typeof orders>,
];
type RefusedRow = readonly [
  what: string,
  order: GivenOrder<typeof orders>,
  outcome: Outcome,
  code: ErrorCode,
  message: RegExp,
];

function check(rows: readonly Row[]): void {
  for (const [what, order, outcome, expected] of rows) {
    it(what, () => {
      given(orders, order).when(outcome).then(expected);
    });
  }
}

function checkRefused(rows: readonly RefusedRow[]): void {
  for (const [what, order, outcome, code, message] of rows) {
    it(what, () => {
      given(orders, order).when(outcome).refused(code, message);
    });
  }
}

describe("decide: a handler returned", () => {
  check([
    [
      "a returned handled status puts the order into that status's queue, on the next visit",
      { group: "c-1", entry: { error: "earlier" }, notBefore: 5, attempts: 1 },
      moved("paid"),
      {
        status: "paid",
        kind: "handled",
        visit: 1,
        version: 2,
        attempts: 0,
        notBefore: null,
        group: "c-1",
        entry: { at: 0, reason: null, error: null },
        delivery: "enter",
        ended: { status: "received", visit: 0, attempts: 2, error: "earlier" },
      },
    ],
    [
      "a returned waiting status makes the order wait until its expiry",
      {},
      moved("awaiting"),
      { kind: "waiting", expiresAt: 60_000, delivery: "end" },
    ],
    ["a returned final status ends the order's deliveries", {}, moved("rejected"), { kind: "final", delivery: "end" }],
    [
      "a move in the last attempt counts that attempt in the visit that ends",
      { attempts: 2 },
      moved("paid"),
      { status: "paid", ended: { attempts: 3 }, attempts: 0, attempting: false },
    ],
    [
      "a move in an attempt that was recorded when it started does not count the attempt twice",
      { attempts: 2, attempting: true },
      moved("paid"),
      { status: "paid", ended: { attempts: 2 }, attempting: false },
    ],
    [
      "results are merged key by key",
      { results: { tracking: "old", payment: "p" } },
      moved("paid", { tracking: "new" }),
      { status: "paid", results: { tracking: "new", payment: "p" } },
    ],
    [
      "a move without results keeps the stored results",
      { results: { payment: "p" } },
      moved("paid"),
      { results: { payment: "p" } },
    ],
    ["a handler of a retired status moves its orders on", { status: "old" }, moved("paid"), { status: "paid" }],
    [
      "a returned status that may not follow fails the order at once, whatever attempts are left",
      {},
      moved("shipped"),
      {
        status: "received",
        visit: 0,
        version: 2,
        attempts: 1,
        failure: {
          code: "invalid_transition",
          message: 'the handler of "received" returned "shipped"; it may return awaiting, paid, rejected',
          at: 0,
        },
        delivery: "end",
        ended: null,
      },
    ],
    [
      "a returned status that does not exist fails the order at once",
      {},
      moved("nowhere"),
      { failure: { code: "invalid_transition" }, delivery: "end" },
    ],
    [
      "a returned name that every object has fails the order at once",
      {},
      moved("constructor"),
      { failure: { code: "invalid_transition" } },
    ],
    [
      "a returned status that may not follow moves the order to `exhausted` where its status has one",
      { status: "paid" },
      moved("cancelled"),
      { status: "rejected", failure: null, ended: { attempts: 1 }, delivery: "end" },
    ],
    [
      "results that do not fit the schema fail the order at once and are not stored",
      { results: { payment: "p" } },
      moved("paid", { tracking: 5 }),
      {
        status: "received",
        attempts: 1,
        results: { payment: "p" },
        failure: { code: "invalid_results" },
        delivery: "end",
      },
    ],
    [
      "results that are no object fail the order at once",
      {},
      moved("paid", ["t"]),
      { failure: { code: "invalid_results" } },
    ],
    [
      "results that are null fail the order at once",
      {},
      moved("paid", null as never),
      { failure: { code: "invalid_results" } },
    ],
    [
      "a move in a status that the workflow does not know fails the order with unknown_status",
      { status: "gone" },
      moved("paid"),
      { status: "gone", failure: { code: "unknown_status" }, delivery: "end" },
    ],
  ]);

  it("results without a schema are any JSON, and values that JSON does not have are refused", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    given(free, { results: { n: 1 } })
      .when(moved("b", { list: [1, { deep: true }] }))
      .then({ results: { n: 1, list: [1, { deep: true }] } });
    given(free)
      .when(moved("b", cyclic))
      .then({ status: "a", failure: { code: "invalid_results" } });
    given(free)
      .when(moved("b", { n: 5n }))
      .then({ status: "a", failure: { code: "invalid_results" } });
  });

  it("a Map is no object of results", () => {
    given(free)
      .when(moved("b", new Map([["a", 1]])))
      .then({ failure: { code: "invalid_results" } });
  });

  it("results whose toJSON gives a text are no object of results", () => {
    given(free)
      .when(moved("b", { toJSON: () => "boo" }))
      .then({ failure: { code: "invalid_results" } });
  });

  it("a result that is undefined does not erase the stored result", () => {
    given(free, { results: { t: "x" } })
      .when(moved("b", { t: undefined }))
      .then({ results: { t: "x" } });
  });

  it("a results schema with an asynchronous check fails the order, and decide does not throw", () => {
    const results = z.object({ t: z.string().refine(async () => true) });
    const asynchronous = defineWorkflow({ ...freeOptions, results });
    given(asynchronous)
      .when(moved("b", { t: "x" }))
      .then({ status: "a", failure: { code: "invalid_results" }, delivery: "end" });
  });

  it("results are taken up to the bytes that the store holds, counted in UTF-8", () => {
    const results = { tracking: "ü".repeat(100) };
    const bytes = Buffer.byteLength(JSON.stringify(results));
    given(orders, {}, { resultsBytesMax: bytes }).when(moved("paid", results)).then({ status: "paid", results });
    given(orders, {}, { resultsBytesMax: bytes - 1 })
      .when(moved("paid", results))
      .then({ status: "received", failure: { code: "invalid_results" } });
  });
});

describe("decide: a handler threw or ran out of time", () => {
  check([
    [
      "a failed attempt with attempts left keeps the order in its status and delivers it again after half of 2 s",
      {},
      down,
      {
        status: "received",
        visit: 0,
        version: 2,
        attempts: 1,
        notBefore: 1_000,
        entry: { at: 0, error: "down" },
        failure: null,
        delivery: "again",
        ended: null,
      },
    ],
    [
      "a second failed attempt doubles the delay",
      { attempts: 1 },
      down,
      { attempts: 2, notBefore: 2_000, delivery: "again" },
    ],
    [
      "an attempt that ran out of time is tried again",
      {},
      late,
      { attempts: 1, entry: { error: "too slow" }, delivery: "again" },
    ],
    [
      "a failure of a recorded attempt does not count the attempt twice",
      { attempts: 2, attempting: true },
      down,
      { attempts: 2, attempting: false, delivery: "again" },
    ],
    [
      "a failed last attempt without `exhausted` marks the order failed in its status",
      { attempts: 2, notBefore: 1 },
      down,
      {
        status: "received",
        visit: 0,
        attempts: 3,
        notBefore: null,
        entry: { error: "down" },
        failure: { code: "handler_failed", message: "down", fingerprint: "down", at: 0 },
        delivery: "end",
        ended: null,
      },
    ],
    [
      "a last attempt that ran out of time marks the order failed",
      { attempts: 2 },
      late,
      { failure: { code: "attempt_timed_out" }, delivery: "end" },
    ],
    [
      "a failed last attempt that was recorded when it started marks the order failed",
      { attempts: 3, attempting: true },
      down,
      { attempts: 3, attempting: false, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "a failure past the attempts that a changed definition allows marks the order failed",
      { attempts: 7 },
      down,
      { attempts: 8, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "a failed last attempt with `exhausted` moves the order there, and the visit keeps the error",
      { status: "paid", attempts: 1 },
      down,
      {
        status: "rejected",
        visit: 1,
        version: 2,
        failure: null,
        entry: { reason: "exhausted: down", error: null },
        delivery: "end",
        ended: { status: "paid", visit: 0, attempts: 2, error: "down" },
      },
    ],
    [
      "a failed last attempt with a waiting `exhausted` makes the order wait there",
      { status: "checked" },
      down,
      { status: "review", kind: "waiting", expiresAt: null, delivery: "end" },
    ],
    [
      "a permanent failure marks the order failed in its first attempt",
      {},
      permanent,
      { attempts: 1, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "a permanent failure with `exhausted` moves the order there in its first attempt",
      { status: "paid" },
      permanent,
      { status: "rejected", ended: { attempts: 1 } },
    ],
    [
      "a permanent failure that asks for a delay marks the order failed all the same",
      {},
      { ...permanent, delaySeconds: 3 },
      { notBefore: null, delivery: "end" },
    ],
    [
      "a failure that asks for a delay gets it",
      {},
      { ...down, delaySeconds: 90 },
      { attempts: 1, notBefore: 90_000, delivery: "again" },
    ],
    [
      "a failure that asks for a delay of 0 s is tried again at once",
      {},
      { ...down, delaySeconds: 0 },
      { attempts: 1, notBefore: 0, delivery: "again" },
    ],
    [
      "a failure that asks for less than a millisecond gets one millisecond",
      {},
      { ...down, delaySeconds: 0.000_1 },
      { notBefore: 1 },
    ],
    [
      "a failed last attempt that asks for a delay marks the order failed all the same",
      { attempts: 2 },
      { ...down, delaySeconds: 90 },
      { attempts: 3, notBefore: null, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "a failure in a retired status follows that status's policy",
      { status: "old" },
      down,
      { attempts: 1, delivery: "again" },
    ],
    [
      "a failure in a status that the workflow does not know fails the order with unknown_status",
      { status: "gone" },
      down,
      { failure: { code: "unknown_status" } },
    ],
  ]);

  checkRefused([
    [
      "a failure of an order that waits is refused, since no handler has the order",
      { status: "review" },
      down,
      "stale",
      /"review" and no handler has it/,
    ],
  ]);

  it("a retry option that is undefined has its default", () => {
    const retrying = (retry: object) =>
      defineWorkflow({ ...freeOptions, statuses: { a: { to: ["b"], retry }, b: final } });
    given(retrying({ attempts: undefined }), { attempts: 99 })
      .when(down)
      .then({ failure: { code: "handler_failed" } });
    given(retrying({ baseSeconds: undefined }))
      .when(down)
      .then({ notBefore: 500 });
  });

  it("a delay counts from now, and a long message is cut wherever the order keeps it", () => {
    const message = "é".repeat(2_000);
    const failed = { ...down, message };
    const cut = (order: GivenOrder<typeof orders>) => {
      const { decision } = given(orders, order, { now: 50_000, random: () => 0 }).when(failed);
      assert.ok("change" in decision);
      return decision.change;
    };
    assert.equal(cut({}).after.notBefore, 50_000);
    for (const text of [
      cut({}).after.entry.error,
      cut({ attempts: 2 }).after.failure?.message,
      cut({ status: "paid", attempts: 1 }).ended?.error,
      cut({ status: "paid", attempts: 1 }).after.entry.reason?.replace("exhausted: ", ""),
    ]) {
      assert.match(text ?? "", /^é+…$/);
      assert.ok(Buffer.byteLength(text ?? "") <= 1_024);
    }
  });
});

describe("decide: an order is delivered again, and the attempt before has no outcome", () => {
  check([
    [
      "a lost attempt counts, and the next attempt is recorded before its handler runs",
      {},
      redelivered,
      {
        status: "received",
        visit: 0,
        version: 2,
        attempts: 2,
        attempting: true,
        entry: { error: lost },
        failure: null,
        delivery: "keep",
        ended: null,
      },
    ],
    [
      "a lost attempt that may never have begun does not count, and the next attempt is recorded",
      { attempts: 0 },
      { kind: "redelivered", unattended: true },
      { attempts: 1, attempting: true, delivery: "keep" },
    ],
    [
      "a recorded attempt that was lost counts, even where its delivery is marked unattended",
      { attempts: 2, attempting: true },
      { kind: "redelivered", unattended: true },
      { attempts: 3, delivery: "keep" },
    ],
    [
      "a lost attempt that was recorded counts once",
      { attempts: 2, attempting: true },
      redelivered,
      { attempts: 3, delivery: "keep" },
    ],
    [
      "a lost last attempt marks the order failed",
      { attempts: 2 },
      redelivered,
      { attempts: 3, attempting: false, failure: { code: "worker_lost", message: lost }, delivery: "end" },
    ],
    [
      "a lost last attempt that was recorded marks the order failed",
      { attempts: 3, attempting: true },
      redelivered,
      { attempts: 3, attempting: false, failure: { code: "worker_lost" }, delivery: "end" },
    ],
    [
      "a lost last attempt with `exhausted` moves the order there",
      { status: "paid", attempts: 1 },
      redelivered,
      { status: "rejected", entry: { reason: `exhausted: ${lost}` }, ended: { attempts: 2, error: lost } },
    ],
    [
      "a policy of one attempt allows no second attempt after a lost one",
      { status: "checked" },
      redelivered,
      { status: "review" },
    ],
    [
      "a lost attempt in a status that the workflow does not know fails the order with unknown_status",
      { status: "gone" },
      redelivered,
      { failure: { code: "unknown_status" }, delivery: "end" },
    ],
  ]);

  it("a handler that always kills its process ends as failed after its attempts, never in a loop", () => {
    let story = given(orders).when(redelivered).then({ attempts: 2, attempting: true });
    story = story.when(redelivered).then({ attempts: 3, attempting: true });
    story.when(redelivered).then({ attempts: 3, failure: { code: "worker_lost" } });
  });

  it("a death and failures share the same attempts", () => {
    given(orders)
      .when(redelivered)
      .then({ attempts: 2, attempting: true })
      .when(down)
      .then({ attempts: 2, attempting: false, delivery: "again", notBefore: 2_000 })
      .when(down)
      .then({ attempts: 3, failure: { code: "handler_failed" } });
  });
});

describe("decide: the API asks to move an order", () => {
  check([
    [
      "a waiting order moves, with the request's reason, results and key",
      { status: "awaiting" },
      { kind: "requested", to: "paid", reason: "webhook", results: { payment: "p" }, key: "hash" },
      {
        status: "paid",
        kind: "handled",
        visit: 1,
        version: 2,
        attempts: 0,
        expiresAt: null,
        results: { payment: "p" },
        entry: { reason: "webhook", error: null, key: "hash" },
        delivery: "enter",
        ended: { status: "awaiting", visit: 0, attempts: 0 },
      },
    ],
    [
      "a second request leaves the first request's key and reason in the history",
      { status: "awaiting", entry: { key: "earlier", reason: "webhook", error: "e", at: -5 } },
      requested("paid"),
      { ended: { key: "earlier", reason: "webhook", error: "e", at: -5 }, entry: { reason: null, error: null } },
    ],
    [
      "a waiting order may move to a final status",
      { status: "awaiting" },
      requested("rejected"),
      { kind: "final", delivery: "end" },
    ],
    [
      "a waiting order may move to its own status, on the next visit",
      { status: "review" },
      requested("review"),
      { status: "review", visit: 1 },
    ],
    [
      "a waiting order may leave a retired status",
      { status: "oldWait" },
      requested("paid"),
      { status: "paid", delivery: "enter" },
    ],
    [
      "a failed order moves, and all its attempts begin again",
      { status: "received", failure: {}, attempts: 3 },
      requested("paid"),
      { status: "paid", failure: null, attempts: 0, delivery: "enter", ended: { attempts: 3, error: "down" } },
    ],
    [
      "a failed order may move to its status's `exhausted`",
      { status: "paid", failure: {} },
      requested("rejected"),
      { status: "rejected" },
    ],
    [
      "a failed order in a status that the workflow does not know may move to any status",
      { status: "gone", failure: { code: "unknown_status" } },
      requested("awaiting"),
      { status: "awaiting", failure: null, expiresAt: 60_000, delivery: "end", ended: { status: "gone" } },
    ],
    [
      "a waiting order in a status that the workflow does not know may move before it is marked failed",
      { status: "gone", kind: "waiting" },
      requested("shipped"),
      { status: "shipped" },
    ],
    [
      "a request may move an order past visitsMax",
      { status: "awaiting", visit: visitsMax },
      requested("paid"),
      { status: "paid", visit: visitsMax + 1, failure: null, delivery: "enter" },
    ],
  ]);

  checkRefused([
    [
      "an order that its handler will move is not moved",
      { status: "paid" },
      requested("shipped"),
      "being_handled",
      /"paid"/,
    ],
    [
      "a final order is not moved",
      { status: "shipped" },
      requested("paid"),
      "transition_not_allowed",
      /"shipped", which is final/,
    ],
    [
      "an order that ended in a status that is handled now is not moved",
      { status: "paid", kind: "final" },
      requested("shipped"),
      "transition_not_allowed",
      /"paid", which was final/,
    ],
    [
      "an order that ended in a status that waits now is not moved",
      { status: "awaiting", kind: "final" },
      requested("paid"),
      "transition_not_allowed",
      /"awaiting", which was final/,
    ],
    [
      "an order that ended in a status that the workflow no longer has is not moved",
      { status: "gone", kind: "final" },
      requested("paid"),
      "transition_not_allowed",
      /"gone", which was final/,
    ],
    [
      "a request to a status that does not exist is refused",
      { status: "awaiting" },
      requested("nowhere"),
      "transition_not_allowed",
      /"nowhere"/,
    ],
    [
      "a request to a name that every object has is refused",
      { status: "awaiting" },
      requested("__proto__"),
      "transition_not_allowed",
      /no status/,
    ],
    [
      "a request to a retired status is refused",
      { status: "gone", failure: {} },
      requested("old"),
      "transition_not_allowed",
      /"old" is retired/,
    ],
    [
      "a request to a status that may not follow is refused",
      { status: "awaiting" },
      requested("shipped"),
      "transition_not_allowed",
      /from "awaiting" an order may move to paid, rejected, not to "shipped"/,
    ],
    [
      "a request to move a failed order to a status that may not follow is refused",
      { status: "paid", failure: {} },
      requested("awaiting"),
      "transition_not_allowed",
      /shipped, received, rejected, not to "awaiting"/,
    ],
    [
      "an order that failed in a status that is final now is not moved",
      { status: "shipped", failure: {} },
      requested("paid"),
      "transition_not_allowed",
      /may move to nothing/,
    ],
    [
      "a request with results that do not fit the schema is refused",
      { status: "awaiting" },
      requested("paid", { payment: 1 }),
      "invalid_results",
      /payment/,
    ],
    [
      "a request with results that are no object is refused",
      { status: "awaiting" },
      requested("paid", []),
      "invalid_results",
      /must be an object/,
    ],
  ]);

  it("a refusal names each fault of the results by its path", () => {
    const { decision } = given(orders, { status: "awaiting" }).when(requested("paid", { payment: 1, tracking: 2 }));
    assert.ok("refused" in decision);
    assert.deepEqual(decision.faults?.map(({ path }) => path).sort(), ["payment", "tracking"]);
  });

  it("a request without a key leaves no key in the order", () => {
    const { order } = given(orders, { status: "awaiting" }).when(requested("paid")).then({});
    assert.ok(!("key" in order.entry));
  });
});

describe("decide: an order waited as long as it may", () => {
  check([
    [
      "an order whose wait expired moves on",
      { status: "awaiting", expiresAt: 0 },
      expired,
      {
        status: "cancelled",
        visit: 1,
        expiresAt: null,
        entry: { reason: "expired after 60 s" },
        delivery: "end",
        ended: { status: "awaiting", attempts: 0 },
      },
    ],
    [
      "an order whose status no longer expires waits on, without an expiry",
      { status: "review", expiresAt: 0 },
      expired,
      { status: "review", kind: "waiting", visit: 0, expiresAt: null, failure: null, delivery: "end", ended: null },
    ],
    [
      "an order whose wait expired in an unknown status fails with unknown_status",
      { status: "gone", kind: "waiting", expiresAt: 0 },
      expired,
      { failure: { code: "unknown_status" } },
    ],
  ]);

  checkRefused([
    [
      "a wait does not expire a millisecond early",
      { status: "awaiting", expiresAt: 1 },
      expired,
      "stale",
      /does not wait/,
    ],
    ["a wait without an expiry does not expire", { status: "review" }, expired, "stale", /does not wait/],
    ["an order that was moved meanwhile does not expire", { status: "paid" }, expired, "stale", /does not wait/],
    [
      "an order in a handled status does not expire, even where it carries an expiry",
      { status: "paid", expiresAt: 0 },
      expired,
      "stale",
      /does not wait/,
    ],
    ["a final order does not expire", { status: "cancelled" }, expired, "stale", /does not wait/],
    [
      "a failed order does not expire",
      { status: "awaiting", failure: {}, expiresAt: 0 },
      expired,
      "stale",
      /does not wait/,
    ],
  ]);
});

describe("decide: an operator starts a failed order again", () => {
  check([
    [
      "a retry in a handled status gives all attempts again, at the end of the queue, on the same visit",
      { status: "paid", visit: 2, attempts: 2, failure: {} },
      retried,
      {
        status: "paid",
        kind: "handled",
        visit: 2,
        version: 4,
        attempts: 0,
        attempting: false,
        notBefore: null,
        failure: null,
        entry: { error: "down" },
        delivery: "enter",
        ended: null,
      },
    ],
    [
      "a retry in a retired status puts the order into the queue",
      { status: "old", failure: {} },
      retried,
      { failure: null, delivery: "enter" },
    ],
    [
      "a retry in a waiting status starts the whole wait again",
      { status: "awaiting", failure: {} },
      retried,
      { kind: "waiting", failure: null, expiresAt: 60_000, delivery: "end" },
    ],
    [
      "a retry in a status that is final now ends the order",
      { status: "shipped", kind: "handled", failure: {} },
      retried,
      { kind: "final", failure: null, delivery: "end" },
    ],
  ]);

  checkRefused([
    [
      "an order in a handled status that has not failed is not retried",
      { status: "paid" },
      retried,
      "not_failed",
      /"paid"/,
    ],
    ["a waiting order is not retried", { status: "awaiting" }, retried, "not_failed", /"awaiting"/],
    ["a final order is not retried", { status: "shipped" }, retried, "not_failed", /"shipped"/],
    [
      "a failed order in an unknown status is not retried",
      { status: "gone", failure: {} },
      retried,
      "transition_not_allowed",
      /"gone".*move it to another status/,
    ],
  ]);
});

describe("decide: an order stands in a status that the workflow does not know", () => {
  check([
    [
      "an order in an unknown status is marked failed in that status",
      { status: "gone", attempts: 1, attempting: true, notBefore: 9 },
      unknown,
      {
        status: "gone",
        visit: 0,
        version: 2,
        attempts: 1,
        attempting: false,
        notBefore: null,
        failure: {
          code: "unknown_status",
          message: 'status "gone" is not in the workflow "orders"; move the order to a status that is',
        },
        delivery: "end",
        ended: null,
      },
    ],
    [
      "a waiting order in an unknown status is marked failed and loses its expiry",
      { status: "gone", kind: "waiting", expiresAt: 9 },
      unknown,
      { expiresAt: null, delivery: "end" },
    ],
  ]);
});

describe("decide: an order loops until visitsMax", () => {
  check([
    [
      "the last transition that visitsMax allows is made",
      { visit: visitsMax - 1 },
      moved("paid"),
      { status: "paid", visit: visitsMax, failure: null },
    ],
    [
      "a transition past visitsMax marks the order failed in its status",
      { visit: visitsMax },
      moved("paid"),
      {
        status: "received",
        visit: visitsMax,
        attempts: 1,
        failure: {
          code: "visits_exceeded",
          message: `the order has made ${visitsMax} transitions and visitsMax is ${visitsMax}; look for a loop through "paid"`,
        },
        delivery: "end",
        ended: null,
      },
    ],
    [
      "a transition past visitsMax to a waiting status marks the order failed",
      { visit: visitsMax },
      moved("awaiting"),
      { failure: { code: "visits_exceeded" } },
    ],
    [
      "a transition past visitsMax to a final status is made, since it ends the loop",
      { visit: visitsMax },
      moved("rejected"),
      { status: "rejected", failure: null },
    ],
    [
      "used-up attempts past visitsMax move the order to a final `exhausted`",
      { status: "paid", attempts: 1, visit: visitsMax },
      down,
      { status: "rejected" },
    ],
    [
      "used-up attempts past visitsMax mark the order failed where `exhausted` is not final",
      { status: "checked", visit: visitsMax },
      down,
      {
        status: "checked",
        attempts: 1,
        entry: { error: "down" },
        failure: { code: "visits_exceeded" },
        delivery: "end",
      },
    ],
    [
      "an expiry past visitsMax moves the order to a final status",
      { status: "awaiting", visit: visitsMax, expiresAt: 0 },
      expired,
      { status: "cancelled", failure: null },
    ],
  ]);

  it("an expiry past visitsMax to a status that is not final marks the order failed", () => {
    const renewing = defineWorkflow({
      name: "renewing",
      data: z.object({}),
      initial: "open",
      visitsMax: 2,
      statuses: {
        open: { to: ["closed"], waits: true, expires: { afterSeconds: 1, to: "open" } },
        closed: final,
      },
    });
    given(renewing)
      .afterSeconds(1)
      .when(expired)
      .then({ visit: 1, expiresAt: 2_000 })
      .afterSeconds(1)
      .when(expired)
      .then({ visit: 2, expiresAt: 3_000 })
      .afterSeconds(1)
      .when(expired)
      .then({ visit: 2, expiresAt: null, failure: { code: "visits_exceeded" }, delivery: "end" });
  });
});

describe("decide: every outcome of every order", () => {
  const now = 1_000_000;
  const by = { runtime: "node", name: "n", requestId: null, messageId: null } as const;
  const context: DecideContext = { workflow: orders, now, random: () => 0.99, by };

  it("a change keeps what never changes, raises the version by one, and says what becomes of the delivery", () => {
    let changes = 0;
    let refusals = 0;
    for (const order of everyOrder()) {
      for (const outcome of everyOutcome(order)) {
        const decision = decide(order, outcome, context);
        assert.deepEqual(decide(order, outcome, context), decision, "the same arguments give the same decision");
        if ("refused" in decision) refusals++;
        else {
          changes++;
          assertLawful(order, outcome, decision.change);
        }
      }
    }
    assert.ok(changes > 1_000 && refusals > 1_000, `${changes} changes and ${refusals} refusals`);
  });

  function assertLawful(order: StoredOrder, outcome: Outcome, { before, after, ended, delivery }: Change): void {
    const which = `${outcome.kind} in ${order.status}`;
    assert.equal(before, order, which);
    assert.equal(after.version, order.version + 1, which);
    assert.equal(after.updatedAt, now, which);
    for (const key of ["id", "dataJson", "group", "createdAt", "extrasJson"] as const)
      assert.equal(after[key], order[key], which);

    if (ended === null) {
      assert.equal(after.status, order.status, which);
      assert.equal(after.visit, order.visit, which);
      assert.equal(after.past, order.past, which);
    } else {
      assert.equal(after.visit, order.visit + 1, which);
      assert.deepEqual([ended.status, ended.visit], [order.status, order.visit], which);
      assert.equal(after.past.at(-1), ended, which);
      assert.equal(after.kind, kindOf(statusOf(orders, after.status) ?? final), which);
      assert.deepEqual([after.attempts, after.entry.at, after.entry.by], [0, now, by], which);
      assert.equal(statusOf(orders, after.status)?.retired, undefined, which);
    }

    const live = after.kind === "handled" && after.failure === null;
    assert.equal(delivery === "end", !live, `${which}: only a live order in a handled status has a delivery`);
    if (ended !== null && live) assert.equal(delivery, "enter", which);
    if (delivery === "again") assert.ok(after.notBefore !== null && after.notBefore >= now, which);
    else if (delivery !== "keep") assert.equal(after.notBefore, null, which);
    assert.equal(after.attempting, delivery === "keep", which);
    if (after.failure !== null) assert.equal(after.expiresAt, null, which);
    if (live) assert.ok(after.attempts <= attemptsOf(orders, after.status), `${which}: attempts are left`);
  }

  function attemptsOf(workflow: AnyWorkflow, name: string): number {
    const status = statusOf(workflow, name);
    assert.ok(status !== undefined && !status.final && !status.waits);
    return retryOf(status).attempts;
  }

  function* everyOrder(): Generator<StoredOrder> {
    const extrasJson = '{"definition":1}';
    for (const status of [...Object.keys(orders.statuses), "gone"]) {
      for (const failure of [null, { code: "handler_failed" }]) {
        for (const attempts of [0, 1, 2, 5]) {
          for (const attempting of attempts === 0 ? [false] : [false, true]) {
            for (const visit of [0, visitsMax - 1, visitsMax, 70]) {
              const { order } = given(orders, {
                status,
                failure,
                attempts,
                attempting,
                visit,
                group: "c-1",
                extrasJson,
              });
              yield deepFreeze({ ...order, expiresAt: order.expiresAt === null ? null : now });
            }
          }
        }
      }
    }
  }

  /** Gives handlers' outcomes to live orders in handled statuses alone: the engine runs no handler for other orders. */
  function* everyOutcome(order: StoredOrder): Generator<Outcome> {
    const names = [...Object.keys(orders.statuses), "gone", "nowhere"];
    yield* [expired, retried];
    if (statusOf(orders, order.status) === undefined) yield unknown;
    for (const to of names) {
      for (const results of [undefined, { tracking: "t" }, { tracking: 5 }]) yield requested(to, results);
    }
    if (order.kind !== "handled" || order.failure !== null) return;
    yield* [down, late, permanent, { ...down, delaySeconds: 0 }, redelivered];
    for (const to of names) {
      for (const results of [undefined, { tracking: "t" }, { tracking: 5 }]) yield moved(to, results);
    }
  }
});

describe("decide: the store cannot read an order", () => {
  const unreadable = "row 7 of the table cannot be read";
  const context: DecideContext = {
    ...{ workflow: orders, now: 50_000, random: () => 0.5 },
    by: { runtime: "node", name: "test", requestId: null, messageId: null },
  };
  const order: StoredOrder = { ...given(orders).order, unreadable };
  const outcomes: readonly Outcome[] = [
    { kind: "unreadable" },
    { kind: "expired" },
    { kind: "redelivered" },
    { kind: "unknown" },
    { kind: "moved", to: "paid" },
    down,
  ];

  it("marks it failed whatever happened, and changes nothing else", () => {
    for (const kind of ["handled", "waiting"] as const) {
      for (const outcome of outcomes) {
        const decision = decide({ ...order, kind }, outcome, context);
        assert.ok("change" in decision, outcome.kind);
        const { before, after, ended, delivery } = decision.change;
        const { failure, ...kept } = after;
        const { failure: none, ...was } = before;
        assert.deepEqual([none, kept, ended, delivery], [null, was, null, "end"]);
        assert.deepEqual([failure?.code, failure?.message, failure?.at], ["order_unreadable", unreadable, 50_000]);
      }
    }
  });

  it("marks none that is final or has failed", () => {
    const failure = { code: "handler_failed", message: "down", fingerprint: "down", at: 1 };
    for (const each of [
      { ...order, kind: "final" as const },
      { ...order, failure },
    ]) {
      for (const outcome of outcomes)
        assert.equal((decide(each, outcome, context) as { refused: string }).refused, "stale");
    }
  });

  it("refuses what an operator asks for, failed or not", () => {
    const failure = { code: "order_unreadable", message: "m", fingerprint: "m", at: 1 };
    for (const each of [order, { ...order, failure }]) {
      for (const outcome of [{ kind: "retried" }, { kind: "requested", to: "paid" }] as const) {
        assert.deepEqual(decide(each, outcome, context), { refused: "order_unreadable", message: unreadable });
      }
    }
  });

  it("leaves an order alone that can be read", () => {
    const decision = decide(given(orders).order, { kind: "unreadable" }, context);
    assert.equal((decision as { refused: string }).refused, "stale");
  });
});

/** Freezes a value with all its parts, so that a decision that writes to its arguments throws. */
function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
