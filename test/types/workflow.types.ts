import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { implement, lazy } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string() }),
  results: z.object({ tracking: z.string() }).partial(),
  group: (data) => data.customerId,
  initial: "received",
  statuses: {
    received: { to: ["waitsPayment", "rejected"], timeoutSeconds: 10 },
    waitsPayment: { to: ["paid", "rejected"], waits: true, expires: { afterSeconds: 3, to: "rejected" } },
    paid: { to: ["shipped", "rejected"], exhausted: "rejected", concurrency: 20, retry: { attempts: 2 } },
    shipped: final,
    rejected: final,
  },
});

// A definition and an app that fit compile.
export const app = implement(orders, {
  resources: async () => ({ db: { find: (id: string) => id.length } }),
  handlers: {
    received: async (order, { db, idempotencyKey }) => {
      const n: number = db.find(order.data.customerId + idempotencyKey);
      return n > 3 ? "waitsPayment" : "rejected";
    },
    paid: async (order) => ({ to: "shipped", results: { tracking: order.results.tracking ?? "t" } }),
  },
});

export const lazily = implement(orders, {
  handlers: {
    received: lazy(async () => ({ default: async () => "waitsPayment" as const })),
    paid: () => "shipped",
  },
});

defineWorkflow({
  name: "bad",
  data: z.object({}),
  initial: "a",
  statuses: {
    // @ts-expect-error "nowhere" is no status
    a: { to: ["nowhere"] },
    b: final,
  },
});

defineWorkflow({
  name: "bad",
  data: z.object({}),
  // @ts-expect-error the initial status must exist
  initial: "c",
  statuses: { a: { to: ["b"] }, b: final },
});

defineWorkflow({
  name: "bad",
  data: z.object({}),
  initial: "a",
  statuses: {
    // @ts-expect-error a bad exhausted target
    a: { to: ["b"], exhausted: "nowhere" },
    b: final,
  },
});

defineWorkflow({
  name: "bad",
  data: z.object({}),
  initial: "a",
  statuses: {
    // @ts-expect-error a bad expires target
    a: { to: ["b"], waits: true, expires: { afterSeconds: 1, to: "nowhere" } },
    b: final,
  },
});

defineWorkflow({
  name: "bad",
  data: z.object({}),
  initial: "a",
  statuses: {
    // @ts-expect-error a handled status does not expire
    a: { to: ["b"], expires: { afterSeconds: 1, to: "b" } },
    b: final,
  },
});

implement(orders, {
  // @ts-expect-error the handler of "paid" is missing
  handlers: { received: () => "rejected" },
});

implement(orders, {
  handlers: {
    received: () => "rejected",
    paid: () => "shipped",
    // @ts-expect-error a waiting status takes no handler
    waitsPayment: () => "paid",
  },
});

implement(orders, {
  handlers: {
    received: () => "rejected",
    paid: () => "shipped",
    // @ts-expect-error no such status
    nowhere: () => "paid",
  },
});

implement(orders, {
  handlers: {
    // @ts-expect-error "shipped" does not follow "received"
    received: async () => "shipped",
    paid: () => "shipped",
  },
});

implement(orders, {
  handlers: {
    received: () => "rejected",
    // @ts-expect-error "received" does not follow "paid"
    paid: async () => ({ to: "received" }),
  },
});

implement(orders, {
  handlers: {
    received: () => "rejected",
    // @ts-expect-error results must fit the results schema
    paid: async () => ({ to: "shipped", results: { tracking: 5 } }),
  },
});
