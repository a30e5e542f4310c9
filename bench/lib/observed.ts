import { get } from "node:http";
import orders from "../../examples/orders/orders.app.ts";
import { systemClock } from "../../src/core/clock.ts";
import { type Change, decide } from "../../src/core/decide.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { createTelemetry } from "../../src/engine/telemetry/telemetry.ts";
import { given } from "../../src/testing/given.ts";
import { startCauce } from "../cauce.ts";
import type { Bench } from "./bench.ts";
import { type Figure, ratio, shown } from "./bounds.ts";
import type { Pace } from "./compare.ts";
import type { LoadGenerator } from "./load.ts";
import { loadWindow } from "./round.ts";
import type { Server } from "./server.ts";
import { withServer } from "./server.ts";
import { median } from "./statistics.ts";

const countedOrders = 200_000;

/**
 * Measures what watching costs. Counting is always on. So it is measured by itself, to be put beside the time that an
 * order takes at full load. The log, a scrape of `/metrics` each second and a reader of `/events` are measured as
 * rates, with and without them, in turn.
 */
export async function measureObserved(bench: Bench, generator: LoadGenerator, pace: Pace): Promise<Figure[]> {
  const microseconds = countingMicroseconds();
  bench.progress(`counting costs ${microseconds.toFixed(2)} µs an order`);
  const without: number[] = [];
  const withAll: number[] = [];
  for (let round = 1; round <= pace.rounds; round++) {
    for (const [rates, logLevel] of [
      [without, "silent"],
      [withAll, "info"],
    ] as const) {
      const started = await startCauce(bench, { directory: await bench.directory("observed"), logLevel });
      const rate = await withServer(started, async (server) => {
        const stop = rates === withAll ? lookOn(server) : () => {};
        try {
          return (await loadWindow(server, generator, pace)).completedPerSecond;
        } finally {
          stop();
        }
      });
      rates.push(rate);
      bench.progress(`observed ${round}/${pace.rounds}, log ${logLevel}: ${Math.round(rate)} completed/s`);
    }
  }
  const unobserved = median(without);
  return [
    {
      name: "countingShare",
      value: (microseconds * unobserved) / 1e6,
      detail: `${shown(microseconds, 2)} µs at ${shown(unobserved, 0)} completed/s`,
    },
    ratio("ratioObserved", withAll, without),
  ];
}

/** Scrapes each second and reads all events, until it is stopped. */
function lookOn({ url }: Server): () => void {
  const reader = get(`${url}/events`, (response) => response.resume());
  reader.on("error", () => {});
  const timer = setInterval(() => {
    get(`${url}/metrics`, (response) => response.resume()).on("error", () => {});
  }, 1_000);
  return () => {
    clearInterval(timer);
    reader.destroy();
  };
}

/** Times the observer alone, over the changes of orders that go through three handlers. */
function countingMicroseconds(): number {
  const { workflow } = orders;
  const telemetry = createTelemetry({ clock: systemClock(), stream: "bench" });
  const observer = telemetry.observerOf(workflow.name, []);
  telemetry.events.open();
  const by = { runtime: "node", name: "bench", requestId: null, messageId: null } as const;
  const now = Date.now();
  const { order: placed } = given(workflow, { id: "01a20da9-e704-7019-90d8-495bca9553e4" }, { now, by });
  const changes: Change[] = [];
  let order: StoredOrder = placed;
  for (const to of ["approved", "paid", "shipped"]) {
    const decision = decide(order, { kind: "moved", to }, { workflow, now: now + 3, random: () => 0.5, by });
    if (!("change" in decision)) throw new Error(decision.message);
    changes.push(decision.change);
    order = decision.change.after;
  }
  const attempt = { outcome: "moved", milliseconds: 1 } as const;
  const count = () => {
    for (let n = 0; n < countedOrders; n++) {
      observer.placed(placed);
      for (const change of changes) observer.changed(change, attempt);
    }
  };
  count();
  const startedAt = performance.now();
  count();
  return ((performance.now() - startedAt) * 1_000) / countedOrders;
}
