import { implement } from "cauce";
import { openGateway } from "./gateway.ts";
import { orders } from "./orders.workflow.ts";

const reviewAbove = 10_000;

export default implement(orders, {
  resources: () => ({ gateway: openGateway() }),
  handlers: {
    received: ({ data }) => {
      if (data.items.some(({ sku }) => sku.startsWith("BAD"))) return "rejected";
      return totalOf(data.items) > reviewAbove ? "review" : "approved";
    },

    approved: async ({ data }, { gateway, idempotencyKey, signal }) => {
      const payment = await gateway.charge({
        idempotencyKey,
        amount: totalOf(data.items),
        currency: data.currency,
        skus: data.items.map(({ sku }) => sku),
        signal,
      });
      return payment.declined ? "rejected" : { to: "paid", results: { paymentId: payment.id } };
    },

    // The number follows from the order's id, so a repeated attempt gives the same one.
    paid: ({ id }) => ({ to: "shipped", results: { trackingNumber: `PARCEL-${id.slice(-12).toUpperCase()}` } }),
  },
});

function totalOf(items: readonly { quantity: number; unitPrice: number }[]): number {
  return items.reduce((total, { quantity, unitPrice }) => total + quantity * unitPrice, 0);
}
