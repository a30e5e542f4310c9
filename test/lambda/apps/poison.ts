import { text } from "node:stream/consumers";
import { z } from "zod";
import { defineWorkflow, final, implement } from "../../../src/index.ts";
import { processingHandler, type SqsEvent } from "../../../src/lambda/index.ts";
import { invocation } from "../eventSource.ts";

/**
 * An order with `dies` ends its handler's process in every run. With two attempts it runs three times. The handler of a
 * `slow` order still runs when an order beside it ends the process.
 */
export const workflow = defineWorkflow({
  name: "poisoned",
  data: z.object({ customer: z.string(), dies: z.enum(["exit", "abort"]).optional(), slow: z.boolean().optional() }),
  group: (data) => data.customer,
  initial: "received",
  statuses: {
    received: { to: ["done"], timeoutSeconds: 5, retry: { attempts: 2 } },
    done: final,
  },
});

export const app = implement(workflow, {
  handlers: {
    received: async ({ data }) => {
      if (data.dies === "exit") process.exit(3);
      if (data.dies === "abort") process.abort();
      if (data.slow) await new Promise((resolve) => setTimeout(resolve, 500));
      return "done" as const;
    },
  },
});

// Run by itself, this file is the processing function's process: it reads one event and writes one answer.
if (import.meta.main) {
  const event = JSON.parse(await text(process.stdin)) as SqsEvent;
  const answer = await processingHandler(app)(event, invocation());
  process.stderr.write(JSON.stringify(answer), () => process.exit(0));
}
