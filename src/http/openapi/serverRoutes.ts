/** What the server's own routes are in the document. */
import * as z from "zod";
import { unwell } from "../../api/operation.ts";
import { eventsQuery, statsQuery } from "../contract.ts";
import { refTo } from "./components.ts";
import { json, type RouteDescription } from "./describe.ts";

const own = { method: "GET", tag: "server" } as const;
const health = (description: string, status: "ok" | "unavailable") => ({
  description,
  content: json(refTo("Health"), { status }),
});

/** The routes that stand beside the workflows'. */
export function serverRoutes(workflows: readonly string[]): RouteDescription[] {
  const workflow = eventsQuery().shape.workflow.describe(`Only this workflow: ${workflows.join(", ")}.`);
  return [
    {
      ...own,
      path: "/events",
      operationId: "events",
      access: "read",
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
    {
      ...own,
      path: "/stats",
      operationId: "stats",
      access: "read",
      summary: "What happened, minute by minute, the oldest first",
      parameters: { query: statsQuery() },
      answers: { 200: { description: "The minutes.", content: json(refTo("Stats")) } },
      errors: ["invalid_request", ...unwell],
    },
    {
      ...own,
      path: "/metrics",
      operationId: "metrics",
      access: "read",
      summary: "Metrics for Prometheus",
      answers: { 200: { description: "The metrics.", content: { "text/plain": { schema: { type: "string" } } } } },
      errors: ["invalid_request", ...unwell],
    },
    {
      ...own,
      path: "/healthz",
      operationId: "healthz",
      access: undefined,
      summary: "Whether the process answers at all",
      answers: { 200: health("It does.", "ok") },
      errors: [],
    },
    {
      ...own,
      path: "/readyz",
      operationId: "readyz",
      access: undefined,
      summary: "Whether the server takes orders",
      answers: { 200: health("It does.", "ok"), 503: health("It does not, or not any more.", "unavailable") },
      errors: [],
    },
    {
      ...own,
      path: "/openapi.json",
      operationId: "openapi",
      access: "any",
      summary: "This document",
      answers: { 200: { description: "OpenAPI 3.1.", content: json({ type: "object" }) } },
      errors: ["internal_error"],
    },
    {
      ...own,
      path: "/docs",
      operationId: "docs",
      access: undefined,
      summary: "This document as a page",
      answers: {
        200: {
          description: "A page without scripts or styles from elsewhere.",
          content: { "text/html": { schema: { type: "string" } } },
        },
      },
      errors: ["internal_error"],
    },
  ];
}
