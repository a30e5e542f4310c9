import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Cauce, DeliveryMode, Order } from "../../src/index.ts";
import type { Parcel } from "./parcels.ts";

export const workflow = "parcels";
/** The statuses that have a queue on AWS. The last one had it only when the fixtures were made. */
export const statuses = ["received", "packed", "turning", "returning", "fragile", "weighed", "lost"];
export const actor = { runtime: "node", name: "maker" } as const;
export const keyOf = (label: string) => `key of ${label}`;

/** The library's reading of a store, with orders by their labels. */
export interface Reading {
  readonly orders: Readonly<Record<string, Order>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly queues: readonly object[];
  readonly failures: readonly object[];
}

/** The expected reading that stands beside a fixture. */
export interface Expected extends Reading {
  readonly madeBy: string;
  /** The time at which the fixture was made, in milliseconds since 1970. */
  readonly at: number;
  /** The labels of orders that were placed with a key. */
  readonly keyed: readonly string[];
  /** The id of an order that was removed. */
  readonly removedId: string;
}

const queries = {
  all: {},
  failed: { failed: true },
  "received and not failed": { status: "received", failed: false },
  "received and failed": { status: "received", failed: true },
  packed: { status: "packed" },
  asked: { status: "asked" },
  weighed: { status: "weighed" },
  sent: { status: "sent" },
  dropped: { status: "dropped" },
  "group a": { group: "a" },
  "one fingerprint": { fingerprint: "no address for …" },
} as const;
const pageLimit = 5;

export async function readAll(cauce: Cauce): Promise<Reading> {
  const lists: Record<string, string[]> = {};
  const ids: string[] = [];
  for (const [name, query] of Object.entries(queries)) {
    const labels: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await cauce.list(workflow, { ...query, limit: pageLimit, ...(cursor ? { cursor } : {}) });
      labels.push(...page.items.map(labelOf));
      if (name === "all") ids.push(...page.items.map(({ id }) => id));
      if (page.nextCursor === null) break;
      cursor = page.nextCursor;
    }
    lists[name] = labels;
  }
  const found = await Promise.all(ids.map((id) => cauce.get(workflow, id)));
  const orders = Object.fromEntries(found.flatMap((order) => (order ? [[labelOf(order), order]] : [])));
  return { orders, lists, queues: await cauce.queues(workflow), failures: await cauce.failures(workflow) };
}

/** Asserts that everything stored is read as it was then. Fields of later versions are no fault. */
export function assertReads(actual: Reading, expected: Reading): void {
  assert.deepEqual(actual.lists, expected.lists);
  assert.deepEqual(Object.keys(actual.orders), Object.keys(expected.orders));
  for (const [label, order] of Object.entries(expected.orders)) {
    const now = actual.orders[label] as Order;
    assertHolds(now, order, label);
    // A partial comparison accepts longer lists.
    assert.equal(now.history.length, order.history.length, label);
    assert.deepEqual([now.data, now.results], [order.data, order.results], label);
  }
  assertHolds(actual.queues, expected.queues, "queues");
  assertHolds(actual.failures, expected.failures, "failures");
  assert.deepEqual([actual.queues.length, actual.failures.length], [expected.queues.length, expected.failures.length]);
}

function assertHolds(actual: object, expected: object, what: string): void {
  assert.partialDeepStrictEqual(actual, expected, what);
}

export const fileOf = (name: string) => join(import.meta.dirname, name);
export const namesOf = (store: "sqlite" | "aws", delivery: DeliveryMode) => ({
  stored: fileOf(`${store}.${delivery}.${store === "sqlite" ? "db.gz" : "items.json"}`),
  expected: fileOf(`${store}.${delivery}.expected.json`),
});

export function readExpected(store: "sqlite" | "aws", delivery: DeliveryMode): Expected {
  return JSON.parse(readFileSync(namesOf(store, delivery).expected, "utf8")) as Expected;
}

function labelOf({ data }: Order): string {
  return (data as Parcel).label;
}
