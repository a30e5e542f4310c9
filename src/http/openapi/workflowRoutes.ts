/** What a workflow's routes are in the document: its operations, as they are declared, with the workflow's own schemas. */
import * as z from "zod";
import { idempotencyKeyPattern, noFields, pathFieldMeanings } from "../../api/fields.ts";
import { type Operation, unwritable } from "../../api/operation.ts";
import { pathFieldOf, wire } from "../../api/orders.ts";
import { inlineSchema, type JsonSchema, refTo } from "./components.ts";
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
export function allWorkflowsRoutes(operations: readonly Operation[]): RouteDescription[] {
  return operations
    .filter(({ scope }) => scope === "server")
    .map(({ name, method, path, role, summary, description, input, answers, shown, errors }) => ({
      method,
      path,
      operationId: name,
      tag: "server",
      access: role,
      summary,
      description,
      parameters: { query: input?.() },
      answers: eachAnswer(answers, (said) => ({
        description: said,
        ...(shown === undefined ? {} : { content: json(refTo(shown.schema)) }),
      })),
      errors,
    }));
}

function routeOf(operation: Operation, workflow: WorkflowSchemas): RouteDescription {
  const { name, method, path, role, keyed, summary, description, input, answers, errors } = operation;
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
  return {
    method,
    path: `/${workflow.name}${path}`,
    operationId: `${workflow.name}.${name}`,
    tag: workflow.name,
    access: role,
    summary,
    description,
    parameters: {
      ...(inPath ? { path: inPath } : {}),
      ...(method === "GET" ? { query: input?.() } : { header: z.object(headers) }),
    },
    ...(method === "POST" ? { body: bodyOf(operation, workflow) } : {}),
    answers: eachAnswer(answers, (said) => answerOf(operation, said, workflow)),
    errors,
  };
}

function eachAnswer<T>(answers: Readonly<Record<number, string>>, make: (said: string) => T): Record<number, T> {
  return Object.fromEntries(Object.entries(answers).map(([status, said]) => [status, make(said)]));
}

function bodyOf({ name, takes, input = noFields, bodyRequired, example = {} }: Operation, workflow: WorkflowSchemas) {
  const required = bodyRequired === true;
  if (takes === "data") return { required, content: json(workflow.data, workflow.examples.data) };
  const shown = typeof example === "function" ? example(workflow.enterable) : example;
  return { required, content: json(workflow.inputs[name] ?? inlineSchema(input()), shown) };
}

function answerOf({ shown, located }: Operation, description: string, workflow: WorkflowSchemas) {
  if (shown === undefined) return { description };
  return {
    description,
    ...(located === undefined ? {} : { headers: location }),
    content: contentOf(shown.schema, workflow),
  };
}

function contentOf(schema: string, { order, orderPage, examples }: WorkflowSchemas): Content {
  if (schema === "Order") return json(order, examples.order);
  if (schema !== "OrderPage") return json(refTo(schema));
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
  const { method, path, role } = wire.placeMany;
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
