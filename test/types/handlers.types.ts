import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { type App, type HandlerContext, implement, lazy } from "../../src/core/handlers.ts";
import { type DataOf, final, type ResultsOf, type StatusName } from "../../src/core/workflow.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where both types are the same. `any` is the same as `any` alone. */
function same<A, B>(_proof: Same<A, B>): void {}

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string(), items: z.array(z.object({ sku: z.string(), quantity: z.number() })) }),
  results: z.object({ tracking: z.string(), payment: z.object({ id: z.string() }) }).partial(),
  initial: "received",
  statuses: {
    received: { to: ["held", "rejected"] },
    held: { to: ["paid"], waits: true },
    paid: { to: ["shipped", "rejected"] },
    old: { to: ["rejected"], retired: true },
    shipped: final,
    rejected: final,
  },
});

const free = defineWorkflow({
  name: "free",
  data: z.object({ n: z.number().default(1) }),
  initial: "a",
  statuses: { a: { to: ["b"] }, b: final },
});

same<StatusName<typeof orders>, "received" | "held" | "paid" | "old" | "shipped" | "rejected">(true);
same<DataOf<typeof orders>, { customerId: string; items: { sku: string; quantity: number }[] }>(true);
same<ResultsOf<typeof orders>, { tracking?: string | undefined; payment?: { id: string } | undefined }>(true);
same<DataOf<typeof free>, { n: number }>(true);
same<ResultsOf<typeof free>, Record<string, unknown>>(true);
// @ts-expect-error the proof itself can fail
same<DataOf<typeof free>, { n: string }>(true);

const rest = { paid: () => "shipped" as const, old: () => "rejected" as const };

// The types of what a handler gets and returns.
export const app: App = implement(orders, {
  resources: async () => ({ db: { find: (id: string) => id.length } }),
  release: async ({ db }) => void db.find(""),
  handlers: {
    received: async (order, context) => {
      same<typeof order.data, DataOf<typeof orders>>(true);
      same<typeof order.results, ResultsOf<typeof orders>>(true);
      same<typeof order.status, "received">(true);
      same<typeof context.signal, AbortSignal>(true);
      same<typeof context.idempotencyKey, string>(true);
      same<typeof context.attempt, number>(true);
      same<ReturnType<typeof context.db.find>, number>(true);
      return order.data.items.length > 0 ? "held" : { to: "rejected" };
    },
    paid: lazy(async () => ({ default: async () => ({ to: "shipped", results: { tracking: "t" } }) as const })),
    old: (order) => {
      same<typeof order.status, "old">(true);
      return "rejected";
    },
  },
});

// Without a results schema, results are any JSON object.
implement(free, { handlers: { a: (order) => ({ to: "b", results: { anything: order.results.earlier } }) } });

// Without resources, the context is Cauce's own.
implement(free, {
  handlers: {
    a: (_order, context) => {
      const own: HandlerContext = context;
      return own.attempt > 0 ? "b" : { to: "b" };
    },
  },
});

implement(orders, {
  handlers: {
    ...rest,
    received: (order) => {
      // @ts-expect-error the data has no such field
      order.data.customer;
      // @ts-expect-error the data's types hold
      order.data.customerId.toFixed();
      // @ts-expect-error results may not be there yet
      order.results.payment.id;
      // @ts-expect-error the results have no such field
      order.results.trackingNumber;
      // @ts-expect-error an order is read, not written
      order.status = "rejected";
      return "held";
    },
  },
});

implement(orders, {
  resources: () => ({ db: 1 }),
  handlers: {
    ...rest,
    // @ts-expect-error no such resource
    received: (_order, { cache }) => (cache ? "held" : "rejected"),
  },
});

implement(orders, {
  resources: () => ({ db: 1 }),
  // @ts-expect-error no such resource
  release: ({ cache }) => void cache,
  handlers: { ...rest, received: () => "held" },
});

implement(orders, {
  // @ts-expect-error an unknown option
  resource: () => ({ db: 1 }),
  handlers: { ...rest, received: () => "held" },
});

implement(orders, {
  // @ts-expect-error a retired status keeps its handler
  handlers: { received: () => "held", paid: () => "shipped" },
});

implement(orders, {
  handlers: {
    ...rest,
    received: () => "held",
    // @ts-expect-error a final status takes no handler
    shipped: () => "rejected",
  },
});

implement(orders, {
  handlers: {
    ...rest,
    // @ts-expect-error a handler returns the next status
    received: () => {},
  },
});

implement(orders, {
  handlers: {
    ...rest,
    // @ts-expect-error every way out must be a status that may follow
    received: (order) => (order.data.items.length > 0 ? "held" : "received"),
  },
});

implement(orders, {
  handlers: {
    ...rest,
    // @ts-expect-error no such result
    received: () => ({ to: "held", results: { trackingNumber: "t" } }),
  },
});

implement(orders, {
  handlers: {
    ...rest,
    // @ts-expect-error a lazy handler returns a status that may follow, too
    received: lazy(async () => ({ default: () => "shipped" as const })),
  },
});

implement(orders, {
  handlers: {
    ...rest,
    // @ts-expect-error a lazy handler is a module with a default export
    received: lazy(async () => ({ received: () => "held" as const })),
  },
});
