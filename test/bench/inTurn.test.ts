import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ratioOf, type Start, startFault } from "../../bench/aws/starts.ts";
import { compared, describeCompared, type Measured } from "../../bench/lib/inTurn.ts";

const runs = (...completed: number[]): Measured[] =>
  completed.map((completedPerSecond) => ({ completedPerSecond, batchPerSecond: 100, idleP50Milliseconds: 2 }));
const holding = (a: readonly Measured[], b: readonly Measured[]) => compared(a, b).map(({ holds }) => holds);

describe("two checkouts measured in turn", () => {
  it("hold where their medians are within 5 %, whatever one round measured", () => {
    assert.deepEqual(holding(runs(100, 100, 100), runs(95, 20, 96)), [true, true, true]);
    assert.deepEqual(holding(runs(100, 100, 100), runs(94, 94, 200)), [false, true, true]);
  });

  it("hold where the difference is smaller than the spread of A's own rounds", () => {
    assert.deepEqual(holding(runs(90, 100, 111), runs(80, 80, 80)), [true, true, true]);
    assert.deepEqual(holding(runs(90, 100, 110), runs(80, 80, 80)), [false, true, true]);
    // The spread of B's own rounds is no excuse.
    assert.deepEqual(holding(runs(100, 100, 100), runs(60, 90, 120)), [false, true, true]);
  });

  it("take more milliseconds for worse, and more orders a second for better", () => {
    const slower = runs(150, 150, 150).map((each) => ({ ...each, idleP50Milliseconds: 2.2 }));
    const results = compared(runs(100, 100, 100), slower);
    assert.deepEqual(
      results.map(({ holds }) => holds),
      [true, true, false],
    );
    assert.deepEqual(results.map(describeCompared), [
      "completed/s: A 100 (100 100 100), B 150 (150 150 150): 50.0 % better, A's own spread 0.0 %: holds",
      "batch orders/s: A 100 (100 100 100), B 100 (100 100 100): 0.0 % better, A's own spread 0.0 %: holds",
      "idle p50 ms: A 2 (2 2 2), B 2.2 (2.2 2.2 2.2): 10.0 % worse, A's own spread 0.0 %: DOES NOT HOLD",
    ]);
  });

  it("do not hold where a run gave no number", () => {
    assert.deepEqual(holding(runs(100), [{ ...(runs(100)[0] as Measured), batchPerSecond: null }]), [
      true,
      false,
      true,
    ]);
  });
});

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
