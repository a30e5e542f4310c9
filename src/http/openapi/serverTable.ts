import { refTo } from "./components.ts";
import type { Content, RouteTable } from "./describe.ts";

const unwell = ["internal_error", "store_unavailable", "store_unreadable", "store_corrupt", "closed"] as const;
const json = (name: string, example?: unknown): Content => ({ type: "application/json", schema: refTo(name), example });
const tag = "server";

/** The routes of the server itself. */
export function serverTable(workflows: readonly string[]): RouteTable {
  const workflow = { type: "string", enum: workflows };
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
        { in: "query", name: "workflow", description: "Only this workflow.", schema: workflow },
        { in: "query", name: "status", description: "Only transitions into this status.", schema: { type: "string" } },
        { in: "query", name: "order", description: "Only the order with this id.", schema: { type: "string" } },
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
      errors: ["invalid_request", ...unwell],
    },
    "GET /stats": {
      operationId: "stats",
      tag,
      access: "read",
      summary: "What happened, minute by minute, the oldest first",
      parameters: [
        {
          in: "query",
          name: "minutes",
          description: "How many minutes back.",
          schema: { type: "integer", minimum: 1, maximum: 1_440, default: 60 },
        },
      ],
      answers: { 200: { description: "The minutes.", content: json("Stats") } },
      errors: ["invalid_request", ...unwell],
    },
    "GET /metrics": {
      operationId: "metrics",
      tag,
      access: "read",
      summary: "Metrics for Prometheus",
      answers: { 200: { description: "The metrics.", content: { type: "text/plain", schema: { type: "string" } } } },
      errors: unwell,
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
