/** How results are shown: their schemas in the OpenAPI document, and the functions that write them. */
import * as z from "zod";
import type { Depth, FailureGroup, OrderPage, Whereabouts } from "../backend/port.ts";
import type { StoredOrder } from "../core/order.ts";
import { createOrderJson, iso, isoOrNull, orderOf } from "../engine/orderView.ts";
import { later } from "./fields.ts";
import type { Shape, Shown } from "./operation.ts";

export const count = () => z.int().min(0);
export const time = () => z.string().meta({ format: "date-time" });
export const status = () =>
  z.string().describe("The name of a status. It may be one that the workflow had before and no longer has.");

const actor = later(() =>
  z
    .object({
      runtime: z.enum(["node", "lambda", "pod"]),
      name: z.string(),
      requestId: z
        .string()
        .nullable()
        .describe(
          "The `X-Request-Id` of the request that caused it, or the id of the run of a Lambda function that did.",
        ),
      messageId: z.string().nullable(),
    })
    .describe("Who moved an order into a status."),
);
const failure = later(() =>
  z
    .object({
      code: z.string().meta({ examples: ["handler_failed"] }),
      message: z.string(),
      fingerprint: z.string(),
      at: time(),
    })
    .describe("Why an order is marked failed. The same fault gives the same fingerprint."),
);
const historyEntry = later(() =>
  z
    .object({
      status: status(),
      visit: count(),
      at: time().describe("When the order entered the status."),
      attempts: count().describe("How many attempts this visit used."),
      reason: z.string().nullable(),
      error: z.string().nullable().describe("The last failed attempt's error."),
      by: actor(),
    })
    .describe("One visit: a stay in one status."),
);
const nextCursor = later(() =>
  z.string().nullable().describe("The `cursor` of the next call; null: this was the last page."),
);
const queue = later(() =>
  z.object({
    status: status(),
    kind: z.enum(["handled", "waiting"]),
    waiting: count().describe("Handled: in the queue and due. Waiting: standing in the status."),
    inFlight: count().describe("With a handler."),
    delayed: count().describe("In the queue, not before a time."),
    failed: count(),
    oldestWaitingAt: time().nullable().describe("Since when the one that waits longest has waited."),
    atLeast: z.boolean().describe("The counts are lower bounds."),
    paused: z.boolean().describe("No handler starts until the status is resumed."),
  }),
);
const failurePage = later(() =>
  z.object({
    items: z.array(
      z.object({
        status: status(),
        fingerprint: z.string(),
        message: z.string(),
        count: count(),
        firstAt: time(),
        lastAt: time(),
      }),
    ),
  }),
);
const stored = later(() =>
  z.object({
    id: z.string(),
    version: count().describe("The order's version, as it was read just now."),
    store: z.enum(["dynamodb", "sqlite", "memory"]),
    file: z.string().nullable().describe("The file that holds the table; null where there is none."),
    table: z.string().nullable(),
    key: z
      .record(z.string(), z.union([z.string(), z.int()]))
      .describe("The values of the item's key, by their names in the table."),
  }),
);
const retried = later(() => z.object({ retried: count(), nextCursor: nextCursor() }));

/** The schemas inside results. Each has a name, so that the OpenAPI document holds it once. */
export const sharedShapes = [
  { name: "Failure", schema: failure },
  { name: "HistoryEntry", schema: historyEntry },
  { name: "Actor", schema: actor },
  { name: "NextCursor", schema: nextCursor },
  { name: "Queue", schema: queue },
] as const satisfies readonly Shape[];

/** The schema of an order as the API shows it, with the workflow's own schemas of data and results. */
export function orderShape(workflow: string, statuses: readonly string[], data: z.ZodType, results: z.ZodType) {
  return z.object({
    id: z.string().describe("Later orders have greater ids."),
    workflow: z.literal(workflow),
    status: status().meta({ examples: [...statuses] }),
    visit: count().describe("How many transitions the order has made."),
    version: count().describe("Counts every committed change of the order."),
    attempts: count().describe("Attempts used in this visit."),
    data: z
      .union([data, z.null()])
      .describe("Null only where the order cannot be read: its failure has the code `order_unreadable`."),
    results,
    group: z.string().nullable().describe("Orders of one group keep their order in FIFO delivery."),
    createdAt: time(),
    updatedAt: time(),
    notBefore: time().nullable().describe("No handler runs before this time."),
    expiresAt: time().nullable().describe("When a waiting order moves on by itself."),
    failure: failure().nullable(),
    history: z.array(historyEntry()).describe("The first 10 and the last 40 visits, oldest first."),
    historyOmitted: count().describe("How many visits between those are left out."),
  });
}

/** The schema of a page of orders as the API shows it. */
export function orderPageShape(order: z.ZodType) {
  return z.object({ items: z.array(order), nextCursor: nextCursor() });
}

export const asOrder: Shown<StoredOrder> = { shape: "Order", value: orderOf, writer: createOrderJson };

export const asOrderPage: Shown<OrderPage> = {
  shape: "OrderPage",
  value: ({ items, nextCursor }, workflow) => ({ items: items.map((order) => orderOf(order, workflow)), nextCursor }),
  writer(workflow) {
    const json = createOrderJson(workflow);
    return ({ items, nextCursor }) =>
      `{"items":[${items.map((order) => json(order)).join(",")}],"nextCursor":${JSON.stringify(nextCursor)}}`;
  },
};

/** The order of a placing. The HTTP status tells `placed`. */
export const asPlaced: Shown<{ readonly placed: boolean; readonly order: StoredOrder }> = {
  shape: "Order",
  value: ({ placed, order }, workflow) => ({ placed, order: orderOf(order, workflow) }),
  writer(workflow) {
    const json = createOrderJson(workflow);
    return ({ order }) => json(order);
  },
};

export const asQueue = asValue({ name: "Queue", schema: queue }, queueOf);
export const asQueues = asValue({ schema: () => z.array(queue()) }, (rows: readonly Depth[]) => rows.map(queueOf));
export const asFailurePage = asValue(
  { name: "FailurePage", schema: failurePage },
  (groups: readonly FailureGroup[]) => ({
    items: groups.map(({ status, fingerprint, message, count, firstAt, lastAt }) => ({
      status,
      fingerprint,
      message,
      count,
      firstAt: iso(firstAt),
      lastAt: iso(lastAt),
    })),
  }),
);
export const asRetried = asValue<{ readonly retried: number; readonly nextCursor: string | null }>({
  name: "Retried",
  schema: retried,
});
export const asStored = asValue<Whereabouts & { readonly id: string; readonly version: number }>({
  name: "Stored",
  schema: stored,
});

/** Shows a result as a plain value, and as that value's JSON. */
export function asValue<Out>(shape: Shape, toValue: (out: Out) => unknown = (out) => out): Shown<Out> {
  return { shape, value: toValue, writer: () => (out) => JSON.stringify(toValue(out)) };
}

function queueOf({ status, kind, waiting, inFlight, delayed, failed, oldestWaitingAt, paused, atLeast }: Depth) {
  const oldest = isoOrNull(oldestWaitingAt);
  return { status, kind, waiting, inFlight, delayed, failed, oldestWaitingAt: oldest, paused, atLeast };
}
