import { eventsQuery, statsQuery } from "../contract.ts";
import { inlineSchema, refTo } from "./components.ts";
import { type Content, queryOf, type RouteTable, unwell } from "./describe.ts";

const json = (name: string, example?: unknown): Content => ({ type: "application/json", schema: refTo(name), example });
const tag = "server";

/** The routes of the server itself. */
export function serverTable(workflows: readonly string[]): RouteTable {
  return {
    "GET /queues": {
      operationId: "queues",
      tag,
      access: "read",
      summary: "How many orders wait in each status of each workflow",
      answers: { 200: { description: "The queues.", content: json("Queues") } },
      errors: ["invalid_request", ...unwell],
    },
    "GET /events": {
      operationId: "events",
      tag,
      access: "read",
      summary: "Transitions as they happen",
      description:
        "Server-sent events: `event: transition`, `id:` a cursor. After `Last-Event-ID` the stream goes on where it was; when the window no longer holds that, `event: gap` comes first. Comment lines keep it alive.",
      parameters: [
        ...queryOf(inlineSchema(eventsQuery()), {
          workflow: `Only this workflow: ${workflows.join(", ")}.`,
          status: "Only transitions into this status.",
          order: "Only the order with this id.",
        }),
        {
          in: "header",
          name: "Last-Event-ID",
          description: "The `id` of the last event that was received.",
          schema: { type: "string" },
        },
      ],
      answers: {
        200: {
          description: "The stream.",
          content: { type: "text/event-stream", schema: { type: "string" }, itemSchema: refTo("Transition") },
        },
      },
      errors: ["invalid_request", "workflow_not_found", "too_many_readers", "not_available_here", ...unwell],
    },
    "GET /stats": {
      operationId: "stats",
      tag,
      access: "read",
      summary: "What happened, minute by minute, the oldest first",
      parameters: queryOf(inlineSchema(statsQuery()), { minutes: "How many minutes back." }),
      answers: { 200: { description: "The minutes.", content: json("Stats") } },
      errors: ["invalid_request", ...unwell],
    },
    "GET /metrics": {
      operationId: "metrics",
      tag,
      access: "read",
      summary: "Metrics for Prometheus",
      answers: { 200: { description: "The metrics.", content: { type: "text/plain", schema: { type: "string" } } } },
      errors: ["invalid_request", ...unwell],
    },
    "GET /healthz": {
      operationId: "healthz",
      tag,
      access: undefined,
      summary: "Whether the process answers at all",
      answers: { 200: { description: "It does.", content: json("Health", { status: "ok" }) } },
      errors: [],
    },
    "GET /readyz": {
      operationId: "readyz",
      tag,
      access: undefined,
      summary: "Whether the server takes orders",
      answers: {
        200: { description: "It does.", content: json("Health", { status: "ok" }) },
        503: { description: "It does not, or not any more.", content: json("Health", { status: "unavailable" }) },
      },
      errors: [],
    },
    "GET /openapi.json": {
      operationId: "openapi",
      tag,
      access: "any",
      summary: "This document",
      answers: {
        200: { description: "OpenAPI 3.1.", content: { type: "application/json", schema: { type: "object" } } },
      },
      errors: ["internal_error"],
    },
    "GET /docs": {
      operationId: "docs",
      tag,
      access: undefined,
      summary: "This document as a page",
      answers: {
        200: {
          description: "A page without scripts or styles from elsewhere.",
          content: { type: "text/html", schema: { type: "string" } },
        },
      },
      errors: ["internal_error"],
    },
  };
}
