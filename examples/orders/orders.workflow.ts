import { defineWorkflow, final } from "cauce";
import * as z from "zod";

const item = z.object({
  sku: z.string().min(1),
  quantity: z.int().min(1),
  unitPrice: z.number().min(0),
});

const data = z
  .object({
    customerId: z.string().min(1).max(100),
    currency: z.string().regex(/^[A-Z]{3}$/, "must be three capital letters, such as EUR"),
    items: z.array(item).min(1).max(100),
    note: z.string().max(500).optional(),
  })
  .meta({
    examples: [{ customerId: "c-1", currency: "EUR", items: [{ sku: "TEA-1", quantity: 2, unitPrice: 4.5 }] }],
  });

const results = z.object({ paymentId: z.string(), trackingNumber: z.string() }).partial();

export const orders = defineWorkflow({
  name: "orders",
  data,
  results,
  group: ({ customerId }) => customerId,
  initial: "received",
  statuses: {
    received: { to: ["approved", "review", "rejected"], timeoutSeconds: 10 },
    review: {
      to: ["approved", "rejected", "cancelled"],
      waits: true,
      expires: { afterSeconds: 72 * 3_600, to: "rejected" },
    },
    approved: {
      to: ["paid", "rejected"],
      timeoutSeconds: 10,
      retry: { attempts: 5, baseSeconds: 0.5, maxSeconds: 5 },
    },
    paid: { to: ["shipped"], timeoutSeconds: 10 },
    shipped: final,
    rejected: final,
    cancelled: final,
  },
});
