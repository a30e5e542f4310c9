import { type Cauce, createCauce } from "cauce";
import { sqlite } from "cauce/sqlite";
import loans from "./loans.app.ts";

// #region open
export async function openLoans(directory: string): Promise<Cauce> {
  const cauce = await createCauce({ apps: loans, backend: sqlite({ directory }), delivery: "fifo" });
  await cauce.start();
  return cauce;
}
// #endregion

// #region place
export async function apply(cauce: Cauce, application: { formId: string; applicantId: string; email: string }) {
  const { formId, ...applicant } = application;
  const { placed, order } = await cauce.place("loans", { ...applicant, amount: 5_000 }, { idempotencyKey: formId });
  return placed ? `thank you, your number is ${order.id}` : `we have it already: it is ${order.status}`;
}
// #endregion
