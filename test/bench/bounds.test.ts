import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Bound, boundRows, bounds, type FigureName, holds, ratio } from "../../bench/lib/bounds.ts";
import { type RowResult, rowFigures } from "../../bench/lib/compare.ts";
import type { Window } from "../../bench/lib/round.ts";
import type { RowLetter } from "../../bench/lib/rows.ts";

describe("the bounds of the benchmark", () => {
  it("hold at the bound and not past it, and a figure without a value keeps none", () => {
    for (const [name, { least, most }] of Object.entries(bounds) as [FigureName, Bound][]) {
      if (least !== undefined) {
        assert.equal(holds({ name, value: least }), true, name);
        assert.equal(holds({ name, value: least - 0.001 }), false, name);
      }
      if (most !== undefined) {
        assert.equal(holds({ name, value: most }), true, name);
        assert.equal(holds({ name, value: most + 0.001 }), false, name);
      }
      const isBound = least !== undefined || most !== undefined;
      assert.equal(holds({ name, value: Number.NaN }), !isBound, name);
    }
  });

  it("compare turn by turn, since a machine that is slow for a while is slow for both", () => {
    assert.equal(ratio("ratioToBase", [120, 1_200, 130], [100, 1_000, 100]).value, 1.2);
    assert.ok(Number.isNaN(ratio("ratioToBase", [120, 120], [100]).value));
  });

  it("stand in the table with the value, the aim and how it was measured", () => {
    const rows = boundRows([
      ratio("ratioToBase", [5_500, 11_000, 12_000], [6_000, 12_000, 10_000]),
      { name: "ratioToBareFront", value: 0.8 },
      { name: "startMilliseconds", value: Number.NaN },
    ]);
    assert.deepEqual(rows, [
      [bounds.ratioToBase.figure, "0.92", "≥ 1", "≥ 1.15", "below", `${bounds.ratioToBase.how}; 11,000 / 10,000`],
      [bounds.ratioToBareFront.figure, "0.80", "–", "≥ 0.85", "–", bounds.ratioToBareFront.how],
      [bounds.startMilliseconds.figure, "–", "≤ 1000", "–", "below", bounds.startMilliseconds.how],
    ]);
  });
});

describe("the figures of the rows", () => {
  const window = (completedPerSecond: number, unfinished = 0): Window => ({
    completedPerSecond,
    acceptedPerSecond: 1_000,
    unfinished,
    overloaded: 0,
    p99Milliseconds: 1,
    fault: undefined,
  });
  const result = (letter: RowLetter, rates: readonly number[], unfinished: readonly number[] = []): RowResult => ({
    row: {
      letter,
      name: letter,
      connections: [64, 256, 1_024].slice(0, rates.length),
      processes: true,
      missing: undefined,
      start: () => Promise.reject(new Error("this row is not started")),
    },
    loads: rates.map((rate, nth) => ({
      connections: [64, 256, 1_024][nth] ?? 0,
      windows: [window(rate, unfinished[nth])],
      completedPerSecond: rate,
    })),
    idleP50Milliseconds: 2,
    idleP99Milliseconds: 4,
    faults: [],
  });
  const valuesOf = (...results: readonly RowResult[]) =>
    Object.fromEntries(rowFigures(results).map(({ name, value }) => [name, value]));

  it("compare 64 connections with each other row, and more connections with the best", () => {
    const cauce = result("b", [1_000, 1_200, 900], [0, 50, 1_500]);
    assert.deepEqual(valuesOf(result("a", [2_000]), cauce, result("c", [200]), result("d", [800, 300, 100])), {
      ratioToBareFront: 0.5,
      ratioToBullmq: 5,
      ratioToBase: 1.25,
      ratioAt256: 1,
      ratioAt1024: 0.75,
      unfinishedSeconds: 1.5,
      idleRatioToBullmq: 1,
      idleRatioToBase: 1,
    });
  });

  it("are only those whose rows have run", () => {
    assert.deepEqual(Object.keys(valuesOf(result("b", [1_000, 1_000, 1_000]))), [
      "ratioAt256",
      "ratioAt1024",
      "unfinishedSeconds",
    ]);
    assert.deepEqual(valuesOf(result("a", [2_000]), result("c", [200])), {});
  });
});
