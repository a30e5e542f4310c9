import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { defineWorkflow, final, implement } from "../src/index.ts";

const restart = defineWorkflow({
  name: "restart",
  data: z.object({ number: z.int() }),
  initial: "works",
  statuses: { works: { to: ["done"], concurrency: 10_000 }, done: final },
});

/** The variable that says how long the handler takes. */
export const handlerMillisecondsVariable = "BENCH_HANDLER_MILLISECONDS";

/** An app whose one handler takes as long as the server's environment says. */
export default implement(restart, {
  resources: () => ({ handlerMilliseconds: Number(process.env[handlerMillisecondsVariable]) }),
  handlers: {
    works: async (_order, { handlerMilliseconds, signal }) => {
      await sleep(handlerMilliseconds, undefined, { signal });
      return "done" as const;
    },
  },
});
