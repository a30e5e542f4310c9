import { type Cauce, createCauce, type Orders } from "cauce";
import { sqlite } from "cauce/sqlite";
import loans from "./loans.app.ts";
import type { loans as loansWorkflow } from "./loans.workflow.ts";

// #region open
export async function openLoans(directory: string): Promise<Cauce> {
  const cauce = await createCauce({ apps: loans, backend: sqlite({ directory }), delivery: "fifo" });
  await cauce.start();
  return cauce;
}
// #endregion

// #region rejections
/** Lets a rejection that a handler left unhandled fail its attempt, and leaves others to Node. */
export function hearRejections(cauce: Cauce): void {
  process.on("unhandledRejection", (reason) => {
    if (!cauce.takeRejection(reason)) throw reason;
  });
}
// #endregion

// #region place
export async function apply(cauce: Cauce, application: { formId: string; applicantId: string; email: string }) {
  const { formId, ...applicant } = application;
  const orders = cauce.workflow(loans);
  const { placed, order } = await orders.place({ ...applicant, amount: 5_000 }, { idempotencyKey: formId });
  return placed ? `thank you, your number is ${order.id}` : `we have it already: it is ${order.status}`;
}
// #endregion

// #region orders
/** Works with the client of a server, with this process and with a test: each has `Orders` of the workflow. */
export async function openLoansOf(orders: Orders<typeof loansWorkflow>, applicantId: string) {
  const { items } = await orders.list({ status: "deskReview", group: applicantId, limit: 10 });
  return items.map(({ id, data }) => `${id}: ${data.amount}`);
}
// #endregion
