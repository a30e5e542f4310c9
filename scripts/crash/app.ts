/** The app that is killed: three handled statuses, whose handlers say outside that they ran. */
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow, final, type HandlerContext, implement, type Order } from "cauce";
import { z } from "zod";
import { type HandlerLog, openHandlerLog } from "./handlerLog.ts";

export const workflowName = "crash";
/** The statuses that every order goes through, in this order. */
export const path = ["received", "checked", "packed", "sent"] as const;
/** Here an order that is flaky fails this often before it gets on; nothing else ever throws. */
export const flakyStatus = "checked";
const flakyFailures = 2;
/** Names the file to which the handlers append. */
export const handlerLogVariable = "CRASH_HANDLER_LOG";

// Kills use up attempts too, and none may be the last: what is tested is that an order gets on in spite of them.
const retry = { attempts: 1_000, baseSeconds: 0.02, maxSeconds: 0.1 };
const longestHandlerMilliseconds = 12;

const crash = defineWorkflow({
  name: workflowName,
  data: z.object({ ref: z.string(), group: z.string(), flaky: z.boolean() }),
  group: ({ group }) => group,
  initial: "received",
  statuses: {
    received: { to: ["checked"], retry },
    checked: { to: ["packed"], retry },
    packed: { to: ["sent"], retry },
    sent: final,
  },
});

/** Long enough that a kill finds handlers which have begun and not ended. */
async function work({ visit }: Order, context: HandlerContext & { runs: HandlerLog }) {
  context.runs.ran(context);
  await delay(Math.random() * longestHandlerMilliseconds);
  return { [`visit${visit}`]: context.attempt };
}

export default implement(crash, {
  resources: () => ({ runs: openHandlerLog(process.env[handlerLogVariable]) }),
  handlers: {
    received: async (order, context) => ({ to: "checked", results: await work(order, context) }),
    async checked(order, context) {
      const results = await work(order, context);
      if (order.data.flaky && context.attempt <= flakyFailures) throw new Error("flaky, as ordered");
      return { to: "packed", results };
    },
    packed: async (order, context) => ({ to: "sent", results: await work(order, context) }),
  },
});
