import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import fc from "fast-check";
import {
  attributes as a,
  decodeIndexEntry,
  encodeChanging,
  encodeFixed,
  type Item,
  type Marks,
  present,
} from "../../../src/backend/aws/item.ts";
import { orderOfItem } from "../../../src/backend/aws/readItem.ts";
import { storedOrder } from "../../../src/backend/newOrder.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { anyOrder } from "./arbitrary.ts";
import { newOrder } from "./support.ts";

const marks: Marks = { nonce: "n", partition: "o#0", due: 5, seen: null, resultsPart: null, extrasPart: null };
const ended = { at: 1, reason: null, error: null, status: "held", visit: 0, attempts: 1 };
const order = {
  ...storedOrder(newOrder(fakeClock(), { group: "g", extrasJson: "{}" }), "01a20ada-2c00-7000-977c-733ca25df3df"),
  ...{ resultsJson: '{"n":1}', past: [{ ...ended, by: newOrder(fakeClock()).by }] },
};
const item: Item = { ...encodeFixed(order, null, null), ...present(encodeChanging(order, marks)) };
const without = (name: string): Item => Object.fromEntries(Object.entries(item).filter(([each]) => each !== name));

const history = (...rows: readonly unknown[]): AttributeValue => ({ S: JSON.stringify(rows) });
const damages: readonly (readonly [name: string, value: AttributeValue | undefined])[] = [
  ...[a.status, a.kind, a.visit, a.version, a.attempts, a.createdAt, a.updatedAt, a.history, a.data].flatMap((name) => [
    [name, undefined] as const,
    [name, { BOOL: true }] as const,
  ]),
  ...[a.group, a.extras, a.results, a.notBefore, a.expiresAt, a.omitted].map((name) => [name, { BOOL: true }] as const),
  [a.attempting, { S: "yes" }],
  [a.dataPart, { N: "1" }],
  [a.status, { S: 'a"b' }],
  [a.kind, { S: "constructor" }],
  [a.createdAt, { N: "1e20" }],
  [a.data, { S: '{"n":' }],
  [a.results, { S: "[" }],
  [a.results, { S: "[]" }],
  [a.failureAt, { N: "5" }],
  [a.failureAt, { S: "x" }],
  [a.history, { S: "[" }],
  [a.history, { S: "{}" }],
  [a.history, history(["a"])],
  [a.history, history(["a"], [])],
  [a.history, history(["a"], ["x", 0])],
  [a.history, history(["a"], [0, 300])],
  [a.history, history(["a"], [0, 0, null, null, 7])],
  [a.history, history(["a"], [0, 0], [0, 0, "held"])],
  [a.history, history(["a"], [0, 0], [0, 0, 'a"b', 0, 0])],
];

describe("an item", () => {
  it("reads as its order, whatever the order holds", () => {
    const name = fc.stringMatching(/^[a-z][A-Za-z0-9]{0,39}$/);
    fc.assert(
      fc.property(anyOrder, name, ({ past, ...any }, status) => {
        const whole = { ...any, status, past: past.map((visit) => ({ ...visit, status })) };
        const read = orderOfItem({ ...encodeFixed(whole, null, null), ...present(encodeChanging(whole, marks)) }, {});
        assert.deepEqual(read, whole);
      }),
      { numRuns: 300 },
    );
  });

  for (const [name, value] of damages) {
    it(`is unreadable with ${name} of ${JSON.stringify(value)}, and its index entry is read`, () => {
      const damaged = value === undefined ? without(name) : { ...item, [name]: value };
      const { id, dataJson, resultsJson, past, failure, unreadable } = orderOfItem(damaged, {});
      assert.deepEqual([id, dataJson, resultsJson, past], [order.id, "null", "{}", []]);
      assert.match(
        unreadable ?? "",
        new RegExp(`^the item of order ${id} cannot be read: [^;]*\\b${name}\\b[^;]*; the SHA-256 `),
      );
      assert.equal(failure?.code, name === a.failureAt ? "order_unreadable" : undefined);
      const entry = decodeIndexEntry(damaged);
      assert.deepEqual([typeof entry.status, Number.isFinite(entry.updatedAt)], ["string", true]);
      const marked = { ...damaged, ix: { S: "f#0" }, [a.due]: { N: "7" }, [a.failureMessage]: { S: "m" } };
      assert.equal(orderOfItem(marked, {}).unreadable, unreadable, "marks do not change the hash");
    });
  }
});
