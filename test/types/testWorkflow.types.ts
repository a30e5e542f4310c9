import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { type App, implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import { testWorkflow } from "../../src/testing/testWorkflow.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string(), note: z.string().default("") }),
  results: z.object({ tracking: z.string() }).partial(),
  initial: "paid",
  statuses: { paid: { to: ["held", "shipped"] }, held: { to: ["shipped"], waits: true }, shipped: final },
});

const app = implement(orders, {
  resources: async () => ({ post: { send: async (id: string) => id.length } }),
  handlers: { paid: () => "shipped" },
});
const plain: App = app;

// What fits compiles, with or without resources, and what comes back has the workflow's types.
await testWorkflow(plain, { resources: { anything: 1 } });
await using shop = await testWorkflow(app, { resources: { post: { send: async () => 1 } }, delivery: "fifo" });
const order = await shop.place({ customerId: "c-1" }, { idempotencyKey: "k" });
const isShipped: boolean = order.status === "shipped";
const tracking: string | undefined = order.results.tracking;
const note: string = (await shop.get(order.id)).data.note;
await shop.transition(order.id, { to: "shipped", results: { tracking: "t" }, reason: note });
await shop.advance({ seconds: 60 });
export const moved = isShipped && tracking && shop.attempts(order.id)[0]?.outcome === "moved";

// @ts-expect-error the data must fit the workflow's
shop.place({ customer: "c-1" });

// @ts-expect-error the data must be whole
shop.place({});

// @ts-expect-error no such status
shop.transition(order.id, { to: "lost" });

// @ts-expect-error the results must fit the workflow's
shop.transition(order.id, { to: "shipped", results: { tracking: 5 } });

// @ts-expect-error an order is never in that status
order.status === "lost";

// @ts-expect-error no attempt was in that status
shop.attempts(order.id)[0]?.status === "lost";

// @ts-expect-error an attempt does not come to that
shop.attempts(order.id)[0]?.outcome === "lost";

// @ts-expect-error there are no such results
order.results.trackingNumber;

// @ts-expect-error the unit is in the name
shop.advance({ minutes: 1 });

// @ts-expect-error the resources must be all that the handlers get
testWorkflow(app, { resources: {} });

// @ts-expect-error the resources must be what the handlers get
testWorkflow(app, { resources: { post: { send: () => "sent" } } });

// @ts-expect-error there is no such delivery
testWorkflow(app, { delivery: "lifo" });

// @ts-expect-error there is no such option
testWorkflow(app, { resource: {} });
