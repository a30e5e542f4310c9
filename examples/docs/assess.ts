import { type Handler, PermanentError, RetryError } from "cauce";
import type { loans } from "./loans.workflow.ts";
import type { Services } from "./services.ts";

// #region assess
const assess: Handler<typeof loans, "assessing", Services> = async ({ data }, { agency, signal }) => {
  const answer = await agency.assess(data.applicantId, signal);
  switch (answer.kind) {
    case "unknown":
      throw new PermanentError(`the agency does not know ${data.applicantId}`);
    case "busy":
      throw new RetryError({ delaySeconds: answer.freeAfterSeconds });
    case "payslipMissing":
      return "awaitingPayslip";
    case "scored":
      return { to: answer.score >= 600 ? "approved" : "declined", results: { score: answer.score } };
  }
};

export default assess;
// #endregion
