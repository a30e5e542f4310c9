import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cauce, createCauce, type Order } from "cauce";
import { openGateway } from "../../examples/orders/gateway.ts";
import app from "../../examples/orders/orders.app.ts";
import { orders } from "../../examples/orders/orders.workflow.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { retryDelaySeconds } from "../../src/core/errors.ts";
import { retryOf } from "../../src/core/workflow.ts";
import { sampleOrder } from "./support.ts";

const log = { info: () => {}, warn: () => {}, error: () => {} };

describe("examples/orders", () => {
  let cauce: Cauce;
  before(async () => {
    // With a random of 0, every retry is due at once.
    cauce = await createCauce({ apps: app, backend: memory, random: () => 0, log });
    await cauce.start();
  });
  after(() => cauce.close());

  const settled = async (id: string): Promise<Order> => {
    for (;;) {
      const order = await cauce.get("orders", id);
      assert.ok(order);
      if (order.status === "review" || order.failure !== null || orders.statuses[order.status as "shipped"].final) {
        return order;
      }
      await new Promise(setImmediate);
    }
  };
  const placed = async (skus: string[], unitPrice?: number): Promise<Order> =>
    settled((await cauce.place("orders", sampleOrder(skus, unitPrice))).order.id);
  const path = (order: Order) => order.history.map(({ status }) => status);

  it("ships a plain order, with the payment and the tracking number in its results", async () => {
    const order = await placed(["TEA-1"]);
    assert.deepEqual(path(order), ["received", "approved", "paid", "shipped"]);
    assert.match(String(order.results.paymentId), /^pay_/);
    assert.match(String(order.results.trackingNumber), /^PARCEL-/);
    assert.equal(order.group, "c-1");
  });

  it("rejects an order with a BAD sku, whatever its total", async () => {
    assert.deepEqual(path(await placed(["TEA-1", "BAD-1"], 9_000)), ["received", "rejected"]);
  });

  it("holds a total above 10,000 for review, and ships it once approved", async () => {
    const atTheLimit = await placed(["TEA-1"], 5_000);
    assert.equal(atTheLimit.status, "shipped");
    const { id, status, expiresAt, updatedAt } = await placed(["TEA-1"], 5_000.01);
    assert.equal(status, "review");
    assert.equal(Date.parse(String(expiresAt)) - Date.parse(updatedAt), 72 * 3_600_000);
    await cauce.transition("orders", id, { to: "approved", reason: "a known customer" });
    const order = await settled(id);
    assert.deepEqual(path(order), ["received", "review", "approved", "paid", "shipped"]);
    assert.equal(order.history[2]?.reason, "a known customer");
  });

  it("takes three attempts for a FLAKY sku", async () => {
    const order = await placed(["FLAKY-1"]);
    assert.equal(order.status, "shipped");
    assert.equal(order.history.find(({ status }) => status === "approved")?.attempts, 3);
  });

  it("marks an order with a DOWN sku failed once its attempts are used up", async () => {
    const order = await placed(["DOWN-1"]);
    assert.equal(order.status, "approved");
    assert.equal(order.failure?.code, "handler_failed");
    assert.equal(order.failure?.message, "the payment gateway is down");
    assert.equal(order.attempts, retryOf(orders.statuses.approved).attempts);
  });

  it("rejects an order whose payment is declined, after one attempt", async () => {
    const order = await placed(["DECLINE-1"]);
    assert.deepEqual(path(order), ["received", "approved", "rejected"]);
    assert.equal(order.history[1]?.attempts, 1);
    assert.deepEqual(order.results, {});
  });

  for (const [what, wrong] of [
    ["no customer", { customerId: "" }],
    ["a customer of 101 characters", { customerId: "c".repeat(101) }],
    ["a small-lettered currency", { currency: "eur" }],
    ["no items", { items: [] }],
    ["101 items", sampleOrder(Array.from({ length: 101 }, () => "TEA-1"))],
    ["half a piece", { items: [{ sku: "TEA-1", quantity: 0.5, unitPrice: 1 }] }],
    ["no piece", { items: [{ sku: "TEA-1", quantity: 0, unitPrice: 1 }] }],
    ["a negative price", { items: [{ sku: "TEA-1", quantity: 1, unitPrice: -1 }] }],
    ["a note of 501 characters", { note: "n".repeat(501) }],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(cauce.place("orders", { ...sampleOrder(), ...wrong }), { code: "invalid_data" });
    });
  }

  it("retries fast enough that a FLAKY order succeeds within 5 s and a DOWN order fails within 30 s", () => {
    const policy = retryOf(orders.statuses.approved);
    const delaysMax = Array.from({ length: policy.attempts - 1 }, (_, i) => retryDelaySeconds(policy, i + 1, () => 1));
    const sum = (delays: number[]) => delays.reduce((total, delay) => total + delay, 0);
    assert.ok(sum(delaysMax.slice(0, 2)) <= 5);
    assert.ok(sum(delaysMax) <= 30);
  });
});

describe("the simulated payment gateway", () => {
  it("charges once under one key, however often it is asked, and counts both", async () => {
    const gateway = openGateway();
    const charge = { amount: 9, currency: "EUR", skus: ["TEA-1"] };
    const first = await gateway.charge({ ...charge, idempotencyKey: "a:1" });
    assert.deepEqual(await gateway.charge({ ...charge, idempotencyKey: "a:1" }), first);
    assert.notDeepEqual(await gateway.charge({ ...charge, idempotencyKey: "b:1" }), first);
    assert.equal(gateway.calls, 3);
    assert.equal(gateway.charges, 2);
  });

  it("fails twice for each FLAKY order and not for others", async () => {
    const gateway = openGateway();
    const flaky = (idempotencyKey: string) =>
      gateway.charge({ amount: 9, currency: "EUR", skus: ["FLAKY-1"], idempotencyKey });
    for (const key of ["a:1", "b:1"]) {
      await assert.rejects(flaky(key), /did not answer/);
      await assert.rejects(flaky(key), /did not answer/);
      assert.equal((await flaky(key)).declined, false);
    }
    assert.equal(gateway.charges, 2);
  });
});
