/** The app that is killed. Its three handled statuses have handlers that note outside that they ran. */
import { setTimeout as delay } from "node:timers/promises";
import { defineWorkflow, final, type HandlerContext, implement, type Order } from "cauce";
import { z } from "zod";
import { type HandlerLog, openHandlerLog } from "./handlerLog.ts";

export const workflowName = "crash";
/** The statuses that every order goes through, in this order. */
export const path = ["received", "checked", "packed", "sent"] as const;
/** In this status a flaky order fails this often before it moves on. No other handler ever throws. */
export const flakyStatus = "checked";
const flakyFailures = 2;
/** The variable that names the file to which the handlers append. */
export const handlerLogVariable = "CRASH_HANDLER_LOG";

// Kills use up attempts too, and none may be the last: the test shows that an order moves on in spite of kills.
const retry = { attempts: 1_000, baseSeconds: 0.02, maxSeconds: 0.1 };
const handlerMillisecondsMax = 12;

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

/** Lasts long enough that a kill finds handlers which have begun and not ended. */
async function work({ visit }: Order, context: HandlerContext & { runs: HandlerLog }) {
  context.runs.ran(context);
  await delay(Math.random() * handlerMillisecondsMax);
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
