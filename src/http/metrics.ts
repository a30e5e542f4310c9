import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Registry } from "prom-client";
import type { Engine } from "../engine/engine.ts";
import { type Intake, widthMax } from "../engine/intake.ts";
import { cumulative, type Histogram } from "../engine/telemetry/meter.ts";
import type { Telemetry } from "../engine/telemetry/telemetry.ts";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

type Labels = Record<string, string>;

/** The buckets for the time in a status: from 1 ms to 12 days. */
const timeBuckets = { factor: 1_000, from: 1, to: 2 ** 30 };
const commitBuckets = { factor: 1_000, from: 1, to: 2 ** 13 };
const operationBuckets = { factor: 1, from: 1, to: 2 ** 12 };

/**
 * The metrics of `GET /metrics`. The way of an order only counts plain numbers (`engine/telemetry/meter.ts`). The first
 * scrape loads prom-client, and each scrape hands it those numbers, so a scrape pays for them and orders do not.
 */
export async function createMetrics(
  engines: readonly Engine[],
  telemetry: Telemetry,
  intake: Pick<Intake, "state">,
): Promise<Metrics> {
  const library = await import("prom-client");
  const registry = new library.Registry();
  const add = createAdd(library, registry);
  addOrderMetrics(add, telemetry);
  addStoreMetrics(add, telemetry);
  addIntakeMetrics(add, intake);
  const readQueues = addQueueMetrics(add, engines, telemetry);
  addProcessMetrics(add, telemetry);
  return {
    contentType: registry.contentType,
    async text() {
      await readQueues();
      return registry.metrics();
    },
  };
}

/** Adds a metric, whose values are read at each scrape. */
interface Add {
  counter(name: string, help: string, labelNames: string[], values: () => Iterable<[Labels, number]>): void;
  readonly gauge: Add["counter"];
  histogram(name: string, help: string, buckets: typeof timeBuckets, values: () => Iterable<[Labels, Histogram]>): void;
}

function createAdd({ Counter, Gauge }: typeof import("prom-client"), registry: Registry): Add {
  const adds =
    (Metric: typeof Counter | typeof Gauge): Add["counter"] =>
    (name, help, labelNames, values) => {
      const collect = () => {
        metric.reset();
        for (const [labels, value] of values()) metric.inc(labels, value);
      };
      const metric = new Metric({ name, help, labelNames, registers: [registry], collect });
    };
  return {
    counter: adds(Counter),
    gauge: adds(Gauge),
    // Counted buckets as they are. prom-client's own histogram takes one value at a time and nothing else.
    histogram(name, help, buckets, values) {
      const metric = {
        name,
        async get() {
          const rows = [...values()].flatMap(([labels, counted]) => rowsOf(name, labels, counted, buckets));
          return { name, help, type: "histogram", values: rows, aggregator: "sum" };
        },
        reset() {},
      };
      registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
    },
  };
}

function addOrderMetrics({ counter, histogram }: Add, { meters }: Telemetry): void {
  function* statuses() {
    for (const [workflow, { totals }] of meters) {
      for (const [status, each] of totals.statuses) yield { workflow, status, each };
    }
  }
  counter("cauce_orders_placed_total", "Orders that were stored.", ["workflow"], function* () {
    for (const [workflow, { totals }] of meters) yield [{ workflow }, totals.placed];
  });
  const removedHelp = "Orders that were erased: by request, or because of their age.";
  counter("cauce_orders_removed_total", removedHelp, ["workflow"], function* () {
    for (const [workflow, { totals }] of meters) yield [{ workflow }, totals.removed];
  });
  counter("cauce_transitions_total", "Transitions that were committed.", ["workflow", "from", "to"], function* () {
    for (const { workflow, status, each } of statuses()) {
      for (const [to, count] of each.to) yield [{ workflow, from: status, to }, count];
    }
  });
  const attemptsHelp = "Attempts that ended: moved on, to be retried, or used up.";
  counter("cauce_attempts_total", attemptsHelp, ["workflow", "status", "outcome"], function* () {
    for (const { workflow, status, each } of statuses()) {
      for (const [outcome, count] of Object.entries(each.attempts)) {
        if (count > 0) yield [{ workflow, status, outcome }, count];
      }
    }
  });
  const timeHelp = "How long orders stood in a status that they left.";
  histogram("cauce_time_in_status_seconds", timeHelp, timeBuckets, function* () {
    for (const { workflow, status, each } of statuses()) {
      if (each.time.count > 0) yield [{ workflow, status }, each.time];
    }
  });
}

function addStoreMetrics({ histogram }: Add, { stores }: Telemetry): void {
  const commitHelp = "How long the store's transactions took until they were on disk.";
  histogram("cauce_store_commit_seconds", commitHelp, commitBuckets, function* () {
    for (const [workflow, { milliseconds }] of stores) yield [{ workflow }, milliseconds];
  });
  const batchHelp = "Operations in each of the store's transactions.";
  histogram("cauce_store_batch_operations", batchHelp, operationBuckets, function* () {
    for (const [workflow, { operations }] of stores) yield [{ workflow }, operations];
  });
}

function addIntakeMetrics({ counter, gauge }: Add, { state }: Pick<Intake, "state">): void {
  const widthHelp = `How many placings are let in at once: ${widthMax}, and fewer while deliveries wait for this process's thread.`;
  gauge("cauce_intake_width", widthHelp, [], () => [[{}, state().width]]);
  gauge("cauce_intake_waiting", "Placings that wait to be let in.", [], () => [[{}, state().waiting]]);
  const refusedHelp = "Placings that waited for too long and were refused with `overloaded`.";
  counter("cauce_intake_refused_total", refusedHelp, [], () => [[{}, state().refused]]);
}

/** Adds the gauges of the queues. A scrape calls what this returns, so that it reads the stores once for both gauges. */
function addQueueMetrics({ gauge }: Add, engines: readonly Engine[], telemetry: Telemetry): () => Promise<void> {
  const readRows = async () => {
    const ofEach = engines.map(async (engine) =>
      (await engine.queues()).map((row) => ({ ...row, workflow: engine.workflow.name })),
    );
    return (await Promise.all(ofEach)).flat();
  };
  let rows: Awaited<ReturnType<typeof readRows>> = [];
  const depthHelp = "Orders that stand in a status, by what they wait for.";
  gauge("cauce_queue_depth", depthHelp, ["workflow", "status", "state"], function* () {
    for (const { workflow, status, waiting, inFlight, delayed, failed } of rows) {
      for (const [state, count] of Object.entries({ waiting, in_flight: inFlight, delayed, failed })) {
        yield [{ workflow, status, state }, count];
      }
    }
  });
  const ageHelp = "How long ago the order that is first in a status's queue last changed; 0 where the queue is empty.";
  gauge("cauce_oldest_waiting_age_seconds", ageHelp, ["workflow", "status"], function* () {
    for (const { workflow, status, kind, oldestWaitingAt: oldest } of rows) {
      if (kind !== "handled") continue;
      yield [{ workflow, status }, oldest === null ? 0 : Math.max(0, telemetry.now() - oldest) / 1_000];
    }
  });
  return async () => {
    rows = await readRows();
  };
}

function addProcessMetrics({ counter, gauge }: Add, telemetry: Telemetry): void {
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  // The monitor runs a timer. In a process that goes on, the timer would outlive the server.
  telemetry.onClose(() => lag.disable());
  gauge("cauce_event_loop_lag_seconds", "How late the event loop was since the last scrape.", ["quantile"], () => {
    const seconds = (nanoseconds: number) => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0);
    const found: [Labels, number][] = [
      [{ quantile: "0.5" }, seconds(lag.percentile(50))],
      [{ quantile: "0.99" }, seconds(lag.percentile(99))],
      [{ quantile: "1" }, seconds(lag.max)],
    ];
    lag.reset();
    return found;
  });
  gauge("process_resident_memory_bytes", "Memory that the process holds.", [], () => [[{}, process.memoryUsage.rss()]]);
  counter("process_cpu_seconds_total", "Processor time that the process took.", [], () => {
    const { user, system } = process.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });
}

function rowsOf(name: string, labels: Labels, counted: Histogram, { factor, from, to }: typeof timeBuckets) {
  const buckets = cumulative(counted).filter(({ underMilliseconds: bound }) => bound >= from && bound <= to);
  return [
    ...buckets.map(({ underMilliseconds: bound, count }) => ({
      metricName: `${name}_bucket`,
      labels: { le: bound / factor, ...labels },
      value: count,
    })),
    { metricName: `${name}_bucket`, labels: { le: "+Inf", ...labels }, value: counted.count },
    { metricName: `${name}_sum`, labels, value: counted.sum / factor },
    { metricName: `${name}_count`, labels, value: counted.count },
  ];
}
