import * as z from "zod";
import { operation, unwritable } from "../../src/api/operation.ts";
import { operations } from "../../src/api/operations.ts";
import { type Wire, wire } from "../../src/api/orders.ts";
import { asOrder, asValue } from "../../src/api/shapes.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { orderNotFound } from "../../src/engine/operatorActions.ts";

/** An operation that Cauce does not have: it reads an order, and shows the given note as its results. */
export const inspectWire = {
  method: "POST",
  path: "/{id}/inspections",
  role: "operate",
  keyed: true,
  repeat: "always",
} as const satisfies Wire;

export const inspect = operation<{ id: string; depth?: number; closely?: boolean; note: string }, StoredOrder>(
  "inspect",
  inspectWire,
  {
    summary: "Inspect an order",
    input: () =>
      z.strictObject({
        note: z.string().describe("What the inspector saw."),
        depth: z.int().min(1).max(9).optional().describe("How far to look."),
        closely: z.boolean().optional().describe("Look twice."),
      }),
    bodyRequired: true,
    answers: { 200: "The order." },
    shown: asOrder,
    errors: ["invalid_request", "order_not_found", ...unwritable],
    command: { says: "Inspects an order.", arguments: ["note"], examples: ["inspect ID dented --depth 2"] },
    run: async (engine, { id, note }) => {
      const order = await engine.get(id);
      if (order === undefined) return orderNotFound(id, engine.workflow.name);
      return { ...order, resultsJson: JSON.stringify({ note }) };
    },
  },
);

/** An operation that answers for every workflow at once. */
export const weighWire = {
  method: "GET",
  path: "/weights",
  scope: "server",
  role: "read",
  repeat: "always",
} as const satisfies Wire;

export const weigh = operation<object, { readonly kilograms: number }>("weigh", weighWire, {
  summary: "Weigh every workflow",
  answers: { 200: "The weights." },
  shown: asValue({ name: "Weight", schema: () => z.object({ kilograms: z.int() }) }),
  errors: ["invalid_request"],
  command: { says: "Weighs a workflow.", examples: ["weigh"] },
  run: async (engine) => ({ kilograms: engine.workflow.name.length }),
});

/** An operation whose fields are in the query, since a DELETE has no body. */
export const discardWire = {
  method: "DELETE",
  path: "/{id}/drafts",
  role: "operate",
  repeat: "always",
} as const satisfies Wire;

export const discard = operation<{ id: string; reason: string; to?: string }, undefined>("discard", discardWire, {
  summary: "Discard an order's drafts",
  input: () =>
    z.strictObject({ reason: z.string().describe("Why."), to: z.string().optional().describe("Until when.") }),
  answers: { 204: "They are gone." },
  shown: undefined,
  errors: ["order_not_found", ...unwritable],
  command: { says: "Discards an order's drafts.", examples: ["discard ID --reason twice"] },
  run: async (engine, { id, reason }) => (reason === "none" ? orderNotFound(id, engine.workflow.name) : undefined),
});

/** An operation that changes something in every workflow. */
export const shakeWire = {
  method: "POST",
  path: "/shakes",
  scope: "server",
  role: "operate",
  repeat: "always",
} as const satisfies Wire;

export const shake = operation<{ times: number }, { readonly shaken: number }>("shake", shakeWire, {
  summary: "Shake every workflow",
  input: () => z.strictObject({ times: z.int().min(1).describe("How often.") }),
  bodyRequired: true,
  answers: { 200: "They were shaken." },
  shown: asValue({ schema: () => z.object({ shaken: z.int() }) }),
  errors: ["invalid_request", ...unwritable],
  command: null,
  run: async (_engine, { times }) => ({ shaken: times }),
});

export const longer = [...operations, inspect, weigh, discard, shake];
export const longerWire = { ...wire, inspect: inspectWire, weigh: weighWire, discard: discardWire, shake: shakeWire };
