import { z } from "zod";
import type { Orders } from "../../src/api/orders.ts";
import type { Cauce } from "../../src/cauce.ts";
import type { Client } from "../../src/client/index.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import type { WorkflowTest } from "../../src/testing/index.ts";

const orders = defineWorkflow({
  name: "orders",
  data: z.object({ customerId: z.string(), gift: z.boolean().default(false) }),
  results: z.object({ tracking: z.string() }).partial(),
  initial: "received",
  statuses: { received: { to: ["paid"], waits: true }, paid: { to: ["shipped"] }, shipped: final },
});
const app = implement(orders, { handlers: { paid: () => "shipped" } });

// The client, the library and a test have one interface.
export const faces = (cauce: Cauce, client: Client<typeof orders>, test: WorkflowTest<typeof orders>) =>
  [cauce.workflow(orders), cauce.workflow(app), client, test.orders] satisfies Orders<typeof orders>[];

export async function typed(cauce: Cauce): Promise<string> {
  const shop = cauce.workflow(orders);
  const { placed, order } = await shop.place({ customerId: "c-1" }, { idempotencyKey: "k" });
  const gift: boolean = order.data.gift;
  // @ts-expect-error the schema has no such field
  await shop.place({ customerId: "c-1", colour: "red" });
  // @ts-expect-error a field is missing
  await shop.place({});
  await shop.transition(order.id, { to: "paid", results: { tracking: "t-1" } });
  // @ts-expect-error the workflow has no such status
  await shop.transition(order.id, { to: "payed" });
  // @ts-expect-error the results have no such field
  await shop.transition(order.id, { to: "paid", results: { trackin: "t-1" } });
  // @ts-expect-error the workflow has no such status
  await shop.list({ status: "payed" });
  // @ts-expect-error the workflow has no such status
  await shop.pause("payed");
  const [queue] = await shop.queues();
  const oldest: string | null | undefined = queue?.oldestWaitingAt;
  // A workflow given by its name has no types of its own.
  const untyped = await cauce.workflow("orders").place({ anything: true });
  return `${placed} ${gift} ${oldest} ${untyped.order.status}`;
}
