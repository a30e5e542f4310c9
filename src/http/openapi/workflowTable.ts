import { idempotencyKeyPattern, listQuery, noBody, retryManyBody } from "../contract.ts";
import type { HttpErrorCode } from "../problem.ts";
import { inlineSchema, type JsonSchema, refTo } from "./components.ts";
import { type Answer, type Parameter, queryOf, type RouteTable, unwell } from "./describe.ts";
import type { WorkflowSchemas } from "./workflowSchemas.ts";

const id: Parameter = {
  in: "path",
  name: "id",
  description: "The order's id.",
  schema: { type: "string", minLength: 1 },
};
const status: Parameter = {
  in: "path",
  name: "status",
  description: "The name of a handled status.",
  schema: { type: "string", minLength: 1 },
};
const idempotencyKey: Parameter = {
  in: "header",
  name: "Idempotency-Key",
  description:
    "1 to 255 visible ASCII characters. The same key and content give the same answer; other content a conflict.",
  schema: { type: "string", pattern: idempotencyKeyPattern.source },
};
const requestId: Parameter = {
  in: "header",
  name: "X-Request-Id",
  description: "Up to 128 visible ASCII characters, kept in the history. One that does not fit is ignored.",
  schema: { type: "string" },
};

const unwritable = ["store_full", ...unwell] as const;
const badBody = ["invalid_json", "body_too_large", "unsupported_media_type", "request_timed_out"] as const;

const listParameters: Readonly<Record<string, string>> = {
  status: "Only orders in this status; also one that the workflow no longer has.",
  failed: "`true`: only failed orders; `false`: only others.",
  fingerprint: "Only orders that failed with this fingerprint.",
  group: "Only orders of this group.",
  limit: "How many orders a page has at most.",
  cursor: "The `nextCursor` of the page before.",
};

/** The routes of one workflow. A route that the server has and this table has not fails a test. */
export function workflowTable(workflow: WorkflowSchemas): RouteTable {
  const { name, order, examples } = workflow;
  const json = (schema: JsonSchema, example?: unknown) => ({ type: "application/json", schema, example });
  const theOrder = (description: string, more: Omit<Answer, "description" | "content"> = {}): Answer => ({
    description,
    content: json(order, examples.order),
    ...more,
  });
  const location = {
    headers: {
      Location: { description: "The path of the order.", schema: { type: "string", format: "uri-reference" } },
    },
  };
  const route = (operation: string) => ({ operationId: `${name}.${operation}`, tag: name });
  const queue = (summary: string, operation: string) => ({
    ...route(operation),
    access: "operate" as const,
    summary,
    parameters: [status],
    body: { ...json(inlineSchema(noBody()), {}), required: false },
    answers: { 200: { description: "The status's row of `GET /queues`.", content: json(refTo("Queue")) } },
    errors: [
      ...badBody,
      "invalid_request",
      "status_not_found",
      "status_not_handled",
      ...unwritable,
    ] satisfies HttpErrorCode[],
  });

  return {
    [`POST /${name}`]: {
      ...route("place"),
      access: "intake",
      summary: "Place an order",
      description:
        "The body is the data itself. The answer leaves once the order is on disk. Besides what the schema says, the workflow may check more: each fault is in `errors`.",
      parameters: [idempotencyKey, requestId],
      body: { ...json(workflow.data, examples.data), required: true },
      answers: {
        202: theOrder("The order is stored.", location),
        200: theOrder(
          "The `Idempotency-Key` was used before with the same content: that order as it stands now.",
          location,
        ),
      },
      errors: [...badBody, "invalid_request", "idempotency_conflict", "invalid_data", "limit_exceeded", ...unwritable],
    },
    [`POST /${name}/batch`]: {
      ...route("placeMany"),
      access: "intake",
      summary: "Place many orders",
      description:
        'Each line is `{ "idempotencyKey"?, "data" }`. A line comes out for each line that goes in, in order; blank lines are counted and left out. A bad line fails alone. Both ways are streamed.',
      parameters: [requestId],
      body: {
        type: "application/x-ndjson",
        schema: { type: "string" },
        itemSchema: workflow.batchLine,
        ...(examples.data === undefined
          ? {}
          : { example: `${JSON.stringify({ idempotencyKey: "k-1", data: examples.data })}\n` }),
        required: false,
      },
      answers: {
        200: {
          description: "A line for each line.",
          content: { type: "application/x-ndjson", schema: { type: "string" }, itemSchema: refTo("BatchAnswer") },
        },
      },
      errors: ["unsupported_media_type", ...unwritable],
    },
    [`GET /${name}`]: {
      ...route("list"),
      access: "read",
      summary: "List orders, the newest first",
      description:
        "A cursor neither repeats nor skips while orders are placed. Parameters that are unknown or given twice are refused.",
      parameters: queryOf(inlineSchema(listQuery()), listParameters),
      answers: {
        200: {
          description: "A page of orders.",
          content: json(
            workflow.orderPage,
            examples.order === undefined ? undefined : { items: [examples.order], nextCursor: null },
          ),
        },
      },
      errors: ["invalid_request", "invalid_cursor", ...unwell],
    },
    [`GET /${name}/failures`]: {
      ...route("failures"),
      access: "read",
      summary: "Failed orders by status and fingerprint, the largest group first",
      answers: { 200: { description: "The groups.", content: json(refTo("FailurePage")) } },
      errors: ["invalid_request", ...unwell],
    },
    [`POST /${name}/retry`]: {
      ...route("retryMany"),
      access: "operate",
      summary: "Start failed orders again",
      description:
        "Those that match everything given, at most `limit` in one call. Call again with `nextCursor` until it is null.",
      parameters: [requestId],
      body: { ...json(inlineSchema(retryManyBody()), { limit: 100 }), required: false },
      answers: { 200: { description: "How many started again.", content: json(refTo("Retried")) } },
      errors: [...badBody, "invalid_request", "invalid_cursor", ...unwritable],
    },
    [`GET /${name}/{id}`]: {
      ...route("get"),
      access: "read",
      summary: "Read an order",
      parameters: [id],
      answers: { 200: theOrder("The order, with its history.") },
      errors: ["invalid_request", "order_not_found", ...unwell],
    },
    [`GET /${name}/{id}/stored`]: {
      ...route("stored"),
      access: "operate",
      summary: "Where an order is stored",
      description: "For looking it up with the store's own tools.",
      parameters: [id],
      answers: { 200: { description: "The table and key of the order's item.", content: json(refTo("Stored")) } },
      errors: ["invalid_request", "order_not_found", ...unwell],
    },
    [`DELETE /${name}/{id}`]: {
      ...route("remove"),
      access: "operate",
      summary: "Erase an order",
      description: "For erasure requests. Only orders in a final status are removed.",
      parameters: [id],
      answers: { 204: { description: "The order is gone." } },
      errors: ["order_not_found", "order_not_final", ...unwritable],
    },
    [`POST /${name}/{id}/transitions`]: {
      ...route("transition"),
      access: "operate",
      summary: "Move a waiting or failed order",
      parameters: [id, idempotencyKey, requestId],
      body: { ...json(workflow.transition, examples.transition), required: true },
      answers: {
        200: theOrder("The order after it moved, or as it stands when the `Idempotency-Key` was used before."),
      },
      errors: [
        ...badBody,
        "invalid_request",
        "order_not_found",
        "transition_not_allowed",
        "being_handled",
        "stale",
        "idempotency_conflict",
        "invalid_results",
        ...unwritable,
      ],
    },
    [`POST /${name}/{id}/retry`]: {
      ...route("retry"),
      access: "operate",
      summary: "Start a failed order again",
      parameters: [id, requestId],
      body: { ...json(inlineSchema(noBody()), {}), required: false },
      answers: { 200: theOrder("The order, started again.") },
      errors: [
        ...badBody,
        "invalid_request",
        "order_not_found",
        "not_failed",
        "stale",
        "transition_not_allowed",
        ...unwritable,
      ],
    },
    [`POST /${name}/queues/{status}/pause`]: {
      ...queue("Pause a status", "pause"),
      description:
        "No handler of the status starts until it is resumed. It is kept in the store, and harmless when repeated.",
    },
    [`POST /${name}/queues/{status}/resume`]: {
      ...queue("Resume a status", "resume"),
      description: "Harmless when repeated.",
    },
  };
}
