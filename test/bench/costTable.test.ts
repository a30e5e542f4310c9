import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { computeOrder, costTables, idleDollars } from "../../bench/aws/costTable.ts";
import { measureOrders } from "../../bench/aws/measure.ts";
import { dollarsPerMillion, monthly, prices } from "../../bench/aws/prices.ts";
import { handledStatuses } from "../../src/core/workflow.ts";
import { topologyOf } from "../../src/deploy/topology.ts";
import { apps, synthesized } from "../deploy/support.ts";
import { readText } from "../docs/markdown.ts";

const shape = { dataBytes: 196, statuses: 3, batch: 10 };

describe("the computed costs", () => {
  it("are equal to the measured costs", async () => {
    const measured = await measureOrders({ orders: 20 });
    const computed = computeOrder({ ...shape, dataBytes: measured.dataBytes });
    assert.deepEqual(
      [computed.tableWrites, computed.itemsRead, computed.writeUnits, computed.readUnits],
      [measured.tableWrites, measured.itemsRead, measured.tableUnits + measured.indexUnits, measured.readUnits],
    );
    assert.deepEqual(
      [computed.snsRequests, computed.processingInvocations],
      [measured.snsCalls, measured.processingInvocations],
    );
    for (const [write, bytes] of computed.itemBytes.entries()) {
      // The measured items hold one name for both functions.
      assert.ok(Math.abs(bytes - (measured.itemBytes[write] as number)) < 40, `write ${write}: ${bytes} bytes`);
    }
  });

  it("are equal to the measured costs where the data has an item of its own", async () => {
    const measured = await measureOrders({ orders: 20, noteBytes: 4_000 });
    const computed = computeOrder({ ...shape, dataBytes: measured.dataBytes });
    assert.ok(measured.dataBytes > 4_000);
    assert.deepEqual(
      [computed.tableWrites, computed.itemsRead, computed.snsRequests, computed.processingInvocations],
      [measured.tableWrites, measured.itemsRead, measured.snsCalls, measured.processingInvocations],
    );
  });

  it("include the stack's alarms and sweeps in the costs of a month", async (t) => {
    for (const { app, module } of [apps.shop, apps.wider]) {
      const made = await synthesized({ app, module });
      t.after(() => made.remove());
      const { length } = handledStatuses(app.workflow);
      const alarms = made.ofType("AWS::CloudWatch::Alarm").length;
      assert.equal(idleDollars(length).Alarms?.toFixed(2), (alarms * monthly.alarmDollars).toFixed(2));
      assert.equal(topologyOf(app.workflow).sweepEverySeconds, monthly.sweepEverySeconds);
    }
  });
});

describe("docs/costs.md", () => {
  const page = readText("docs/costs.md");

  it("has the tables that npm run costs prints", () => {
    const found = [...page.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) =>
      table
        .trimEnd()
        .split("\n")
        .filter((_, line) => line !== 1)
        .map((line) =>
          line
            .slice(1, -1)
            .split("|")
            .map((cell) => cell.trim()),
        ),
    );
    assert.deepEqual(
      found.filter(([head]) => head?.[0] === "handled statuses"),
      costTables().map(({ rows }) => rows),
    );
  });

  it("has the prices of the code, and the total that they give", () => {
    const known = [prices.lambdaGigabyteSecond.toFixed(10), prices.writeUnitsPerMillion, prices.readUnitsPerMillion];
    for (const price of known) assert.ok(page.includes(` ${price} `), `${price}`);
    const total = Object.values(dollarsPerMillion(computeOrder(shape))).reduce((sum, each) => sum + each, 0);
    assert.ok(page.includes(`here they are $${total.toFixed(2)} `));
  });
});
