import { z } from "zod";
export const data = z.object({
  customerId: z.string().min(1).max(100),
  currency: z.string().regex(/^[A-Z]{3}$/),
  items: z.array(z.object({ sku: z.string().min(1).max(100), quantity: z.int().min(1), unitPrice: z.number().min(0) })).min(1).max(100),
  note: z.string().max(500).optional(),
});
export const orders = { data };
