import assert from "node:assert/strict";
import { test } from "node:test";
import { type Cauce, createCauce, type Order } from "cauce";
import { fakeClock, given, memory } from "cauce/testing";
import app from "./loans.app.ts";
import { loans } from "./loans.workflow.ts";

// #region decisions
test("an assessment that fails six times goes to the desk", () => {
  given(loans, { status: "assessing", attempts: 5 })
    .when({ kind: "failed", code: "handler_failed", message: "no answer" })
    .then({ status: "deskReview", visit: 1, delivery: "end" });
});

test("a payslip that never comes withdraws the application, and not a second before its time", () => {
  const waiting = given(loans, { status: "awaitingPayslip" });
  waiting
    .afterSeconds(14 * 86_400 - 1)
    .when({ kind: "expired" })
    .refused("stale");
  waiting
    .afterSeconds(14 * 86_400)
    .when({ kind: "expired" })
    .then({ status: "withdrawn", delivery: "end" });
});
// #endregion

// #region whole
const log = { info: () => {}, warn: () => {}, error: () => {} };
const application = { applicantId: "a-1", email: "ada@example.com", amount: 5_000 };

async function reaches(cauce: Cauce, id: string, status: string): Promise<Order> {
  for (;;) {
    const order = await cauce.get("loans", id);
    if (order?.status === status) return order;
    await new Promise(setImmediate);
  }
}

test("paid out, asked again, or withdrawn: each loan goes its way", { timeout: 10_000 }, async (t) => {
  const clock = fakeClock();
  const cauce = await createCauce({ apps: app, backend: memory, clock, log });
  t.after(() => cauce.close());
  await cauce.start();

  const { order } = await cauce.place("loans", application);
  const paid = await reaches(cauce, order.id, "paidOut");
  assert.deepEqual(paid.results, { score: 710, transferId: "transfer-1" });

  const busy = await cauce.place("loans", { ...application, applicantId: "BUSY-1" });
  while ((await cauce.get("loans", busy.order.id))?.notBefore === null) await new Promise(setImmediate);
  clock.advance(30);
  await reaches(cauce, busy.order.id, "paidOut");

  const forgotten = await cauce.place("loans", { ...application, applicantId: "PAYSLIP-1" });
  await reaches(cauce, forgotten.order.id, "awaitingPayslip");
  clock.advance(14 * 86_400);
  await reaches(cauce, forgotten.order.id, "withdrawn");
});
// #endregion
