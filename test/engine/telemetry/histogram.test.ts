import assert from "node:assert/strict";
import { test } from "node:test";
import { createHistogram, cumulative, observe, quantile } from "../../../src/engine/telemetry/meter.ts";

test("a quantile is exact to an eighth, from a millisecond to a month", () => {
  for (const scale of [1, 7, 100, 12_345, 86_400_000]) {
    const histogram = createHistogram();
    for (let n = 1; n <= 1_000; n++) observe(histogram, (n * scale) / 100);
    for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
      const exact = share * 10 * scale;
      const found = quantile(histogram, share) as number;
      assert.ok(found >= exact && (found <= exact * 1.26 || found <= 1), `${share} of ${scale}: ${found} for ${exact}`);
    }
  }
});

test("an empty histogram has no quantile, a negative time counts as 0, and a time past the range as the longest", () => {
  const histogram = createHistogram();
  assert.equal(quantile(histogram, 0.5), null);
  observe(histogram, -5);
  assert.equal(quantile(histogram, 1), 1);
  assert.equal(histogram.sum, 0);
  observe(histogram, 1e15);
  assert.ok((quantile(histogram, 1) as number) >= 2 ** 30);
  assert.equal(histogram.count, 2);
});

test("the cumulative counts have the powers of two as their bounds", () => {
  const histogram = createHistogram();
  for (const milliseconds of [0, 1, 2, 3, 4, 7, 8, 1_000, 1_023, 1_024]) observe(histogram, milliseconds);
  const under = new Map(cumulative(histogram).map(({ underMilliseconds, count }) => [underMilliseconds, count]));
  assert.equal(under.get(1), 1);
  assert.equal(under.get(2), 2);
  assert.equal(under.get(4), 4);
  assert.equal(under.get(8), 6);
  assert.equal(under.get(512), 7);
  assert.equal(under.get(1_024), 9);
  assert.equal(under.get(2_048), 10);
  assert.equal([...under.values()].at(-1), 10);
});
