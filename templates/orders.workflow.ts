import { defineWorkflow, final } from "cauce";
import * as z from "zod";

const item = z.object({ sku: z.string().min(1), quantity: z.int().min(1), unitPrice: z.number().min(0) });

// What clients send. `cauce start` prints a curl with the first example.
const data = z
  .object({ customerId: z.string().min(1).max(100), items: z.array(item).min(1).max(100) })
  .meta({ examples: [{ customerId: "c-1", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] }] });

// What the handlers add.
const results = z.object({ total: z.number(), trackingNumber: z.string() }).partial();

export const orders = defineWorkflow({
  name: "orders",
  data,
  results,
  group: ({ customerId }) => customerId,
  initial: "received",
  statuses: {
    // Handled: orders.app.ts has a handler for each of these.
    received: { to: ["approved", "review"], timeoutSeconds: 10 },
    approved: { to: ["shipped"], timeoutSeconds: 10, retry: { attempts: 3, baseSeconds: 1, maxSeconds: 60 } },
    // Waiting: a call of POST /orders/{id}/transitions moves the order on, or time does.
    review: { to: ["approved", "rejected"], waits: true, expires: { afterSeconds: 3 * 86_400, to: "rejected" } },
    shipped: final,
    rejected: final,
  },
});
