import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { type Filter, matches } from "../../src/core/filter.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { final } from "../../src/core/workflow.ts";
import { given } from "../../src/testing/given.ts";

const workflow = defineWorkflow({
  name: "orders",
  data: z.object({}),
  initial: "received",
  statuses: { received: { to: ["done"] }, done: final },
});
const { order } = given(workflow);
const failure = { code: "handler_failed", message: "card 1 declined", fingerprint: "card … declined", at: 0 };
const orders: Readonly<Record<string, StoredOrder>> = {
  open: { ...order, id: "open", group: "a" },
  failed: { ...order, id: "failed", group: "b", failure },
  done: { ...order, id: "done", status: "done", kind: "final", group: null },
};

/** Gives the ids of the orders, of the three, that the filter matches. */
const meant = (filter: Filter): string[] =>
  Object.values(orders)
    .filter((each) => matches(each, filter))
    .map(({ id }) => id);

test("a filter matches the orders to which all its fields apply", () => {
  const table: readonly (readonly [Filter, readonly string[]])[] = [
    [{}, ["open", "failed", "done"]],
    [{ status: "received" }, ["open", "failed"]],
    [{ status: "done" }, ["done"]],
    [{ status: "nowhere" }, []],
    [{ failed: true }, ["failed"]],
    [{ failed: false }, ["open", "done"]],
    [{ fingerprint: "card … declined" }, ["failed"]],
    [{ fingerprint: "other" }, []],
    [{ group: "a" }, ["open"]],
    [{ group: "" }, []],
    [{ ids: ["done", "open"] }, ["open", "done"]],
    [{ ids: [] }, []],
    [{ status: "received", failed: false }, ["open"]],
    [{ status: "received", failed: true, fingerprint: "card … declined", group: "b", ids: ["failed"] }, ["failed"]],
    [{ status: "received", failed: true, fingerprint: "card … declined", group: "a", ids: ["failed"] }, []],
  ];
  for (const [filter, expected] of table) assert.deepEqual(meant(filter), expected, JSON.stringify(filter));
});

test("an undefined field of a filter counts as left out", () => {
  const nothing = { status: undefined, failed: undefined, fingerprint: undefined, group: undefined, ids: undefined };
  assert.deepEqual(meant(nothing), ["open", "failed", "done"]);
});
