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

describe("moved: a handler returned", () => {
  check([
    [
      "a handled status: it enters that status's queue on the next visit",
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
      "a waiting status: it starts to wait",
      {},
      moved("awaiting"),
      { kind: "waiting", expiresAt: 60_000, delivery: "end" },
    ],
    ["a final status: it is delivered no more", {}, moved("rejected"), { kind: "final", delivery: "end" }],
    [
      "at its last attempt",
      { attempts: 2 },
      moved("paid"),
      { status: "paid", ended: { attempts: 3 }, attempts: 0, attempting: false },
    ],
    [
      "after an attempt that was recorded when it started, which is not counted twice",
      { attempts: 2, attempting: true },
      moved("paid"),
      { status: "paid", ended: { attempts: 2 }, attempting: false },
    ],
    [
      "results: they are merged key by key",
      { results: { tracking: "old", payment: "p" } },
      moved("paid", { tracking: "new" }),
      { status: "paid", results: { tracking: "new", payment: "p" } },
    ],
    ["no results: they stay", { results: { payment: "p" } }, moved("paid"), { results: { payment: "p" } }],
    ["from a retired status, which keeps its handler", { status: "old" }, moved("paid"), { status: "paid" }],
    [
      "a status that it may not: failed at once, whatever attempts are left",
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
    ["a status that is none", {}, moved("nowhere"), { failure: { code: "invalid_transition" }, delivery: "end" }],
    ["a name of every object", {}, moved("constructor"), { failure: { code: "invalid_transition" } }],
    [
      "a status that it may not, where exhausted names one",
      { status: "paid" },
      moved("cancelled"),
      { status: "rejected", failure: null, ended: { attempts: 1 }, delivery: "end" },
    ],
    [
      "results that do not fit",
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
    ["results that are no object", {}, moved("paid", ["t"]), { failure: { code: "invalid_results" } }],
    ["results that are null", {}, moved("paid", null as never), { failure: { code: "invalid_results" } }],
    [
      "in a status that the workflow does not know",
      { status: "gone" },
      moved("paid"),
      { status: "gone", failure: { code: "unknown_status" }, delivery: "end" },
    ],
  ]);

  it("results without a schema: any JSON, and nothing that JSON has not", () => {
    const free = defineWorkflow({
      name: "free",
      data: z.object({}),
      initial: "a",
      statuses: { a: { to: ["b"] }, b: final },
    });
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

  it("results up to the bytes that the store holds, counted in UTF-8", () => {
    const results = { tracking: "ü".repeat(100) };
    const bytes = Buffer.byteLength(JSON.stringify(results));
    given(orders, {}, { resultsBytesMax: bytes }).when(moved("paid", results)).then({ status: "paid", results });
    given(orders, {}, { resultsBytesMax: bytes - 1 })
      .when(moved("paid", results))
      .then({ status: "received", failure: { code: "invalid_results" } });
  });
});

describe("failed: a handler threw or ran out of time", () => {
  check([
    [
      "with attempts left: it keeps its place and comes back after half of 2 s",
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
    ["a second time: the delay doubles", { attempts: 1 }, down, { attempts: 2, notBefore: 2_000, delivery: "again" }],
    ["by time", {}, late, { attempts: 1, entry: { error: "too slow" }, delivery: "again" }],
    [
      "in a recorded attempt: it is not counted twice",
      { attempts: 2, attempting: true },
      down,
      { attempts: 2, attempting: false, delivery: "again" },
    ],
    [
      "at the last attempt, without exhausted: it stays and is marked failed",
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
    ["by time at the last attempt", { attempts: 2 }, late, { failure: { code: "attempt_timed_out" }, delivery: "end" }],
    [
      "at the last attempt, recorded when it started",
      { attempts: 3, attempting: true },
      down,
      { attempts: 3, attempting: false, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "past the attempts that a changed definition now allows",
      { attempts: 7 },
      down,
      { attempts: 8, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    [
      "at the last attempt, with exhausted: it moves there, and the visit keeps the error",
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
      "at the last attempt, with exhausted naming a waiting status",
      { status: "checked" },
      down,
      { status: "review", kind: "waiting", expiresAt: null, delivery: "end" },
    ],
    [
      "for good: no further attempt",
      {},
      permanent,
      { attempts: 1, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    ["for good, with exhausted", { status: "paid" }, permanent, { status: "rejected", ended: { attempts: 1 } }],
    [
      "for good, asking for a delay: it is for good",
      {},
      { ...permanent, delaySeconds: 3 },
      { notBefore: null, delivery: "end" },
    ],
    ["asking for a delay", {}, { ...down, delaySeconds: 90 }, { attempts: 1, notBefore: 90_000, delivery: "again" }],
    ["asking for none", {}, { ...down, delaySeconds: 0 }, { attempts: 1, notBefore: 0, delivery: "again" }],
    ["asking for less than a millisecond", {}, { ...down, delaySeconds: 0.000_1 }, { notBefore: 1 }],
    [
      "asking for a delay at the last attempt: it is used up all the same",
      { attempts: 2 },
      { ...down, delaySeconds: 90 },
      { attempts: 3, notBefore: null, failure: { code: "handler_failed" }, delivery: "end" },
    ],
    ["in a retired status: its policy goes on", { status: "old" }, down, { attempts: 1, delivery: "again" }],
    ["in a status that the workflow does not know", { status: "gone" }, down, { failure: { code: "unknown_status" } }],
  ]);

  it("counts the delay from now, and cuts a long message wherever it keeps it", () => {
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

describe("redelivered: the attempt before has no outcome", () => {
  check([
    [
      "the lost attempt counts, and the one that starts is recorded before its handler runs",
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
      "one that may never have begun does not count, and the one that starts is recorded",
      { attempts: 0 },
      { kind: "redelivered", unattended: true },
      { attempts: 1, attempting: true, delivery: "keep" },
    ],
    [
      "one that is known to have begun counts, whatever else is not known",
      { attempts: 2, attempting: true },
      { kind: "redelivered", unattended: true },
      { attempts: 3, delivery: "keep" },
    ],
    ["a recorded one counts once", { attempts: 2, attempting: true }, redelivered, { attempts: 3, delivery: "keep" }],
    [
      "the lost attempt was the last: marked failed",
      { attempts: 2 },
      redelivered,
      { attempts: 3, attempting: false, failure: { code: "worker_lost", message: lost }, delivery: "end" },
    ],
    [
      "a recorded one was the last",
      { attempts: 3, attempting: true },
      redelivered,
      { attempts: 3, attempting: false, failure: { code: "worker_lost" }, delivery: "end" },
    ],
    [
      "the last, with exhausted",
      { status: "paid", attempts: 1 },
      redelivered,
      { status: "rejected", entry: { reason: `exhausted: ${lost}` }, ended: { attempts: 2, error: lost } },
    ],
    ["a policy of one attempt allows no second", { status: "checked" }, redelivered, { status: "review" }],
    ["in an unknown status", { status: "gone" }, redelivered, { failure: { code: "unknown_status" }, delivery: "end" }],
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

describe("requested: the API asks to move an order", () => {
  check([
    [
      "that waits",
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
      "that an earlier request moved: the history keeps that one's key and reason",
      { status: "awaiting", entry: { key: "earlier", reason: "webhook", error: "e", at: -5 } },
      requested("paid"),
      { ended: { key: "earlier", reason: "webhook", error: "e", at: -5 }, entry: { reason: null, error: null } },
    ],
    [
      "that waits, to a final status",
      { status: "awaiting" },
      requested("rejected"),
      { kind: "final", delivery: "end" },
    ],
    ["that waits, to where it is", { status: "review" }, requested("review"), { status: "review", visit: 1 }],
    ["that waits in a retired status", { status: "oldWait" }, requested("paid"), { status: "paid", delivery: "enter" }],
    [
      "that failed",
      { status: "received", failure: {}, attempts: 3 },
      requested("paid"),
      { status: "paid", failure: null, attempts: 0, delivery: "enter", ended: { attempts: 3, error: "down" } },
    ],
    ["that failed, to exhausted", { status: "paid", failure: {} }, requested("rejected"), { status: "rejected" }],
    [
      "that failed in a status that the workflow does not know: anywhere",
      { status: "gone", failure: { code: "unknown_status" } },
      requested("awaiting"),
      { status: "awaiting", failure: null, expiresAt: 60_000, delivery: "end", ended: { status: "gone" } },
    ],
    [
      "past visitsMax: the request is not bounded by it",
      { status: "awaiting", visit: visitsMax },
      requested("paid"),
      { status: "paid", visit: visitsMax + 1, failure: null, delivery: "enter" },
    ],
  ]);

  checkRefused([
    ["that a handler will move", { status: "paid" }, requested("shipped"), "being_handled", /"paid"/],
    ["that is final", { status: "shipped" }, requested("paid"), "transition_not_allowed", /"shipped", which is final/],
    [
      "that ended in a status that is handled by now",
      { status: "paid", kind: "final" },
      requested("shipped"),
      "transition_not_allowed",
      /"paid", which was final/,
    ],
    [
      "that ended in a status that waits by now",
      { status: "awaiting", kind: "final" },
      requested("paid"),
      "transition_not_allowed",
      /"awaiting", which was final/,
    ],
    [
      "that ended in a status that is gone",
      { status: "gone", kind: "final" },
      requested("paid"),
      "transition_not_allowed",
      /"gone", which was final/,
    ],
    ["to a status that is none", { status: "awaiting" }, requested("nowhere"), "transition_not_allowed", /"nowhere"/],
    [
      "to a name of every object",
      { status: "awaiting" },
      requested("__proto__"),
      "transition_not_allowed",
      /no status/,
    ],
    [
      "to a retired status",
      { status: "gone", failure: {} },
      requested("old"),
      "transition_not_allowed",
      /"old" is retired/,
    ],
    [
      "to a status that does not follow",
      { status: "awaiting" },
      requested("shipped"),
      "transition_not_allowed",
      /from "awaiting" an order may move to paid, rejected, not to "shipped"/,
    ],
    [
      "that failed, to a status that does not follow",
      { status: "paid", failure: {} },
      requested("awaiting"),
      "transition_not_allowed",
      /shipped, received, rejected, not to "awaiting"/,
    ],
    [
      "that failed in a status that is final by now",
      { status: "shipped", failure: {} },
      requested("paid"),
      "transition_not_allowed",
      /may move to nothing/,
    ],
    [
      "with results that do not fit",
      { status: "awaiting" },
      requested("paid", { payment: 1 }),
      "invalid_results",
      /payment/,
    ],
    [
      "with results that are no object",
      { status: "awaiting" },
      requested("paid", []),
      "invalid_results",
      /must be an object/,
    ],
  ]);

  it("names each fault of the results by its path", () => {
    const { decision } = given(orders, { status: "awaiting" }).when(requested("paid", { payment: 1, tracking: 2 }));
    assert.ok("refused" in decision);
    assert.deepEqual(decision.faults?.map(({ path }) => path).sort(), ["payment", "tracking"]);
  });

  it("keeps no key where none was sent", () => {
    const { order } = given(orders, { status: "awaiting" }).when(requested("paid")).then({});
    assert.ok(!("key" in order.entry));
  });
});

describe("expired: an order waited as long as it may", () => {
  check([
    [
      "it moves on",
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
      "the definition lets it wait for ever by now: it waits on",
      { status: "review", expiresAt: 0 },
      expired,
      { status: "review", kind: "waiting", visit: 0, expiresAt: null, failure: null, delivery: "end", ended: null },
    ],
    [
      "the definition does not know its status",
      { status: "gone", kind: "waiting", expiresAt: 0 },
      expired,
      { failure: { code: "unknown_status" } },
    ],
  ]);

  checkRefused([
    ["a millisecond early", { status: "awaiting", expiresAt: 1 }, expired, "stale", /does not wait/],
    ["it has no expiry", { status: "review" }, expired, "stale", /does not wait/],
    ["it was moved", { status: "paid" }, expired, "stale", /does not wait/],
    ["it does not wait, whatever it may carry", { status: "paid", expiresAt: 0 }, expired, "stale", /does not wait/],
    ["it is final", { status: "cancelled" }, expired, "stale", /does not wait/],
    ["it failed", { status: "awaiting", failure: {}, expiresAt: 0 }, expired, "stale", /does not wait/],
  ]);
});

describe("retried: an operator starts a failed order again", () => {
  check([
    [
      "in a handled status: all its attempts again, at the end of the queue, on the same visit",
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
    ["in a retired status", { status: "old", failure: {} }, retried, { failure: null, delivery: "enter" }],
    [
      "in a waiting status: it waits anew",
      { status: "awaiting", failure: {} },
      retried,
      { kind: "waiting", failure: null, expiresAt: 60_000, delivery: "end" },
    ],
    [
      "in a status that is final by now",
      { status: "shipped", kind: "handled", failure: {} },
      retried,
      { kind: "final", failure: null, delivery: "end" },
    ],
  ]);

  checkRefused([
    ["it has not failed", { status: "paid" }, retried, "not_failed", /"paid"/],
    ["it waits", { status: "awaiting" }, retried, "not_failed", /"awaiting"/],
    ["it is final", { status: "shipped" }, retried, "not_failed", /"shipped"/],
    [
      "its status is unknown",
      { status: "gone", failure: {} },
      retried,
      "transition_not_allowed",
      /"gone".*move it to another status/,
    ],
  ]);
});

describe("unknown: an order stands in a status that the workflow does not know", () => {
  check([
    [
      "it is marked failed where it stands",
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
      "one that waits",
      { status: "gone", kind: "waiting", expiresAt: 9 },
      unknown,
      { expiresAt: null, delivery: "end" },
    ],
  ]);
});

describe("visitsMax: an order that loops", () => {
  check([
    [
      "its last transition",
      { visit: visitsMax - 1 },
      moved("paid"),
      { status: "paid", visit: visitsMax, failure: null },
    ],
    [
      "one more: it is marked failed where it stands",
      { visit: visitsMax },
      moved("paid"),
      {
        status: "received",
        visit: visitsMax,
        attempts: 1,
        failure: { code: "visits_exceeded" },
        delivery: "end",
        ended: null,
      },
    ],
    ["to a waiting status", { visit: visitsMax }, moved("awaiting"), { failure: { code: "visits_exceeded" } }],
    [
      "to a final status: that is no loop",
      { visit: visitsMax },
      moved("rejected"),
      { status: "rejected", failure: null },
    ],
    ["by exhausted to a final one", { status: "paid", attempts: 1, visit: visitsMax }, down, { status: "rejected" }],
    [
      "by exhausted to another",
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
      "by expiry to a final one",
      { status: "awaiting", visit: visitsMax, expiresAt: 0 },
      expired,
      { status: "cancelled", failure: null },
    ],
  ]);

  it("by expiry to another", () => {
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

describe("whatever happens to whatever order", () => {
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

  /** Handlers run for live orders in handled statuses alone: the engine sees to it. */
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

/** A decision that wrote to its arguments would throw. */
function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) deepFreeze(part);
  return Object.freeze(value);
}
