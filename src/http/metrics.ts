import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Engine } from "../engine/engine.ts";
import { cumulative, type Histogram } from "../engine/telemetry/meter.ts";
import type { Observation } from "../engine/telemetry/observation.ts";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

type Labels = Record<string, string>;

/** Durations of statuses: from a millisecond to twelve days. */
const timeBuckets = { factor: 1_000, from: 1, to: 2 ** 30 };
const commitBuckets = { factor: 1_000, from: 1, to: 2 ** 13 };
const operationBuckets = { factor: 1, from: 1, to: 2 ** 12 };

/**
 * `GET /metrics`. What is on the way of orders counts in plain numbers (`engine/meter.ts`); the library is loaded with
 * the first scrape and is given those numbers when it is asked for them, so a scrape pays and orders do not.
 */
export async function createMetrics(engines: readonly Engine[], observation: Observation): Promise<Metrics> {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const lag = monitorEventLoopDelay({ resolution: 20 });
  lag.enable();
  // It runs a timer, which would outlive the server in a process that goes on.
  observation.onClose(() => lag.disable());

  type Values = () => Iterable<[Labels, number]>;
  const counter = (name: string, help: string, labelNames: string[], values: Values) => {
    const collect = () => {
      metric.reset();
      for (const [labels, value] of values()) metric.inc(labels, value);
    };
    const metric = new Counter({ name, help, labelNames, registers: [registry], collect });
  };
  const gauge = (name: string, help: string, labelNames: string[], values: Values) => {
    const collect = () => {
      metric.reset();
      for (const [labels, value] of values()) metric.set(labels, value);
    };
    const metric = new Gauge({ name, help, labelNames, registers: [registry], collect });
  };
  /** The library's histogram can be told of one value at a time alone; this gives it what has been counted. */
  const histogram = (
    name: string,
    help: string,
    buckets: typeof timeBuckets,
    values: () => Iterable<[Labels, Histogram]>,
  ) => {
    const metric = {
      name,
      async get() {
        const rows = [...values()].flatMap(([labels, counted]) => rowsOf(name, labels, counted, buckets));
        return { name, help, type: "histogram", values: rows, aggregator: "sum" };
      },
      reset() {},
    };
    registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0]);
  };

  function* statuses() {
    for (const [workflow, { totals }] of observation.meters) {
      for (const [status, each] of totals.statuses) yield { workflow, status, each };
    }
  }

  counter("cauce_orders_placed_total", "Orders that were stored.", ["workflow"], function* () {
    for (const [workflow, { totals }] of observation.meters) yield [{ workflow }, totals.placed];
  });
  counter(
    "cauce_orders_removed_total",
    "Orders that were erased: by request, or because of their age.",
    ["workflow"],
    function* () {
      for (const [workflow, { totals }] of observation.meters) yield [{ workflow }, totals.removed];
    },
  );
  counter("cauce_transitions_total", "Transitions that were committed.", ["workflow", "from", "to"], function* () {
    for (const { workflow, status, each } of statuses()) {
      for (const [to, count] of each.to) yield [{ workflow, from: status, to }, count];
    }
  });
  counter(
    "cauce_attempts_total",
    "Attempts that ended: moved on, to be retried, or used up.",
    ["workflow", "status", "outcome"],
    function* () {
      for (const { workflow, status, each } of statuses()) {
        for (const [outcome, count] of Object.entries(each.attempts)) {
          if (count > 0) yield [{ workflow, status, outcome }, count];
        }
      }
    },
  );
  histogram(
    "cauce_time_in_status_seconds",
    "How long orders stood in a status that they left.",
    timeBuckets,
    function* () {
      for (const { workflow, status, each } of statuses()) {
        if (each.time.count > 0) yield [{ workflow, status }, each.time];
      }
    },
  );
  histogram(
    "cauce_store_commit_seconds",
    "How long the store's transactions took until they were on disk.",
    commitBuckets,
    function* () {
      for (const [workflow, { milliseconds }] of observation.stores) yield [{ workflow }, milliseconds];
    },
  );
  histogram(
    "cauce_store_batch_operations",
    "Operations in each of the store's transactions.",
    operationBuckets,
    function* () {
      for (const [workflow, { operations }] of observation.stores) yield [{ workflow }, operations];
    },
  );

  const readRows = async () => {
    const ofEach = engines.map(async (engine) =>
      (await engine.queues()).map((row) => ({ ...row, workflow: engine.workflow.name })),
    );
    return (await Promise.all(ofEach)).flat();
  };
  // One reading of the stores for all that a scrape says of queues.
  let rows: Awaited<ReturnType<typeof readRows>> = [];
  gauge(
    "cauce_queue_depth",
    "Orders that stand in a status, by what they wait for.",
    ["workflow", "status", "state"],
    () =>
      rows.flatMap(({ workflow, status, waiting, inFlight, delayed, failed }) =>
        Object.entries({ waiting, in_flight: inFlight, delayed, failed }).map(([state, count]): [Labels, number] => [
          { workflow, status, state },
          count,
        ]),
      ),
  );
  gauge(
    "cauce_oldest_waiting_age_seconds",
    "How long ago the order that is first in a status's queue last changed; 0 where the queue is empty.",
    ["workflow", "status"],
    () =>
      rows
        .filter(({ kind }) => kind === "handled")
        .map(({ workflow, status, oldestWaitingAt }): [Labels, number] => [
          { workflow, status },
          oldestWaitingAt === null ? 0 : Math.max(0, observation.now() - oldestWaitingAt) / 1_000,
        ]),
  );
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
  counter("process_cpu_seconds_total", "Processor time that the process took.", [], function* () {
    const { user, system } = process.cpuUsage();
    yield [{}, (user + system) / 1e6];
  });

  return {
    contentType: registry.contentType,
    async text() {
      rows = await readRows();
      return registry.metrics();
    },
  };
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
