/** Runs the bare front, which takes in orders and forgets them. It shows what HTTP, JSON and the schema alone cost. */
import { randomBytes } from "node:crypto";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { orders } from "../examples/orders/orders.workflow.ts";

let random = randomBytes(8_190);
let used = 0;

/** A UUID of version 7: ordered by time. */
function timeOrderedId(): string {
  if (used === random.length) {
    random = randomBytes(random.length);
    used = 0;
  }
  const time = Date.now().toString(16).padStart(12, "0");
  const rest = random.toString("hex", used, (used += 10));
  const variant = ((Number.parseInt(rest.charAt(3), 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-${variant}${rest.slice(4, 7)}-${rest.slice(7, 19)}`;
}

const app = new Hono();

app.get("/readyz", (c) => c.json({ status: "ready" }));

app.post("/orders", async (c) => {
  const body: unknown = await c.req.json().catch(() => undefined);
  if (body === undefined) return c.json({ code: "invalid_json" }, 400);
  const parsed = orders.data.safeParse(body);
  if (!parsed.success) return c.json({ code: "invalid_data", faults: parsed.error.issues }, 422);
  return c.json({ id: timeOrderedId() }, 202);
});

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.argv[2]) });

// Node writes a profile only if it ends by itself.
process.once("SIGTERM", () => process.exit());
