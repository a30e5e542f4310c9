import assert, { AssertionError } from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import type { Outcome } from "../../src/core/decide.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { final } from "../../src/core/workflow.ts";
import { type ExpectedChange, type GivenOrder, given } from "../../src/testing/given.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string() }),
  results: z.object({ tracking: z.string(), payment: z.string() }).partial(),
  initial: "received",
  statuses: {
    received: { to: ["awaitingPayment", "rejected"] },
    awaitingPayment: { to: ["paid", "cancelled"], waits: true, expires: { afterSeconds: 60, to: "cancelled" } },
    paid: { to: ["shipped", "rejected"], retry: { attempts: 2, baseSeconds: 2 }, exhausted: "rejected" },
    shipped: final,
    rejected: final,
    cancelled: final,
  },
});

const down: Outcome = { kind: "failed", code: "handler_failed", message: "down" };

describe("given", () => {
  it("refuses data and results that no order can hold", () => {
    const lost = { name: "TypeError", message: /^given: (data|results) cannot be kept as JSON: customerId is NaN/ };
    assert.throws(() => given(orders, { data: { customerId: Number.NaN as never } }), lost);
    assert.throws(() => given(orders, { results: { customerId: Number.NaN } as never }), lost);
  });

  it("fills an order in the initial status, placed now", () => {
    const { order } = given(orders, {}, { now: 5_000 });
    assert.deepEqual(order, {
      id: "order-1",
      status: "received",
      kind: "handled",
      visit: 0,
      version: 1,
      attempts: 0,
      attempting: false,
      dataJson: "{}",
      resultsJson: "{}",
      group: null,
      createdAt: 5_000,
      updatedAt: 5_000,
      notBefore: null,
      expiresAt: null,
      failure: null,
      entry: {
        at: 5_000,
        reason: null,
        error: null,
        by: { runtime: "node", name: "given", requestId: null, messageId: null },
      },
      past: [],
      pastOmitted: 0,
      extrasJson: null,
    });
  });

  it("derives the kind and the expiry from the status, and the version from the visit", () => {
    const { order } = given(orders, { status: "awaitingPayment", visit: 3 }, { now: 1_000 });
    assert.deepEqual([order.kind, order.expiresAt, order.version], ["waiting", 61_000, 4]);
    assert.equal(given(orders, { status: "shipped" }).order.kind, "final");
    assert.equal(given(orders, { status: "gone" }).order.kind, "handled");
    assert.equal(given(orders, { status: "awaitingPayment", failure: {} }).order.expiresAt, null);
  });

  it("takes data, results, failure and entry as values and in part", () => {
    const { order } = given(orders, {
      data: { customerId: "c-1" },
      results: { tracking: "t" },
      failure: { message: "gateway 503" },
      entry: { reason: "by hand" },
    });
    assert.equal(order.dataJson, '{"customerId":"c-1"}');
    assert.equal(order.resultsJson, '{"tracking":"t"}');
    assert.deepEqual(order.failure, {
      code: "handler_failed",
      message: "gateway 503",
      fingerprint: "gateway …",
      at: 0,
    });
    assert.deepEqual([order.entry.reason, order.entry.error], ["by hand", "gateway 503"]);
  });

  it("takes a whole stored order as it is", () => {
    const { order } = given(orders, { status: "paid", attempts: 1, resultsJson: '{"payment":"p"}' });
    assert.deepEqual(given(orders, order).order, order);
  });

  it("refuses a field that no order has", () => {
    assert.throws(() => given(orders, { stauts: "paid" } as GivenOrder), /no field "stauts"/);
  });

  it("passes now, random, by and resultsBytesMax to the decision", () => {
    const by = { runtime: "pod", name: "pod-7", requestId: "r", messageId: "m" } as const;
    given(orders, { status: "paid" }, { now: 1_000, random: () => 0.25, by })
      .when(down)
      .then({ notBefore: 1_500, updatedAt: 1_000 });
    given(orders, { status: "paid" }, { by }).when({ kind: "moved", to: "shipped" }).then({ entry: { by } });
    given(orders, { status: "paid" }, { resultsBytesMax: 10 })
      .when({ kind: "moved", to: "shipped", results: { tracking: "longer than ten bytes" } })
      .then({ status: "rejected" });
  });

  it("starts each step of a story from the order after the last", () => {
    given(orders)
      .when({ kind: "moved", to: "awaitingPayment" })
      .then({ status: "awaitingPayment", visit: 1, version: 2, delivery: "end", expiresAt: 60_000 })
      .when({ kind: "expired" })
      .refused("stale")
      .when({ kind: "requested", to: "paid", results: { payment: "p-1" } })
      .then({ status: "paid", visit: 2, delivery: "enter", results: { payment: "p-1" } })
      .when(down)
      .then({ status: "paid", attempts: 1, delivery: "again", notBefore: 1_000, ended: null })
      .when(down)
      .then({ status: "rejected", visit: 3, delivery: "end", ended: { status: "paid", attempts: 2, error: "down" } });
  });

  it("lets time pass by afterSeconds", () => {
    const waiting = given(orders, { status: "awaitingPayment" });
    waiting.afterSeconds(59.999).when({ kind: "expired" }).refused("stale");
    waiting
      .afterSeconds(30)
      .afterSeconds(30)
      .when({ kind: "expired" })
      .then({ status: "cancelled", updatedAt: 60_000 });
  });
});

describe("then", () => {
  const moved = () => given(orders).when({ kind: "moved", to: "rejected" });

  it("compares every given field and no other", () => {
    moved().then({});
    moved().then({ status: "rejected" });
    assert.throws(() => moved().then({ status: "paid" }), AssertionError);
    assert.throws(() => moved().then({ status: "rejected", visit: 2 }), AssertionError);
    assert.throws(() => moved().then({ delivery: "enter" }), AssertionError);
    assert.throws(() => moved().then({ results: { tracking: "t" } }), AssertionError);
  });

  it("compares failure, entry and ended in the given fields alone, and past as a whole", () => {
    const failed = given(orders).when({ ...down, permanent: true });
    failed.then({ failure: { code: "handler_failed" }, entry: { error: "down" }, ended: null });
    assert.throws(() => failed.then({ failure: { code: "worker_lost" } }), AssertionError);
    assert.throws(() => failed.then({ failure: null }), AssertionError);
    assert.throws(() => failed.then({ entry: { error: null } }), AssertionError);
    assert.throws(() => failed.then({ ended: { status: "received" } }), AssertionError);
    assert.throws(() => moved().then({ ended: null }), AssertionError);
    assert.throws(() => moved().then({ ended: { status: "paid" } }), AssertionError);
    assert.throws(() => moved().then({ past: [] }), AssertionError);
  });

  it("shows the field that differs", () => {
    assert.throws(() => moved().then({ visit: 7 }), /visit: 7/);
  });

  it("fails with the refusal's code and message where the outcome was refused", () => {
    const refused = given(orders).when({ kind: "retried" });
    assert.throws(() => refused.then({}), { name: "AssertionError", message: /refused with not_failed: .*"received"/ });
  });

  it("fails for a field that no change has, even one whose value is undefined", () => {
    for (const key of ["stauts", "before", "after"]) {
      assert.throws(() => moved().then({ [key]: undefined } as ExpectedChange<typeof orders>), {
        name: "AssertionError",
        message: new RegExp(`no field "${key}"`),
      });
    }
  });

  it("rejects when it is awaited by mistake, instead of waiting for ever", async () => {
    const when = moved() as unknown as PromiseLike<unknown>;
    await assert.rejects(async () => await when, /do not await it/);
  });
});

describe("refused", () => {
  it("compares the code and, where given, the message, and keeps the order", () => {
    const start = given(orders, { status: "paid" });
    const after = start.when({ kind: "requested", to: "shipped" }).refused("being_handled", /"paid"/);
    assert.equal(after.order, start.order);
  });

  it("fails for another code, another message, and an outcome that was not refused", () => {
    const refused = given(orders).when({ kind: "retried" });
    assert.throws(() => refused.refused("stale"), { name: "AssertionError", message: /not_failed.*not with stale/ });
    assert.throws(() => refused.refused("not_failed", /nowhere/), AssertionError);
    assert.throws(() => given(orders).when({ kind: "moved", to: "rejected" }).refused("stale"), {
      name: "AssertionError",
      message: /was not refused: the order is in "rejected"/,
    });
  });
});

it("a step shows the whole decision, for fields that `then` does not compare", () => {
  const { decision } = given(orders).when({ kind: "moved", to: "rejected" });
  assert.ok("change" in decision);
  assert.equal(decision.change.before.version, 1);
});
