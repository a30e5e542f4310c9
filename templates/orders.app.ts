import { implement } from "cauce";
import { orders } from "./orders.workflow.ts";

const reviewAbove = 1_000;

export default implement(orders, {
  handlers: {
    received: ({ data }) => {
      const total = data.items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);
      return { to: total > reviewAbove ? "review" : "approved", results: { total } };
    },

    // Call the carrier here, with `signal`, and with `idempotencyKey`, so that a repeated attempt sends one parcel.
    // If a handler throws, Cauce tries again, as often as `retry` in the workflow says.
    approved: async ({ id }) => ({ to: "shipped", results: { trackingNumber: `PARCEL-${id.slice(-12)}` } }),
  },
});
