/**
 * Declares every operation once: what it takes, what it answers, its errors, and the engine's function that does it. A new
 * operation needs an entry here and a line in `orders.ts`.
 */
import * as z from "zod";
import type { Depth, FailureGroup, OrderPage, Whereabouts } from "../backend/port.ts";
import { isPlainObject } from "../core/json.ts";
import type { StoredOrder } from "../core/order.ts";
import { orderNotFound } from "../engine/operatorActions.ts";
import { isRefusal } from "./around.ts";
import { cursor, enterableStatus, fingerprint, later, limitMax, statusName, text, wholeNumber } from "./fields.ts";
import { badBody, type Operation, operation, unwell, unwritable } from "./operation.ts";
import { wire } from "./orders.ts";
import { asFailurePage, asOrder, asOrderPage, asPlaced, asQueue, asQueues, asRetried, asStored } from "./shapes.ts";

const pauseOrResume = (
  name: "pause" | "resume",
  words: Pick<Operation, "summary" | "description" | "command">,
): Operation =>
  operation<{ status: string }, Depth>(name, wire[name], {
    ...words,
    answers: { 200: "The status's row of `GET /queues`." },
    shown: asQueue,
    errors: [...badBody, "invalid_request", "status_not_found", "status_not_handled", ...unwritable],
    run: (engine, { status }) => engine.setPaused(status, name === "pause"),
  });
const pause = pauseOrResume("pause", {
  summary: "Pause a status",
  description:
    "No handler of the status starts until it is resumed. It is kept in the store, and harmless when repeated.",
  command: {
    says: "Stops the handling of a status; orders wait in it until it is resumed.",
    examples: ["pause paid"],
  },
});
const resume = pauseOrResume("resume", {
  summary: "Resume a status",
  description: "Harmless when repeated.",
  command: { says: "Takes up the handling of a paused status again.", examples: ["resume paid"] },
});

const queues = operation<object, readonly Depth[]>("queues", wire.queues, {
  summary: "How many orders wait in each status of each workflow",
  answers: { 200: "The queues." },
  shown: asQueues,
  errors: ["invalid_request", ...unwell],
  command: { says: "Shows how many orders stand in each status.", examples: ["queues", "queues --watch"] },
  run: (engine) => engine.queues(),
});

const place = operation<unknown, { readonly placed: boolean; readonly order: StoredOrder }>("place", wire.place, {
  summary: "Place an order",
  description:
    "The body is the data itself. The answer leaves once the order is on disk. Besides what the schema says, the workflow may check more: each fault is in `errors`.",
  answers: {
    202: "The order is stored.",
    200: "The `Idempotency-Key` was used before with the same content: that order as it stands now.",
  },
  status: ({ placed }) => (placed ? 202 : 200),
  located: ({ order }) => order.id,
  shown: asPlaced,
  errors: [
    ...badBody,
    "invalid_request",
    "idempotency_conflict",
    "invalid_data",
    "limit_exceeded",
    "overloaded",
    ...unwritable,
  ],
  command: {
    says: "Places an order.",
    examples: [
      `place '{"customerId":"c-1"}'`,
      "place --file order.json --idempotency-key form-17",
      "place - --json < order.json",
    ],
  },
  run: (engine, data, call) => engine.place(data, call),
});

const listInput = later(() =>
  z.strictObject({
    status: statusName().optional().describe("Only orders in this status; also one that the workflow no longer has."),
    failed: z.boolean("must be true or false").optional().describe("Only failed orders; with `false`, only others."),
    fingerprint: fingerprint().optional().describe("Only orders that failed with this fingerprint."),
    group: text(1_024).optional().describe("Only orders of this group."),
    limit: wholeNumber(limitMax).default(50).describe("How many orders a page has at most."),
    cursor: cursor().optional().describe("The `nextCursor` of the page before."),
  }),
);
const list = operation<z.output<ReturnType<typeof listInput>>, OrderPage>("list", wire.list, {
  summary: "List orders, the newest first",
  description:
    "A cursor neither repeats nor skips while orders are placed. Parameters that are unknown or given twice are refused.",
  input: listInput,
  answers: { 200: "A page of orders." },
  shown: asOrderPage,
  errors: ["invalid_request", "invalid_cursor", ...unwell],
  command: {
    says: "Lists orders, the newest first.",
    examples: ["list --status paid --limit 10", "list --failed", "list --all --json > orders.ndjson"],
  },
  run: (engine, query) => engine.list(query),
});

const failures = operation<object, readonly FailureGroup[]>("failures", wire.failures, {
  summary: "Failed orders by status and fingerprint, the largest group first",
  answers: { 200: "The groups." },
  shown: asFailurePage,
  errors: ["invalid_request", ...unwell],
  command: { says: "Shows the failed orders, grouped by status and fingerprint.", examples: ["failures"] },
  run: (engine) => engine.failures(),
});

const retryManyInput = later(() =>
  z.strictObject({
    status: statusName().optional().describe("Only orders that failed in this status."),
    fingerprint: fingerprint().optional().describe("Only orders that failed with this fingerprint."),
    ids: z
      .array(text(256), "must be a list of order ids")
      .min(1, "must name at least one order")
      .max(limitMax, `must name at most ${limitMax} orders`)
      .optional()
      .describe("Only these orders."),
    limit: wholeNumber(limitMax).optional().describe("How many orders one call starts again at most."),
    cursor: cursor().optional().describe("The `nextCursor` of the call before."),
  }),
);
const retryMany = operation<
  z.output<ReturnType<typeof retryManyInput>>,
  { readonly retried: number; readonly nextCursor: string | null }
>("retryMany", wire.retryMany, {
  summary: "Start failed orders again",
  description:
    "Those that match everything given, at most `limit` in one call. Call again with `nextCursor` until it is null.",
  input: retryManyInput,
  example: { limit: 100 },
  answers: { 200: "How many started again." },
  shown: asRetried,
  errors: [...badBody, "invalid_request", "invalid_cursor", ...unwritable],
  // The command `retry` serves this operation, too.
  command: null,
  // The log has the number of ids, since 1,000 ids would fill a line. If the store failed in between, the number of
  // orders that started again is unknown.
  logFields: ({ ids, ...filter }, out) => ({
    filter: { ...filter, ...(ids === undefined ? {} : { ids: ids.length }) },
    count: out?.retried ?? null,
  }),
  run: (engine, filter, call) => engine.retryMany(filter, call),
});

const get = operation<{ id: string }, StoredOrder>("get", wire.get, {
  summary: "Read an order",
  answers: { 200: "The order, with its history." },
  shown: asOrder,
  errors: ["invalid_request", "order_not_found", ...unwell],
  command: { name: "show", says: "Shows an order and its timeline.", examples: ["show ID", "show ID --json"] },
  run: async (engine, { id }) => (await engine.get(id)) ?? orderNotFound(id, engine.workflow.name),
});

const stored = operation<{ id: string }, Whereabouts & { readonly id: string; readonly version: number }>(
  "stored",
  wire.stored,
  {
    summary: "Where an order is stored",
    description: "For looking it up with the store's own tools.",
    answers: { 200: "The table and key of the order's item." },
    shown: asStored,
    errors: ["invalid_request", "order_not_found", ...unwell],
    // The command `verify` shows the result.
    command: null,
    async run(engine, { id }) {
      const order = await engine.get(id);
      if (order === undefined) return orderNotFound(id, engine.workflow.name);
      return { id, version: order.version, ...engine.where(id) };
    },
  },
);

const remove = operation<{ id: string }, undefined>("remove", wire.remove, {
  summary: "Erase an order",
  description: "For erasure requests. Only orders in a final status are removed, and orders that cannot be read.",
  answers: { 204: "The order is gone." },
  shown: undefined,
  errors: ["order_not_found", "order_not_final", ...unwritable],
  command: { says: "Erases a final order, with its data and history.", examples: ["remove ID", "remove ID --yes"] },
  run: (engine, { id }, call) => engine.remove(id, call),
});

/** An object of any members. Not a record, which would read them: the workflow's own schema says which are taken. */
const members = () =>
  z
    .unknown()
    .refine(isPlainObject, "must be an object")
    .meta({ type: "object", propertyNames: { type: "string" }, additionalProperties: {} }) as z.ZodType<
    Record<string, unknown>
  >;

const transitionInput = later(() =>
  z.strictObject({
    to: enterableStatus().describe("The status to move the order to."),
    reason: text(500).optional().describe("Why, kept in the history."),
    results: members()
      .optional()
      .describe("Results to add: merged key by key; the whole must fit the workflow's schema of results."),
    expectedVersion: z
      .int("must be a whole number")
      .min(0, "must be at least 0")
      .optional()
      .describe("The order moves only if it has this version."),
  }),
);
const transition = operation<z.output<ReturnType<typeof transitionInput>> & { id: string }, StoredOrder>(
  "transition",
  wire.transition,
  {
    summary: "Move a waiting or failed order",
    input: transitionInput,
    bodyRequired: true,
    example: ([to]) => ({ to, reason: "checked by hand" }),
    answers: { 200: "The order after it moved, or as it stands when the `Idempotency-Key` was used before." },
    shown: asOrder,
    errors: [
      ...badBody,
      "invalid_request",
      "order_not_found",
      "transition_not_allowed",
      "being_handled",
      "order_unreadable",
      "stale",
      "idempotency_conflict",
      "invalid_results",
      ...unwritable,
    ],
    command: {
      says: "Moves a waiting or failed order to another status.",
      arguments: ["to"],
      examples: [
        "transition ID approved",
        `transition ID paid --reason "paid by phone" --results '{"paymentId":"p-1"}'`,
      ],
    },
    logFields: ({ id, to }) => ({ orderId: id, to }),
    async run(engine, { id, ...wanted }, call) {
      const result = await engine.transition(id, wanted, call);
      return isRefusal(result) ? result : result.order;
    },
  },
);

const retry = operation<{ id: string }, StoredOrder>("retry", wire.retry, {
  summary: "Start a failed order again",
  answers: { 200: "The order, started again." },
  shown: asOrder,
  errors: [
    ...badBody,
    "invalid_request",
    "order_not_found",
    "not_failed",
    "stale",
    "transition_not_allowed",
    "order_unreadable",
    ...unwritable,
  ],
  command: {
    says: "Starts failed orders again: one, or all that match.",
    examples: ["retry ID", `retry --fingerprint "the gateway answered …"`, "retry --status paid --yes", "retry --all"],
  },
  async run(engine, { id }, call) {
    const result = await engine.retry(id, call);
    return isRefusal(result) ? result : result.order;
  },
});

/** Every operation. Paths with fixed words come before `{id}`, which would match those words too. */
export const operations: readonly Operation[] = [
  place,
  list,
  failures,
  retryMany,
  get,
  stored,
  remove,
  transition,
  retry,
  pause,
  resume,
  queues,
];
