import { defineWorkflow, final, type HandlerContext, implement } from "cauce";
import { z } from "zod";
import { type HandlerLog, openHandlerLog } from "../../../scripts/crash/handlerLog.ts";

/** The variable that names the file in which the handlers note their runs. */
export const runsVariable = "DYING_RUNS";

const data = z.object({
  does: z.enum(["nothing", "wait", "exit", "allocate"]),
  /** The URL whose answer the handler waits for first. */
  url: z.url().optional(),
  group: z.string().optional(),
});

function dying<Name extends string>(name: Name, open: { readonly attempts: number; readonly concurrency?: number }) {
  const { attempts, ...concurrency } = open;
  const retry = { attempts, baseSeconds: 0.01, maxSeconds: 0.01 };
  return defineWorkflow({
    name,
    data,
    group: ({ group }) => group,
    initial: "open",
    statuses: { open: { to: ["done"], retry, ...concurrency }, done: final },
  });
}

/** Does what an order asks for. The process does not survive `exit` and `allocate`. */
async function run(order: z.output<typeof data>, { signal }: HandlerContext): Promise<"done"> {
  if (order.url !== undefined) await (await fetch(order.url, { signal })).text();
  if (order.does === "exit") process.exit(9);
  if (order.does === "allocate") {
    const kept: object[][] = [];
    for (;;) kept.push(Array.from({ length: 100_000 }, (_, index) => ({ index })));
  }
  return "done";
}

function app(workflow: ReturnType<typeof dying>) {
  return implement(workflow, {
    resources: () => ({ runs: openHandlerLog(process.env[runsVariable]) }),
    handlers: {
      open(order, context: HandlerContext & { runs: HandlerLog }) {
        context.runs.ran(context);
        return run(order.data, context);
      },
    },
  });
}

export default [
  app(dying("queued", { attempts: 3, concurrency: 1 })),
  app(dying("once", { attempts: 1, concurrency: 1 })),
  app(dying("together", { attempts: 3 })),
];
