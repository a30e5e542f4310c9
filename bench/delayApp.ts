import * as z from "zod";
import { defineWorkflow, final, implement, RetryError } from "../src/index.ts";

const delays = defineWorkflow({
  name: "delays",
  data: z.object({ delaySeconds: z.number().min(0) }),
  results: z.object({ lateMilliseconds: z.number() }).partial(),
  initial: "waits",
  statuses: { waits: { to: ["done"], retry: { attempts: 2 } }, done: final },
});

/** An app whose orders ask once for another attempt after a delay, and then say how late that attempt was. */
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
