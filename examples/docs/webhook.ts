import { type Cauce, CauceError } from "cauce";

// #region webhook
/** The document service calls this when a payslip has come in. It may call twice, or late. */
export async function onPayslip(cauce: Cauce, event: { id: string; loanId: string }): Promise<"taken" | "too late"> {
  const request = { to: "assessing", reason: "the payslip is here" };
  try {
    await cauce.transition("loans", event.loanId, request, { idempotencyKey: event.id });
    return "taken";
  } catch (error) {
    if (error instanceof CauceError && error.code === "transition_not_allowed") return "too late";
    // Also `being_handled`: the caller then answers the service so that it calls again.
    throw error;
  }
}
// #endregion
