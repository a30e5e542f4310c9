import * as z from "zod";
import { defineWorkflow, final, implement, RetryError } from "../src/index.ts";

const delays = defineWorkflow({
  name: "delays",
  data: z.object({ delaySeconds: z.number().min(0) }),
  results: z.object({ lateMilliseconds: z.number() }).partial(),
  initial: "waits",
  statuses: { waits: { to: ["done"], retry: { attempts: 2 } }, done: final },
});

/** Each order asks once to be tried again after a delay, and then says how late that was. */
export default implement(delays, {
  handlers: {
    waits: ({ data, notBefore }, { attempt }) => {
      const now = Date.now();
      if (attempt === 1) throw new RetryError({ delaySeconds: data.delaySeconds });
      if (notBefore === null) throw new Error("an order that waited has no notBefore");
      return { to: "done", results: { lateMilliseconds: now - Date.parse(notBefore) } };
    },
  },
});
