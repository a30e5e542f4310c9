import { defineWorkflow, final, implement, PermanentError } from "cauce";
import * as z from "zod";

const payments = defineWorkflow({
  name: "payments",
  data: z.object({ card: z.string().min(1), cents: z.int().positive() }),
  results: z.object({ chargeId: z.string() }).partial(),
  initial: "placed",
  statuses: { placed: { to: ["charged"], timeoutSeconds: 10 }, charged: final },
});

/** Charges cards through a payment service at `url`, which takes an `Idempotency-Key`. */
export const paymentsApp = (url: string) =>
  implement(payments, {
    handlers: {
      // #region charge
      placed: async ({ data }, { idempotencyKey, signal }) => {
        const answer = await fetch(`${url}/charges`, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
          body: JSON.stringify(data),
          signal,
        });
        if (answer.status === 402) throw new PermanentError("the card was declined");
        if (!answer.ok) throw new Error(`the payment service answered ${answer.status}`);
        const { id } = (await answer.json()) as { id: string };
        return { to: "charged", results: { chargeId: id } };
      },
      // #endregion
    },
  });
