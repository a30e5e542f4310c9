import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { measureOrders } from "../../bench/aws/measure.ts";
import { dollarsPerMillion } from "../../bench/aws/prices.ts";
import { indexUnits, itemBytes, readUnits, tableUnits } from "../../bench/aws/units.ts";

describe("an order on AWS", () => {
  it("takes four writes, batched reads and batched publishes, with items within 1 KB", async () => {
    const measured = await measureOrders({ orders: 20 });
    assert.deepEqual(
      { ...measured, calls: undefined, itemBytes: undefined },
      {
        orders: 20,
        dataBytes: 196,
        calls: undefined,
        tableWrites: 4,
        readCalls: 0.3,
        itemsRead: 3,
        // The placing publishes by itself, the next two moves in batches of ten. The last move publishes nothing.
        snsCalls: 1.2,
        sqsCalls: 0,
        processingInvocations: 0.3,
        tableUnits: 4,
        // One unit for the placing, one for each of two moves while open, two when the last move changes the key.
        indexUnits: 5,
        readUnits: 3,
        itemBytes: undefined,
      },
    );
    assert.equal(measured.itemBytes.length, 4);
    assert.ok(
      measured.itemBytes.every((bytes) => bytes > 300 && bytes <= 1_024),
      String(measured.itemBytes),
    );
  });
});

describe("DynamoDB's units", () => {
  it("count names and values as DynamoDB does", () => {
    assert.equal(itemBytes({ id: { S: "ñ" }, n: { N: "1200" }, m: { N: "-12.5" }, b: { BOOL: true } }), 4 + 3 + 5 + 2);
    assert.equal(itemBytes({ h: { B: new Uint8Array(32) }, s: { SS: ["ab", "c"] } }), 33 + 4);
  });

  it("are counted by the kilobyte, and by the larger of the item before and after", () => {
    const of = (bytes: number, ix = "o") => ({ ix: { S: ix }, t: { S: "x".repeat(bytes - 3 - ix.length) } });
    assert.equal(tableUnits(undefined, of(1_024)), 1);
    assert.equal(tableUnits(of(1_025), of(10)), 2);
    assert.deepEqual([4_096, 4_097].map(readUnits), [1, 2]);
    const shape = { keys: ["ix"], projected: ["ix", "t"] };
    assert.equal(indexUnits(undefined, of(10), shape), 1);
    assert.equal(indexUnits(of(10), of(10), shape), 0);
    assert.equal(indexUnits(of(10), of(11), shape), 1);
    assert.equal(indexUnits(of(10), of(1_100, "e"), shape), 1 + 2);
    assert.equal(indexUnits(of(10), { ...of(10), other: { S: "not projected" } }, shape), 0);
  });

  it("have their prices", () => {
    const usage = {
      ...{ httpRequests: 1, requestInvocations: 1, processingInvocations: 0.3 },
      ...{ writeUnits: 9, readUnits: 3, snsRequests: 1.2, sqsRequests: 0.6 },
    };
    const total = Object.values(dollarsPerMillion(usage)).reduce((sum, each) => sum + each, 0);
    assert.equal(total.toFixed(2), "8.25");
  });
});
