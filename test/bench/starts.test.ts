import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ratioOf, type Start, startFault } from "../../bench/aws/starts.ts";

describe("the ratio of two checkouts' starts", () => {
  const starts = (...processorMilliseconds: number[]): Start[] =>
    processorMilliseconds.map((each, n) => ({ milliseconds: 1_000 * (n + 1), processorMilliseconds: each }));

  it("compares turn by turn, since a machine that is slow for a while is slow for both", () => {
    assert.equal(ratioOf(starts(12, 120, 13), starts(10, 100, 10), "processorMilliseconds"), 1.2);
    assert.equal(ratioOf(starts(12, 120, 13), starts(10, 100, 10), "milliseconds"), 1);
  });

  it("may be 1.25 in processor time, and at most 0.02 above the other checkout's", () => {
    assert.equal(startFault(1.25), undefined);
    assert.match(startFault(1.251) ?? "", /1\.251 times the processor time .* the bound is 1\.25$/);
    assert.equal(startFault(1.22, 1.2), undefined);
    assert.match(startFault(1.221, 1.2) ?? "", /1\.221 times .*, 1\.2 times in the other checkout/);
    assert.match(startFault(1.3, 1.3) ?? "", /the bound is 1\.25/);
    assert.match(startFault(Number.NaN) ?? "", /NaN/);
  });
});
