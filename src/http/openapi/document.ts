import * as z from "zod";
import { idempotencyKeyPattern, noFields, pathFieldMeanings } from "../../api/fields.ts";
import { type Operation, type Shown, unwell, unwritable } from "../../api/operation.ts";
import { batchWire, pathFieldOf } from "../../api/orders.ts";
import type { AnyWorkflow } from "../../core/workflow.ts";
import { eventsQuery, type OwnPath, ownRoutes, statsQuery } from "../requests.ts";
import {
  type Components,
  createComponents,
  inlineSchema,
  type JsonSchema,
  refTo,
  sharedSchemas,
} from "./components.ts";
import { type Content, json, operationOf, type RouteDescription, type Share } from "./describe.ts";
import { putWorkflowSchemas, type WorkflowSchemas } from "./workflowSchemas.ts";

interface DocumentOptions {
  readonly workflows: readonly AnyWorkflow[];
  /** The operations of each workflow. */
  readonly operations: readonly Operation[];
  /** The path under which the API is mounted, such as `/api`; empty for the root. */
  readonly basePath: string;
  /** Whether the server asks for API keys. */
  readonly secured: boolean;
  /** Cauce's own version. */
  readonly version: string;
}

/** Makes the API's OpenAPI 3.1 document: the paths of each workflow, then those of the server. */
export function openApiDocument({ workflows, operations, basePath, secured, version }: DocumentOptions): object {
  const components = createComponents(sharedSchemas(operations));
  const names = workflows.map(({ name }) => name);
  const own = workflows.map((each) => putWorkflowSchemas(components, each, operations));
  const routes = [
    ...own.flatMap((each) => describeWorkflowRoutes(operations, each)),
    ...describeAllWorkflowsRoutes(operations, components),
    ...serverRoutes(names),
  ];
  const responses: Record<string, object> = {};
  const share: Share = (name, response) => {
    responses[name] = response;
    return { $ref: `#/components/responses/${name}` };
  };
  const paths = pathsOf(routes, secured, share);
  return {
    openapi: "3.1.0",
    info: {
      title: `Cauce: ${names.join(", ")}`,
      version,
      description:
        "Takes orders in, stores each one before it answers, and processes it status by status. Names are in camelCase, times in ISO 8601 and UTC. Every error is `application/problem+json` with a stable `code`. `GET` routes answer `HEAD` too.",
    },
    servers: [{ url: basePath === "" ? "/" : basePath }],
    ...(secured ? { security: [{ apiKey: [] }] } : {}),
    tags: [
      ...workflows.map(({ name, statuses }) => ({
        name,
        description: `Statuses: ${Object.keys(statuses).join(", ")}.`,
      })),
      { name: "server", description: "The server itself." },
    ],
    paths,
    components: {
      schemas: components.schemas(),
      responses,
      ...(secured
        ? {
            securitySchemes: {
              apiKey: {
                type: "http",
                scheme: "bearer",
                description:
                  "`Authorization: Bearer <key>`. The key's role says what it may do: `intake` places orders and nothing else, `read` may use every GET, `operate` everything. `x-role` of an operation names the role that it needs.",
              },
            },
          }
        : {}),
    },
  };
}

function pathsOf(routes: readonly RouteDescription[], secured: boolean, share: Share): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, secured, share) };
  }
  return paths;
}

const health = (description: string, status: "ok" | "unavailable") => ({
  description,
  content: json(refTo("Health"), { status }),
});

function serverRoutes(workflows: readonly string[]): RouteDescription[] {
  const workflow = eventsQuery().shape.workflow.describe(`Only this workflow: ${workflows.join(", ")}.`);
  const described: Readonly<
    Record<OwnPath, Omit<RouteDescription, "method" | "path" | "operationId" | "tag" | "access">>
  > = {
    "/events": {
      summary: "Transitions as they happen",
      description:
        "Server-sent events: `event: transition`, `id:` a cursor. After `Last-Event-ID` the stream goes on where it was; when the window no longer holds that, `event: gap` comes first. Comment lines keep it alive.",
      parameters: {
        query: z.object({ ...eventsQuery().shape, workflow }),
        header: z.object({
          "Last-Event-ID": z.string().optional().describe("The `id` of the last event that was received."),
        }),
      },
      answers: {
        200: {
          description: "The stream.",
          content: { "text/event-stream": { schema: { type: "string" }, "x-item-schema": refTo("Transition") } },
        },
      },
      errors: ["invalid_request", "workflow_not_found", "too_many_readers", "not_available_here", ...unwell],
    },
    "/stats": {
      summary: "What happened, minute by minute, the oldest first",
      parameters: { query: statsQuery() },
      answers: { 200: { description: "The minutes.", content: json(refTo("Stats")) } },
      errors: ["invalid_request", ...unwell],
    },
    "/metrics": {
      summary: "Metrics for Prometheus",
      answers: { 200: { description: "The metrics.", content: { "text/plain": { schema: { type: "string" } } } } },
      errors: ["invalid_request", ...unwell],
    },
    "/healthz": {
      summary: "Whether the process answers at all",
      answers: { 200: health("It does.", "ok") },
      errors: [],
    },
    "/readyz": {
      summary: "Whether the server takes orders",
      answers: { 200: health("It does.", "ok"), 503: health("It does not, or not any more.", "unavailable") },
      errors: [],
    },
    "/openapi.json": {
      summary: "This document",
      answers: { 200: { description: "OpenAPI 3.1.", content: json({ type: "object" }) } },
      errors: ["internal_error"],
    },
    "/docs": {
      summary: "This document as a page",
      answers: {
        200: {
          description: "A page without scripts or styles from elsewhere.",
          content: { "text/html": { schema: { type: "string" } } },
        },
      },
      errors: ["internal_error"],
    },
  };
  return Object.entries(described).map(([path, description]) => ({
    method: "GET",
    path,
    operationId: path.replace(/^\/|\.json$/g, ""),
    tag: "server",
    access: ownRoutes[path as OwnPath],
    ...description,
  }));
}

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

/** Describes the routes of one workflow. The batch's stands beside placing. */
function describeWorkflowRoutes(operations: readonly Operation[], workflow: WorkflowSchemas): RouteDescription[] {
  return operations
    .filter(({ scope }) => scope === undefined)
    .flatMap((each) => [routeOf(each, workflow), ...(each.name === "place" ? [batchOf(workflow)] : [])]);
}

/** Describes the routes that answer for all workflows at once. */
function describeAllWorkflowsRoutes(operations: readonly Operation[], components: Components): RouteDescription[] {
  return operations
    .filter(({ scope }) => scope === "server")
    .map((operation) => {
      const { name, path, answers, shown } = operation;
      const { shape } = shown ?? {};
      const rows = typeof shape === "object" ? { [name]: shape.schema() } : {};
      const all = z.object({ workflows: z.array(z.object({ workflow: z.string(), ...rows })) });
      const content = json(components.putShape(`${name.charAt(0).toUpperCase()}${name.slice(1)}`, all));
      return {
        ...describedAs(operation, {}),
        path,
        operationId: name,
        tag: "server",
        answers: eachAnswer(answers, (said) => ({ description: said, content })),
      };
    });
}

/** What an operation's declaration says by itself, with the parameters of its request and the body of a POST. */
function describedAs(operation: Operation, inputs: WorkflowSchemas["inputs"]) {
  const { name, method, keyed, input = noFields, bodyRequired, example = {} } = operation;
  const { role: access, summary, description, errors } = operation;
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
  const described = { method, access, summary, description, errors, parameters };
  if (method !== "POST") return described;
  const content = json(inputs[name] ?? inlineSchema(input()), example);
  return { ...described, body: { required: bodyRequired === true, content } };
}

function routeOf(operation: Operation, workflow: WorkflowSchemas): RouteDescription {
  const { name, path, takes, answers, example } = operation;
  const given = typeof example === "function" ? { ...operation, example: example(workflow.enterable) } : operation;
  return {
    ...describedAs(given, workflow.inputs),
    path: `/${workflow.name}${path}`,
    operationId: `${workflow.name}.${name}`,
    tag: workflow.name,
    ...(takes === "data" ? { body: { required: true, content: json(workflow.data, workflow.examples.data) } } : {}),
    answers: eachAnswer(answers, (said) => answerOf(operation, said, workflow)),
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

/** Describes the batch, which is no operation: its lines are streamed both ways. */
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
