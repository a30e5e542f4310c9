import { z } from "zod";
import { createClient } from "../../src/client/index.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string(), currency: z.string().default("EUR") }),
  results: z.object({ tracking: z.string() }).partial(),
  initial: "received",
  statuses: { received: { to: ["held", "shipped"] }, held: { to: ["shipped"], waits: true }, shipped: final },
});
const app = implement(orders, { handlers: { received: () => "held" } });

const url = "http://127.0.0.1:3000/orders";
const client = createClient<typeof orders>({ url });
const ofApp = createClient<typeof app>({ url });
const untyped = createClient({ url });

export async function uses(): Promise<void> {
  const { placed, order } = await client.place({ customerId: "c-1" });
  placed satisfies boolean;
  // What has a default may be left out, and is there afterwards.
  order.data.currency satisfies string;
  order.results.tracking satisfies string | undefined;
  order.status satisfies "received" | "held" | "shipped";
  await ofApp.place({ customerId: "c-1" });
  (await ofApp.get("id"))?.status satisfies "received" | "held" | "shipped" | undefined;
  await untyped.place({ any: "thing" });
  (await untyped.waitFor("id", "anywhere")).status satisfies string;

  for await (const one of client.orders({ status: "held" })) one.data.customerId satisfies string;
  (await client.queues())[0]?.status satisfies "received" | "held" | "shipped" | undefined;
  await client.transition("id", { to: "shipped", results: { tracking: "T-1" } });
  await client.waitFor("id", ["shipped", "held"], { timeoutSeconds: 5 });

  // @ts-expect-error data of another type
  await client.place({ customerId: 1 });
  // @ts-expect-error data that lacks a field
  await ofApp.place({ currency: "EUR" });
  // @ts-expect-error a field that is not in the data
  order.data.customer;
  // @ts-expect-error no such status
  order.status === "paid";
  // @ts-expect-error no such status in a query
  await client.list({ status: "paid" });
  // @ts-expect-error no such status to move to
  await client.transition("id", { to: "paid" });
  // @ts-expect-error results of another type
  await client.transition("id", { to: "shipped", results: { tracking: 1 } });
  // @ts-expect-error no such status to wait for
  await client.waitFor("id", "paid");
  // @ts-expect-error no such status among several
  await ofApp.waitFor("id", ["shipped", "paid"]);
  // @ts-expect-error no such status to pause
  await client.pause("paid");
  // @ts-expect-error a handler's app is typed by its workflow
  createClient<{ name: string }>({ url });
  // @ts-expect-error an option that does not exist
  createClient({ url, key: "x" });
  // @ts-expect-error the URL is missing
  createClient<typeof orders>({});
}
