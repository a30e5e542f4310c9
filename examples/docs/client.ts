import { type Client, ClientError, createClient } from "cauce/http";
import type { loans } from "./loans.workflow.ts";

// #region create
export function loansClient(url: string, apiKey?: string): Client<typeof loans> {
  return createClient<typeof loans>({ url, apiKey });
}
// #endregion

// #region apply
export async function borrow(client: Client<typeof loans>, form: { id: string; applicantId: string; amount: number }) {
  const { id, ...applicant } = form;
  const { order } = await client.place({ ...applicant, email: "ada@example.com" }, { idempotencyKey: id });
  const { status } = await client.waitFor(order.id, ["paidOut", "declined", "deskReview"], { timeoutSeconds: 30 });
  return status === "deskReview" ? "a person will look at it" : status;
}
// #endregion

// #region list
export async function amountAtTheDesk(client: Client<typeof loans>): Promise<number> {
  let amount = 0;
  for await (const { data } of client.orders({ status: "deskReview" })) amount += data.amount;
  return amount;
}
// #endregion

// #region decide
export async function approve(client: Client<typeof loans>, id: string, version: number): Promise<string> {
  try {
    await client.transition(id, { to: "approved", reason: "a guarantor signed", expectedVersion: version });
    return "approved";
  } catch (error) {
    // Another change came first: the order is no longer as the caller saw it.
    if (error instanceof ClientError && error.code === "stale") return "look at it again";
    throw error;
  }
}
// #endregion
