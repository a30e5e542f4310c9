import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sweepDollars, sweepUnits } from "../../bench/aws/prices.ts";
import { measureSweep } from "../../bench/aws/sweepMeasure.ts";

describe("a sweep on AWS", () => {
  it("makes one query of each shard, and sends a logarithmic number of messages for a queue that is merely long", async () => {
    const measured = await measureSweep({ orders: 16, hours: 24, everySeconds: 1_800 });
    assert.equal(measured.sweeps, 48);
    // The first message comes after the lease of 120 s and 30 s. Each next wait doubles: 150 s × 2^9 is the day.
    assert.ok(measured.messages >= 8 && measured.messages <= 10, `${measured.messages} messages each`);
    // 8 queries read the open orders, 8 the failed orders, and 16 the parts that no order names.
    assert.equal(measured.queries, 32);
    assert.ok(measured.entryBytes > 100 && measured.entryBytes < 150, `${measured.entryBytes} bytes an entry`);
  });

  it("costs half a unit for each 4 KB that its queries read", () => {
    const pass = { shards: 8, entryBytes: 135, looks: 2_000, otherQueries: 16 };
    assert.equal(sweepUnits({ ...pass, orders: 0 }), 8 * 0.5 + 16 * 0.5);
    // 2,000 entries take 66 times 4 KB.
    assert.equal(sweepUnits({ ...pass, orders: 16_000 }), 8 * (33 + 0.5) + 8);
    const units = sweepUnits({ ...pass, orders: 5_000_000 });
    assert.equal(units, 8 * (312 * 33 + 16.5) + 8);
    assert.equal(sweepDollars(units).toFixed(4), "0.0103");
  });
});
