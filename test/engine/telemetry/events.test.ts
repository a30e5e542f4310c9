import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { createEvents } from "../../../src/engine/telemetry/telemetry.ts";

const order = (id: string, visit = 0, status = "received") =>
  ({ id, status, visit, version: visit + 1, entry: { at: 1_000 + visit } }) as StoredOrder;
const recording = (window = 4) => {
  const events = createEvents({ window, stream: "s" });
  events.open();
  return events;
};

test("events record nothing until they are opened", () => {
  const events = createEvents({ window: 4, stream: "s" });
  events.placed("orders", order("a"));
  assert.equal(events.last, 0);
  events.open();
  events.placed("orders", order("b"));
  assert.deepEqual(
    events.after(0, 10).events.map(({ orderId }) => orderId),
    ["b"],
  );
});

test("events hold each placing and each transition, and no change within a visit", () => {
  const events = recording();
  events.placed("orders", order("a"));
  events.changed("orders", { before: order("a"), after: order("a", 1, "paid") } as Change);
  events.changed("orders", { before: order("a", 1), after: order("a", 1) } as Change);
  assert.deepEqual(events.after(0, 10), {
    missed: 0,
    upTo: 2,
    events: [
      { number: 1, workflow: "orders", orderId: "a", status: "received", from: null, visit: 0, version: 1, at: 1_000 },
      {
        number: 2,
        workflow: "orders",
        orderId: "a",
        status: "paid",
        from: "received",
        visit: 1,
        version: 2,
        at: 1_001,
      },
    ],
  });
});

test("a reader that falls behind the window is told how many events it missed, and goes on with those that are held", () => {
  const events = recording(4);
  for (let n = 1; n <= 10; n++) events.placed("orders", order(`o-${n}`));
  const { missed, events: found, upTo } = events.after(2, 3);
  assert.equal(missed, 4);
  assert.deepEqual(
    found.map(({ number, orderId }) => [number, orderId]),
    [
      [7, "o-7"],
      [8, "o-8"],
      [9, "o-9"],
    ],
  );
  assert.deepEqual(
    events.after(upTo, 3).events.map(({ orderId }) => orderId),
    ["o-10"],
  );
  assert.deepEqual(events.after(10, 3), { missed: 0, events: [], upTo: 10 });
});

test("waiting for the next event ends with the event, with the end of the events, or when the reader gives up", async () => {
  const events = recording();
  const woken: string[] = [];
  const next = new Promise<void>((resolve) => {
    events.onNext(() => {
      woken.push("first");
      resolve();
    });
  });
  events.onNext(() => woken.push("given up"))();
  events.placed("orders", order("a"));
  events.placed("orders", order("b"));
  await next;
  events.onNext(() => woken.push("end"));
  events.end();
  assert.deepEqual(woken, ["first", "end"]);
  assert.equal(events.ended, true);
});
