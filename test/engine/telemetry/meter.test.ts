import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { createMeter, type Minute, minutesMax } from "../../../src/engine/telemetry/meter.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";

const minute = 60_000;

function metering() {
  const clock = fakeClock(Date.UTC(2026, 10, 24, 12));
  const meter = createMeter({
    clock,
    depths: [
      {
        status: "paid",
        kind: "handled",
        waiting: 3,
        inFlight: 1,
        delayed: 1,
        failed: 2,
        oldestWaitingAt: null,
        paused: false,
        atLeast: false,
      },
    ],
  });
  const orderIn = (status: string, kind: StoredOrder["kind"] = "handled", visit = 0): StoredOrder => {
    const now = clock.now();
    return { status, kind, visit, createdAt: now, updatedAt: now, entry: { at: now } } as StoredOrder;
  };
  const transition = (before: StoredOrder, status: string, kind: StoredOrder["kind"] = "handled"): StoredOrder => {
    const after = orderIn(status, kind, before.visit + 1);
    meter.changed({ before, after } as Change, { outcome: "moved", milliseconds: 1 });
    return after;
  };
  const place = (): StoredOrder => {
    const order = orderIn("received");
    meter.placed(order);
    return order;
  };
  const rowOf = (of: Minute | undefined, status: string) => of?.statuses.find((row) => row.status === status);
  return { clock, meter, transition, place, rowOf };
}

test("a minute counts the orders placed and finished and the attempts, and has each status's times and depth", () => {
  const { clock, meter, transition, place, rowOf } = metering();
  const orders = [place(), place(), place()];
  clock.advance(2);
  for (const order of orders.slice(0, 2)) transition(order, "paid");
  clock.advance(4);
  const retried = orders[2] as StoredOrder;
  meter.changed({ before: retried, after: { ...retried, updatedAt: clock.now() } } as Change, {
    outcome: "retried",
    milliseconds: 5,
  });
  transition(retried, "shipped", "final");
  const [lasting, ...others] = meter.minutes(60);
  assert.deepEqual(others, []);
  assert.equal(lasting?.at, Date.UTC(2026, 10, 24, 12));
  assert.equal(lasting?.placed, 3);
  assert.equal(lasting?.finished, 1);
  assert.deepEqual(lasting?.attempts, { moved: 3, retried: 1, failed: 0 });
  assert.deepEqual(rowOf(lasting, "received"), {
    status: "received",
    entered: 3,
    left: 3,
    timeInStatusP50Seconds: 2.048,
    timeInStatusP99Seconds: 6.144,
    depth: 0,
  });
  assert.deepEqual(rowOf(lasting, "paid"), {
    status: "paid",
    entered: 2,
    left: 0,
    timeInStatusP50Seconds: null,
    timeInStatusP99Seconds: null,
    depth: 9,
  });
  assert.equal(rowOf(lasting, "shipped")?.depth, 0);
});

test("minutes in which nothing happened are there too, with the depth of each status", () => {
  const { clock, meter, place, rowOf } = metering();
  place();
  clock.advance(3 * 60);
  const minutes = meter.minutes(60);
  assert.deepEqual(
    minutes.map(({ at, placed }) => [(at - Date.UTC(2026, 10, 24, 12)) / minute, placed]),
    [
      [0, 1],
      [1, 0],
      [2, 0],
      [3, 0],
    ],
  );
  for (const each of minutes) assert.equal(rowOf(each, "received")?.depth, 1);
  assert.deepEqual(meter.minutes(2), minutes.slice(2));
  assert.deepEqual(meter.minutes(1), minutes.slice(3));
});

test("the meter keeps one day, however long the minutes are not read", () => {
  const { clock, meter, place } = metering();
  place();
  clock.advance(10 * 86_400);
  place();
  const minutes = meter.minutes(minutesMax);
  assert.equal(minutes.length, minutesMax);
  assert.equal(minutes.at(-1)?.placed, 1);
  assert.equal(minutes[0]?.placed, 0);
  assert.equal(meter.totals.placed, 2);
});

test("where the time of day is set back, the minute ends and another begins at that time", () => {
  const { clock, meter, place } = metering();
  place();
  clock.step(-3_600);
  place();
  clock.advance(60);
  place();
  const minutes = meter.minutes(60);
  assert.deepEqual(
    minutes.map(({ at, placed }) => [(at - Date.UTC(2026, 10, 24, 12)) / minute, placed]),
    [
      [0, 1],
      [-60, 1],
      [-59, 1],
    ],
  );
});
