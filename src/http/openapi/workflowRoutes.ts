/** What a workflow's routes are in the document: its operations, as they are declared, with the workflow's own schemas. */
import * as z from "zod";
import { idempotencyKeyPattern, noFields, pathFieldMeanings } from "../../api/fields.ts";
import { type Operation, type Shown, unwritable } from "../../api/operation.ts";
import { batchWire, pathFieldOf } from "../../api/orders.ts";
import { type Components, inlineSchema, type JsonSchema, refTo } from "./components.ts";
import { type Content, json, type RouteDescription } from "./describe.ts";
import type { WorkflowSchemas } from "./workflowSchemas.ts";

const idempotencyKey = () =>
  z
    .string()
    .regex(idempotencyKeyPattern)
    .optional()
    .describe(
      "1 to 255 visible ASCII characters. The same key and content give the same answer; other content a conflict.",
    );
const requestId = () =>
  z
    .string()
    .optional()
    .describe("Up to 128 visible ASCII characters, kept in the history. One that does not fit is ignored.");
const location = {
  Location: { description: "The path of the order.", schema: { type: "string" as const, format: "uri-reference" } },
};

/** The routes of one workflow; that of the batch stands beside placing. */
export function workflowRoutes(operations: readonly Operation[], workflow: WorkflowSchemas): RouteDescription[] {
  return operations
    .filter(({ scope }) => scope === undefined)
    .flatMap((each) => [routeOf(each, workflow), ...(each.name === "place" ? [batchOf(workflow)] : [])]);
}

/** The routes that answer for all workflows at once. */
export function allWorkflowsRoutes(operations: readonly Operation[], components: Components): RouteDescription[] {
  return operations
    .filter(({ scope }) => scope === "server")
    .map((operation) => {
      const { name, method, path, role, summary, description, answers, shown, errors } = operation;
      const { shape } = shown ?? {};
      const rows = typeof shape === "object" ? { [name]: shape.schema() } : {};
      const all = z.object({ workflows: z.array(z.object({ workflow: z.string(), ...rows })) });
      const content = json(components.putShape(`${name.charAt(0).toUpperCase()}${name.slice(1)}`, all));
      return {
        method,
        path,
        operationId: name,
        tag: "server",
        access: role,
        summary,
        description,
        ...requestOf(operation, {}),
        answers: eachAnswer(answers, (said) => ({ description: said, content })),
        errors,
      };
    });
}

/** What an operation's request brings: parameters, and a body where it is a POST. */
function requestOf(operation: Operation, inputs: WorkflowSchemas["inputs"]) {
  const { name, method, keyed, input = noFields, bodyRequired, example = {} } = operation;
  const field = pathFieldOf(operation);
  const inPath =
    field &&
    z.object({
      [field]: z
        .string()
        .min(1)
        .describe(pathFieldMeanings[field] ?? `The ${field}.`),
    });
  const headers = { ...(keyed ? { "Idempotency-Key": idempotencyKey() } : {}), "X-Request-Id": requestId() };
  const parameters = {
    ...(inPath ? { path: inPath } : {}),
    ...(method === "POST" ? {} : { query: input() }),
    ...(method === "GET" ? {} : { header: z.object(headers) }),
  };
  if (method !== "POST") return { parameters };
  const content = json(inputs[name] ?? inlineSchema(input()), example);
  return { parameters, body: { required: bodyRequired === true, content } };
}

function routeOf(operation: Operation, workflow: WorkflowSchemas): RouteDescription {
  const { name, method, path, role, takes, summary, description, answers, errors, example } = operation;
  const given = typeof example === "function" ? { ...operation, example: example(workflow.enterable) } : operation;
  return {
    method,
    path: `/${workflow.name}${path}`,
    operationId: `${workflow.name}.${name}`,
    tag: workflow.name,
    access: role,
    summary,
    description,
    ...requestOf(given, workflow.inputs),
    ...(takes === "data" ? { body: { required: true, content: json(workflow.data, workflow.examples.data) } } : {}),
    answers: eachAnswer(answers, (said) => answerOf(operation, said, workflow)),
    errors,
  };
}

function eachAnswer<T>(answers: Readonly<Record<number, string>>, make: (said: string) => T): Record<number, T> {
  return Object.fromEntries(Object.entries(answers).map(([status, said]) => [status, make(said)]));
}

function answerOf({ shown, located }: Operation, description: string, workflow: WorkflowSchemas) {
  if (shown === undefined) return { description };
  return {
    description,
    ...(located === undefined ? {} : { headers: location }),
    content: contentOf(shown.shape, workflow),
  };
}

function contentOf(shape: Shown<never>["shape"], { order, orderPage, examples }: WorkflowSchemas): Content {
  if (shape === "Order") return json(order, examples.order);
  if (shape !== "OrderPage") return json(shape.name === undefined ? inlineSchema(shape.schema()) : refTo(shape.name));
  return json(orderPage, examples.order === undefined ? undefined : { items: [examples.order], nextCursor: null });
}

const lines = (itemSchema: JsonSchema, example?: string): Content => ({
  "application/x-ndjson": {
    schema: { type: "string" },
    "x-item-schema": itemSchema,
    ...(example === undefined ? {} : { example }),
  },
});

/** The one route that is no operation of its own: lines of placings, streamed both ways. */
function batchOf({ name, batchLine, examples }: WorkflowSchemas): RouteDescription {
  const { method, path, role } = batchWire;
  const line = examples.data === undefined ? undefined : { idempotencyKey: "k-1", data: examples.data };
  return {
    method,
    path: `/${name}${path}`,
    operationId: `${name}.placeMany`,
    tag: name,
    access: role,
    summary: "Place many orders",
    description:
      'Each line is `{ "idempotencyKey"?, "data" }`. A line comes out for each line that goes in, in order; blank lines are counted and left out. A bad line fails alone. Both ways are streamed.',
    parameters: { header: z.object({ "X-Request-Id": requestId() }) },
    body: { required: false, content: lines(batchLine, line && `${JSON.stringify(line)}\n`) },
    answers: { 200: { description: "A line for each line.", content: lines(refTo("BatchAnswer")) } },
    errors: ["unsupported_media_type", ...unwritable],
  };
}
