import * as z from "zod";
import { defineWorkflow, final, implement } from "../../src/index.ts";

/** An app of three handled statuses and a final one. Its handlers do nothing, so that Cauce alone is measured. */
export const workflow = defineWorkflow({
  name: "orders",
  data: z.strictObject({
    customer: z.string(),
    currency: z.string(),
    note: z.string(),
    items: z.array(z.strictObject({ sku: z.string(), quantity: z.int(), unitPrice: z.int() })),
  }),
  initial: "received",
  statuses: {
    received: { to: ["approved"], timeoutSeconds: 20 },
    approved: { to: ["paid"], timeoutSeconds: 20 },
    paid: { to: ["shipped"], timeoutSeconds: 20 },
    shipped: final,
  },
});

export const handled = ["received", "approved", "paid"] as const;

export const app = implement(workflow, {
  handlers: {
    received: async () => "approved" as const,
    approved: async () => "paid" as const,
    paid: async () => "shipped" as const,
  },
});

/** An order's data, 200 bytes as JSON unless its note is longer. */
export function sampleData(n: number, noteBytes = 0) {
  return {
    customer: `customer-${String(n).padStart(8, "0")}`,
    currency: "EUR",
    note: "leave it with the neighbours".padEnd(noteBytes, "."),
    items: [
      { sku: "BOOK-0001", quantity: 1, unitPrice: 1_990 },
      { sku: "CARD-0002", quantity: 3, unitPrice: 250 },
    ],
  };
}
