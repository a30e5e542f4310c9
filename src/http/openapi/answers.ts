/** The schemas of answers that are the same for every workflow, and are no operation's result. */
import * as z from "zod";
import { later } from "../../api/fields.ts";
import type { Operation, Shape } from "../../api/operation.ts";
import { count, sharedShapes, status, time } from "../../api/shapes.ts";
import { errorCodes } from "../../core/errors.ts";
import { httpStatusOf } from "../problem.ts";

/** The codes that a client can meet. */
export const codes = Object.entries(httpStatusOf)
  .filter(([, status]) => status !== null)
  .map(([code]) => code);

const fault = later(() =>
  z.object({
    path: z.string().describe("Where it is, such as `items.0.sku`; empty for the whole."),
    message: z.string().describe("What is wrong there."),
  }),
);
const problem = later(() =>
  z
    .object({
      type: z.string().describe("Always `about:blank`."),
      title: z.string().describe("The phrase of the HTTP status."),
      status: z.int().min(400).max(599),
      detail: z.string().describe("For people: what is wrong, where and what to do, on one line."),
      code: z.enum(codes).describe("Stable: branch on it, not on the texts."),
      errors: z.array(fault()).optional().describe("Each fault, where data, results, a query or a body are refused."),
    })
    .describe("An error (RFC 9457)."),
);
const health = later(() => z.object({ status: z.enum(["ok", "unavailable"]) }));
const batchAnswer = later(() =>
  z
    .object({
      line: z.int().min(1).describe("The line's number in the body; blank lines count."),
      status: z.int().describe("What the order alone would have been answered."),
      order: z.object({ id: z.string(), status: status(), visit: count(), version: count() }).optional(),
      problem: z.object({ code: z.enum(codes), detail: z.string(), errors: z.array(fault()).optional() }).optional(),
    })
    .describe("202 and 200 come with `order`, anything else with `problem`."),
);
const transition = later(() =>
  z
    .object({
      workflow: z.string(),
      order: z.string(),
      status: status(),
      from: z.string().nullable().describe("The status before; null when the order was placed."),
      visit: count(),
      version: count(),
      at: time(),
    })
    .describe("The `data` of a server-sent event `transition`."),
);
const seconds = () => z.number().min(0).nullable();
const stats = later(() =>
  z.object({
    minutes: z.array(
      z.object({
        at: time().describe("When the minute began."),
        workflows: z.array(
          z.object({
            workflow: z.string(),
            placed: count(),
            finished: count(),
            attempts: z.object({ moved: count(), retried: count(), failed: count() }),
            statuses: z.array(
              z.object({
                status: status(),
                entered: count(),
                left: count(),
                timeInStatusP50Seconds: seconds(),
                timeInStatusP99Seconds: seconds(),
                depth: count().describe("The orders that stood in it when the minute ended."),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
);

/** Every schema that is the same for all workflows, by its name in the document. */
export function sharedSchemas(operations: readonly Operation[]): Record<string, z.ZodType> {
  const own: Shape[] = [
    { name: "Fault", schema: fault },
    { name: "Problem", schema: problem },
    ...sharedShapes,
    { name: "Health", schema: health },
    { name: "BatchAnswer", schema: batchAnswer },
    { name: "Transition", schema: transition },
    { name: "Stats", schema: stats },
  ];
  const results = operations.flatMap(({ shown }) => (typeof shown?.shape === "object" ? [shown.shape] : []));
  return Object.fromEntries(
    [...own, ...results].flatMap(({ name, schema }) => (name === undefined ? [] : [[name, schema()]])),
  );
}

/** What a code means, for descriptions. */
export function meaningOf(code: string): string {
  return (errorCodes as Readonly<Record<string, string>>)[code] ?? "";
}
