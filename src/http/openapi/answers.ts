/** The schemas of answers that are the same for every workflow. */
import { errorCodes } from "../../core/errors.ts";
import { httpStatusOf } from "../problem.ts";
import { type Components, type JsonSchema, refTo } from "./components.ts";

export const text: JsonSchema = { type: "string" };
export const count: JsonSchema = { type: "integer", minimum: 0 };
export const time: JsonSchema = { type: "string", format: "date-time" };
export const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: "null" }] });
export const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });

/** An object whose properties are all there, but for those that `optional` names. */
export function object(
  properties: Readonly<Record<string, JsonSchema>>,
  { optional = [], ...more }: { readonly optional?: readonly string[]; readonly description?: string } = {},
): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", ...more, properties, ...(required.length > 0 ? { required } : {}) };
}

export const statusName: JsonSchema = {
  type: "string",
  description: "The name of a status. It may be one that the workflow had before and no longer has.",
};

/** The codes that a client can meet. */
export const codes = Object.entries(httpStatusOf)
  .filter(([, status]) => status !== null)
  .map(([code]) => code);

export function putSharedAnswers(components: Components): void {
  const fault = components.put(
    "Fault",
    object({
      path: { ...text, description: "Where it is, such as `items.0.sku`; empty for the whole." },
      message: { ...text, description: "What is wrong there." },
    }),
  );
  components.put(
    "Problem",
    object(
      {
        type: { ...text, description: "Always `about:blank`." },
        title: { ...text, description: "The phrase of the HTTP status." },
        status: { type: "integer", minimum: 400, maximum: 599 },
        detail: { ...text, description: "For people: what is wrong, where and what to do, on one line." },
        code: { ...text, enum: codes, description: "Stable: branch on it, not on the texts." },
        errors: { ...list(fault), description: "Each fault, where data, results, a query or a body are refused." },
      },
      { optional: ["errors"], description: "An error (RFC 9457)." },
    ),
  );
  components.put(
    "Failure",
    object(
      { code: { ...text, examples: ["handler_failed"] }, message: text, fingerprint: text, at: time },
      { description: "Why an order is marked failed. The same fault gives the same fingerprint." },
    ),
  );
  components.put(
    "HistoryEntry",
    object(
      {
        status: statusName,
        visit: count,
        at: { ...time, description: "When the order entered the status." },
        attempts: { ...count, description: "How many attempts this visit used." },
        reason: orNull(text),
        error: { ...orNull(text), description: "The last failed attempt's error." },
        by: refTo("Actor"),
      },
      { description: "One visit: a stay in one status." },
    ),
  );
  components.put(
    "Actor",
    object(
      {
        runtime: { ...text, enum: ["node", "lambda", "pod"] },
        name: text,
        requestId: {
          ...orNull(text),
          description:
            "The `X-Request-Id` of the request that caused it, or the id of the run of a Lambda function that did.",
        },
        messageId: orNull(text),
      },
      { description: "Who moved an order into a status." },
    ),
  );
  components.put(
    "FailurePage",
    object({
      items: list(
        object({ status: statusName, fingerprint: text, message: text, count: count, firstAt: time, lastAt: time }),
      ),
    }),
  );
  components.put(
    "Stored",
    object({
      id: text,
      version: { ...count, description: "The order's version, as it was read just now." },
      store: { ...text, enum: ["dynamodb", "sqlite", "memory"] },
      file: { ...orNull(text), description: "The file that holds the table; null where there is none." },
      table: orNull(text),
      key: {
        type: "object",
        additionalProperties: { type: ["string", "integer"] },
        description: "The values of the item's key, by their names in the table.",
      },
    }),
  );
  components.put("Retried", object({ retried: count, nextCursor: refTo("NextCursor") }));
  components.put("NextCursor", {
    ...orNull(text),
    description: "The `cursor` of the next call; null: this was the last page.",
  });
  components.put(
    "Queue",
    object({
      status: statusName,
      kind: { ...text, enum: ["handled", "waiting"] },
      waiting: { ...count, description: "Handled: in the queue and due. Waiting: standing in the status." },
      inFlight: { ...count, description: "With a handler." },
      delayed: { ...count, description: "In the queue, not before a time." },
      failed: count,
      oldestWaitingAt: { ...orNull(time), description: "Since when the one that waits longest has waited." },
      atLeast: { type: "boolean", description: "The counts are lower bounds." },
      paused: { type: "boolean", description: "No handler starts until the status is resumed." },
    }),
  );
  components.put("Queues", object({ workflows: list(object({ workflow: text, queues: list(refTo("Queue")) })) }));
  components.put("Health", object({ status: { ...text, enum: ["ok", "unavailable"] } }));
  components.put(
    "BatchAnswer",
    object(
      {
        line: { type: "integer", minimum: 1, description: "The line's number in the body; blank lines count." },
        status: { type: "integer", description: "What the order alone would have been answered." },
        order: object({ id: text, status: statusName, visit: count, version: count }),
        problem: object(
          { code: { ...text, enum: codes }, detail: text, errors: list(fault) },
          { optional: ["errors"] },
        ),
      },
      { optional: ["order", "problem"], description: "202 and 200 come with `order`, anything else with `problem`." },
    ),
  );
  components.put(
    "Transition",
    object(
      {
        workflow: text,
        order: text,
        status: statusName,
        from: { ...orNull(text), description: "The status before; null when the order was placed." },
        visit: count,
        version: count,
        at: time,
      },
      { description: "The `data` of a server-sent event `transition`." },
    ),
  );
  const seconds = orNull({ type: "number", minimum: 0 });
  components.put(
    "Stats",
    object({
      minutes: list(
        object({
          at: { ...time, description: "When the minute began." },
          workflows: list(
            object({
              workflow: text,
              placed: count,
              finished: count,
              attempts: object({ moved: count, retried: count, failed: count }),
              statuses: list(
                object({
                  status: statusName,
                  entered: count,
                  left: count,
                  timeInStatusP50Seconds: seconds,
                  timeInStatusP99Seconds: seconds,
                  depth: { ...count, description: "The orders that stood in it when the minute ended." },
                }),
              ),
            }),
          ),
        }),
      ),
    }),
  );
}

/** What a code means, for descriptions. */
export function meaningOf(code: string): string {
  return (errorCodes as Readonly<Record<string, string>>)[code] ?? "";
}
