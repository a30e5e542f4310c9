import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFunctionMetrics, emfLines, type Metric, units } from "../../src/lambda/metrics.ts";

const now = Date.UTC(2026, 10, 24);
const unitsOfCloudWatch = ["Count", "Milliseconds"];

interface Line {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
  readonly [member: string]: unknown;
}

/** Parses a line, and asserts every rule of CloudWatch's specification of the format. */
function checked(text: string): Line {
  assert.match(text, /^[^\n]+\n$/);
  assert.ok(Buffer.byteLength(text) <= 1_048_576);
  const line = JSON.parse(text) as Line;
  const { Timestamp, CloudWatchMetrics } = line._aws;
  assert.ok(Number.isSafeInteger(Timestamp) && Timestamp > 0);
  assert.ok(CloudWatchMetrics.length >= 1);
  for (const { Namespace, Dimensions, Metrics } of CloudWatchMetrics) {
    assert.match(Namespace, /^[^:]{1,1024}$/);
    assert.ok(Dimensions.length >= 1);
    for (const set of Dimensions) {
      assert.ok(set.length <= 30 && new Set(set).size === set.length);
      for (const name of set) {
        const value = line[name];
        assert.ok(typeof value === "string" && /^[\x21-\x7e]{1,1024}$/.test(value), name);
      }
    }
    assert.ok(Metrics.length >= 1 && Metrics.length <= 100);
    assert.equal(new Set(Metrics.map(({ Name }) => Name)).size, Metrics.length);
    for (const { Name, Unit } of Metrics) {
      assert.ok(unitsOfCloudWatch.includes(Unit));
      const values = [line[Name]].flat();
      assert.ok(values.length >= 1 && values.length <= 100, Name);
      assert.ok(
        values.every((value) => typeof value === "number" && Number.isFinite(value)),
        Name,
      );
    }
  }
  return line;
}

describe("a line of metrics", () => {
  it("has the format that CloudWatch takes, with each metric's unit", () => {
    const values = new Map((Object.keys(units) as Metric[]).map((metric) => [metric, [1]]));
    const [line, ...more] = emfLines({ stage: "dev", workflow: "orders", status: "paid" }, values, now).map(checked);
    assert.deepEqual(more, []);
    assert.equal(line?._aws.Timestamp, now);
    const [directive] = line?._aws.CloudWatchMetrics ?? [];
    assert.equal(directive?.Namespace, "Cauce");
    assert.deepEqual(directive?.Dimensions, [["stage", "workflow", "status"]]);
    assert.deepEqual(
      directive?.Metrics,
      Object.entries(units).map(([Name, Unit]) => ({ Name, Unit })),
    );
    assert.deepEqual([line?.stage, line?.workflow, line?.status], ["dev", "orders", "paid"]);
  });

  it("holds 100 durations, and further lines hold the rest", () => {
    const all = Array.from({ length: 250 }, (_, n) => n);
    const values = new Map<Metric, number[]>([
      ["AttemptsMoved", [250]],
      ["AttemptMilliseconds", all],
    ]);
    const lines = emfLines({ workflow: "orders" }, values, now).map(checked);
    assert.deepEqual(
      lines.map((line) => (line.AttemptMilliseconds as number[]).length),
      [100, 100, 50],
    );
    assert.deepEqual(
      lines.flatMap((line) => line.AttemptMilliseconds),
      all,
    );
    assert.deepEqual(
      lines.map((line) => line.AttemptsMoved),
      [250, undefined, undefined],
    );
  });

  it("is not written where no metric has a value", () => {
    assert.deepEqual(emfLines({ workflow: "orders" }, new Map([["AttemptsMoved", []]]), now), []);
  });
});

describe("the metrics of a function", () => {
  const openMetrics = (metrics: boolean) => {
    const lines: string[] = [];
    return {
      ...createFunctionMetrics(
        { stage: "dev", metrics },
        (line) => lines.push(line),
        () => now,
      ),
      lines,
    };
  };

  it("add counts up and keep each duration, in a line for each status and workflow", () => {
    const { add, write, lines } = openMetrics(true);
    // Other fields of the object are no dimensions.
    const paid = { workflow: "orders", status: "paid", timeoutSeconds: 30 };
    add("AttemptsMoved", 1, paid);
    add("AttemptsMoved", 1, paid);
    add("AttemptMilliseconds", 0, paid);
    add("AttemptMilliseconds", 12, paid);
    add("AttemptsFailed", 0, paid);
    add("AttemptsFailed", 1, { workflow: "orders", status: "received" });
    add("OrdersPlaced", 3, { workflow: "claims" });
    write();
    assert.deepEqual(
      lines.map(checked).map(({ _aws, ...members }) => members),
      [
        { stage: "dev", workflow: "orders", status: "paid", AttemptsMoved: 2, AttemptMilliseconds: [0, 12] },
        { stage: "dev", workflow: "orders", status: "received", AttemptsFailed: 1 },
        { stage: "dev", workflow: "claims", OrdersPlaced: 3 },
      ],
    );
  });

  it("are written once, and a count of 0 is not written", () => {
    const { add, write, lines } = openMetrics(true);
    add("OrdersPlaced", 1, { workflow: "orders" });
    write();
    write();
    add("OrdersPlaced", 0, { workflow: "orders" });
    write();
    assert.equal(lines.length, 1);
  });

  it("are not written where they are switched off", () => {
    const { add, write, lines } = openMetrics(false);
    add("OrdersPlaced", 1, { workflow: "orders" });
    write();
    assert.deepEqual(lines, []);
  });
});
