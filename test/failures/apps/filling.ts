import { defineWorkflow, final, implement } from "cauce";
import { z } from "zod";
import { openHandlerLog } from "../../../scripts/crash/handlerLog.ts";

/** The variable that names the file in which the handlers note their runs. */
export const runsVariable = "FILLING_RUNS";

const filling = defineWorkflow({
  name: "filling",
  data: z.object({
    /** The URL whose answer the handler waits for before it ends. */
    url: z.url().optional(),
    /** The text that fills the disk. */
    padding: z.string().default(""),
  }),
  initial: "open",
  statuses: { open: { to: ["done"], retry: { baseSeconds: 0.01, maxSeconds: 0.1 } }, done: final },
});

export default implement(filling, {
  resources: () => ({ runs: openHandlerLog(process.env[runsVariable]) }),
  handlers: {
    async open({ data }, { runs, signal, ...context }) {
      runs.ran(context);
      if (data.url !== undefined) await (await fetch(data.url, { signal })).text();
      return "done" as const;
    },
  },
});
