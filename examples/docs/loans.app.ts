import { implement, lazy } from "cauce";
import { loans } from "./loans.workflow.ts";
import { openServices } from "./services.ts";

// #region app
export default implement(loans, {
  resources: () => openServices(),
  handlers: {
    received: ({ id, data }, { register }) => {
      register.upsert({ loanId: id, email: data.email, amount: data.amount });
      return "assessing";
    },

    assessing: lazy(() => import("./assess.ts")),

    approved: async ({ data }, { bank, idempotencyKey, signal }) => {
      const transfer = await bank.transfer({ idempotencyKey, to: data.applicantId, amount: data.amount, signal });
      return { to: "paidOut", results: { transferId: transfer.id } };
    },
  },
});
// #endregion
