import assert from "node:assert/strict";
import { test } from "node:test";
import { given, testWorkflow } from "cauce/testing";
import app from "./orders.app.ts";
import { orders } from "./orders.workflow.ts";

test("an order that cannot be shipped in three attempts is marked failed where it stands", () => {
  given(orders, { status: "approved", attempts: 2 })
    .when({ kind: "failed", code: "handler_failed", message: "the carrier is down" })
    .then({ status: "approved", failure: { message: "the carrier is down" }, delivery: "end" });
});

test("a small order is shipped, and a large one without a review is rejected", async () => {
  await using shop = await testWorkflow(app);

  const small = await shop.place({ customerId: "c-1", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] });
  assert.equal(small.status, "shipped");
  assert.equal(small.results.total, 9);

  const large = await shop.place({ customerId: "c-2", items: [{ sku: "SOFA-1", quantity: 2, unitPrice: 900 }] });
  assert.equal(large.status, "review");
  await shop.advance({ seconds: 3 * 86_400 });
  assert.equal((await shop.get(large.id)).status, "rejected");
});
