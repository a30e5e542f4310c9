import { createHmac, timingSafeEqual } from "node:crypto";
import { type Client, ClientError } from "cauce/http";
import { Hono } from "hono";
import type { loans } from "./loans.workflow.ts";

// #region receiver
/** Takes the document service's webhooks, in a process of its own: any server that can call Cauce will do. */
export function payslipReceiver(client: Client<typeof loans>, secret: string): Hono {
  const receiver = new Hono();
  receiver.post("/payslips", async (c) => {
    const body = await c.req.text();
    if (!isSigned(body, c.req.header("x-signature") ?? "", secret)) return c.text("not signed by us", 401);
    const event = JSON.parse(body) as { id: string; loanId: string };
    try {
      const request = { to: "assessing", reason: `payslip, event ${event.id}` } as const;
      await client.transition(event.loanId, request, { idempotencyKey: event.id });
      return c.text("taken");
    } catch (error) {
      // The order has gone elsewhere, or does not exist: sending the event again would change nothing.
      const settled = ["transition_not_allowed", "order_not_found"];
      if (error instanceof ClientError && settled.includes(error.code)) return c.text(`ignored: ${error.code}`);
      // Any other fault may pass, also `being_handled`: the event may come before its handler has made the order wait.
      // An answer above 499 makes the service send the event again, under the same id.
      return c.text("try again later", 503);
    }
  });
  return receiver;
}

function isSigned(body: string, signature: string, secret: string): boolean {
  const expected = createHmac("sha256", secret).update(body).digest();
  const given = Buffer.from(signature, "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}
// #endregion
