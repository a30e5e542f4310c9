import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  attributes,
  decodeIndexEntry,
  decodeOrder,
  encodeChanging,
  encodeFixed,
  type Item,
  type Marks,
  present,
  projected,
  settingAll,
} from "../../../src/backend/aws/item.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { anyOrder, anyText } from "./arbitrary.ts";

const marks: Marks = { nonce: "n", partition: "o#0", due: null, seen: null, resultsPart: null, extrasPart: null };
const itemOf = (order: StoredOrder, own: Marks = marks, dataPart: string | null = null) => ({
  ...encodeFixed(order, null, dataPart),
  ...present(encodeChanging(order, own)),
});

describe("an order's item", () => {
  it("reads back as the order that was written, whatever the order holds", () => {
    fc.assert(
      fc.property(anyOrder, (order) => assert.deepEqual(decodeOrder(itemOf(order), {}), order)),
      { numRuns: 300 },
    );
  });

  it("reads back as the order where data, results and extras are in items of their own, and holds none of them", () => {
    fc.assert(
      fc.property(anyOrder, anyText, (bare, extrasJson) => {
        const order = { ...bare, extrasJson };
        const item = itemOf(order, { ...marks, resultsPart: "r2-0", extrasPart: "x1-0" }, "d-0");
        const { data, results, extras } = attributes;
        assert.deepEqual([item[data], item[results], item[extras]], [undefined, undefined, undefined]);
        const large = { data: order.dataJson, results: order.resultsJson, extras: extrasJson };
        assert.deepEqual(decodeOrder(item, large), order);
      }),
    );
  });

  it("is written with both attributes of the extras where a change touches them, and with neither where it does not", () => {
    const before = "ix st ki vi ua nb du sc sb fp fm fa fc ve at ag re rp ex hi om no sm sn".split(" ");
    const namesOf = (order: StoredOrder, extrasPart: Marks["extrasPart"]) =>
      Object.values(settingAll(encodeChanging(order, { ...marks, extrasPart })).ExpressionAttributeNames);
    fc.assert(
      fc.property(anyOrder, (order) => {
        assert.deepEqual(namesOf(order, undefined), before);
        for (const part of [null, "x1-0"]) assert.deepEqual(namesOf(order, part), [...before, "xt", "xp"]);
      }),
    );
    assert.ok(!before.includes(attributes.extras));
  });

  it("has all attributes that the index's entries are read for", () => {
    fc.assert(
      fc.property(anyOrder, fc.nat(), (order, due) => {
        const item = itemOf(order, { ...marks, due });
        const keys = ["id", "part", "ix", "so"];
        const entry = Object.fromEntries(
          Object.entries(item).filter(([name]) => keys.includes(name) || projected.includes(name)),
        );
        const { failure } = order;
        assert.deepEqual(decodeIndexEntry(entry), {
          id: order.id,
          sort: item.so?.S,
          status: order.status,
          kind: order.kind,
          visit: order.visit,
          updatedAt: order.updatedAt,
          notBefore: order.notBefore,
          due,
          failure: failure && { message: failure.message, fingerprint: failure.fingerprint, at: failure.at },
        });
      }),
    );
  });

  it("keeps no attribute of its earlier version after a write", () => {
    fc.assert(
      fc.property(anyOrder, anyOrder, (before, changes) => {
        const after: StoredOrder = {
          ...changes,
          ...{ id: before.id, group: before.group, createdAt: before.createdAt, dataJson: before.dataJson },
        };
        const item: Item = {
          ...itemOf(before, {
            ...marks,
            due: 5,
            seen: { messageId: "m", receives: 2 },
            resultsPart: "r1-0",
            extrasPart: "x1-0",
          }),
          [attributes.swept]: { N: "3" },
        };
        const { UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues } = settingAll(
          encodeChanging(after, marks),
        );
        const [, set = "", , remove = ""] = /^SET (.*?)( REMOVE (.*))?$/.exec(UpdateExpression) ?? [];
        for (const each of set.split(", ")) {
          const [name = "", value = ""] = each.split(" = ");
          item[ExpressionAttributeNames[name] as string] = ExpressionAttributeValues[value] as never;
        }
        for (const name of remove.split(", ")) delete item[ExpressionAttributeNames[name] as string];
        assert.deepEqual(item, itemOf(after));
      }),
    );
  });
});

describe("an update", () => {
  it("sets the given attributes and removes the missing ones", () => {
    assert.deepEqual(settingAll({ a: { S: "x" }, b: undefined, c: { N: "1" }, d: undefined }), {
      UpdateExpression: "SET #a = :a, #c = :c REMOVE #b, #d",
      ExpressionAttributeNames: { "#a": "a", "#b": "b", "#c": "c", "#d": "d" },
      ExpressionAttributeValues: { ":a": { S: "x" }, ":c": { N: "1" } },
    });
  });

  it("removes nothing where every attribute is given", () => {
    assert.equal(settingAll({ a: { S: "x" } }).UpdateExpression, "SET #a = :a");
  });
});
