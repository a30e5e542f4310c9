import * as z from "zod";
import { noFields } from "../../src/api/fields.ts";
import { operation, unwritable } from "../../src/api/operation.ts";
import { operations } from "../../src/api/operations.ts";
import { type Wire, wire } from "../../src/api/orders.ts";
import { asOrder } from "../../src/api/shapes.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { orderNotFound } from "../../src/engine/operate.ts";

/** One operation more than Cauce has: it looks at the order, and says what it would do. */
export const inspectWire = {
  method: "POST",
  path: "/{id}/inspections",
  role: "operate",
  keyed: true,
  repeat: "always",
} as const satisfies Wire;

export const inspect = operation<{ id: string; depth?: number; closely?: boolean; note: string }, StoredOrder>({
  name: "inspect",
  ...inspectWire,
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
});

/** Another, that answers for every workflow at once. */
export const weighWire = {
  method: "GET",
  path: "/weights",
  scope: "server",
  role: "read",
  repeat: "always",
} as const satisfies Wire;

export const weigh = operation<object, { readonly kilograms: number }>({
  name: "weigh",
  ...weighWire,
  summary: "Weigh every workflow",
  input: noFields,
  answers: { 200: "The weights." },
  shown: {
    schema: "Queue",
    value: (out) => out,
    writer: () => (out) => JSON.stringify(out),
  },
  errors: ["invalid_request"],
  command: { says: "Weighs a workflow.", examples: ["weigh"] },
  run: async (engine) => ({ kilograms: engine.workflow.name.length }),
});

export const longer = [...operations, inspect, weigh];
export const longerWire = { ...wire, inspect: inspectWire, weigh: weighWire };
