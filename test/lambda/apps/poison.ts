import { text } from "node:stream/consumers";
import { z } from "zod";
import { defineWorkflow, final, implement } from "../../../src/index.ts";
import { processingHandler, type SqsEvent } from "../../../src/lambda/index.ts";
import { invocation } from "../eventSource.ts";

/**
 * An order of `dies` ends the process of its handler, each time. Two attempts, so it runs three times. One that is
 * `slow` is still at it when another beside it does so.
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

// Run by itself it is the processing function's process: one event in, one answer out.
if (import.meta.main) {
  const event = JSON.parse(await text(process.stdin)) as SqsEvent;
  const answer = await processingHandler(app)(event, invocation());
  process.stderr.write(JSON.stringify(answer), () => process.exit(0));
}
