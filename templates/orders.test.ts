import assert from "node:assert/strict";
import { test } from "node:test";
import { createCauce } from "cauce";
import { fakeClock, given, memory } from "cauce/testing";
import app from "./orders.app.ts";
import { orders } from "./orders.workflow.ts";

test("an order that cannot be shipped in three attempts is marked failed where it stands", () => {
  given(orders, { status: "approved", attempts: 2 })
    .when({ kind: "failed", code: "handler_failed", message: "the carrier is down" })
    .then({ status: "approved", failure: { message: "the carrier is down" }, delivery: "end" });
});

test("a small order is shipped, and a large one that nobody reviews is rejected", { timeout: 10_000 }, async (t) => {
  const clock = fakeClock();
  const cauce = await createCauce({ apps: app, backend: memory, clock });
  t.after(() => cauce.close());
  await cauce.start();
  const firstIn = async (status = "") => {
    for (;;) {
      const [order] = (await cauce.list("orders", { status })).items;
      if (order !== undefined) return order;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  await cauce.place("orders", { customerId: "c-1", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] });
  const shipped = await firstIn("shipped");
  assert.equal(shipped.results.total, 9);

  await cauce.place("orders", { customerId: "c-2", items: [{ sku: "SOFA-1", quantity: 2, unitPrice: 900 }] });
  const large = await firstIn("review");
  clock.advance(3 * 86_400);
  assert.equal((await firstIn("rejected")).id, large.id);
});
