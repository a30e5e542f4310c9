/** Metrics for CloudWatch in its Embedded Metric Format: lines of the log that CloudWatch makes metrics of. */
import { metricValuesMax } from "../backend/aws/quotas.ts";
import type { FunctionSettings } from "../node/settings.ts";

/** Every metric and its unit. */
export const units = {
  OrdersPlaced: "Count",
  OrdersRepeated: "Count",
  OrdersRefused: "Count",
  AttemptsMoved: "Count",
  AttemptsRetried: "Count",
  AttemptsFailed: "Count",
  AttemptMilliseconds: "Milliseconds",
  MessagesNotDone: "Count",
  OrdersSwept: "Count",
  UnhandledRejections: "Count",
  EventLoopBlocks: "Count",
} as const;

export type Metric = keyof typeof units;

/** What a metric is of: the whole function, a workflow, or one status of a workflow. */
interface Subject {
  readonly workflow?: string;
  readonly status?: string;
}

type Dimensions = Readonly<Record<string, string>>;

export interface FunctionMetrics {
  /** Adds to a count, or adds one more duration. A count of 0 adds nothing. */
  add(metric: Metric, value: number, subject: Subject): void;
  /** Writes what was added since the last call: a line for each subject that has something. */
  write(): void;
}

/** Keeps the metrics of one invocation after the other. With the setting `metrics` false, writes nothing. */
export function createFunctionMetrics(
  { stage, metrics }: Pick<FunctionSettings, "stage" | "metrics">,
  put: (line: string) => void,
  now: () => number = Date.now,
): FunctionMetrics {
  const kept = new Map<string, { readonly dimensions: Dimensions; readonly values: Map<Metric, number[]> }>();
  return {
    add(metric, value, { workflow, status }) {
      if (value === 0 && units[metric] === "Count") return;
      const key = `${workflow ?? ""} ${status ?? ""}`;
      const dimensions = {
        stage,
        ...(workflow === undefined ? {} : { workflow }),
        ...(status === undefined ? {} : { status }),
      };
      const { values } = kept.get(key) ?? { values: new Map<Metric, number[]>() };
      kept.set(key, { dimensions, values });
      const before = values.get(metric) ?? [];
      values.set(metric, units[metric] === "Count" ? [(before[0] ?? 0) + value] : [...before, value]);
    },
    write() {
      for (const { dimensions, values } of metrics ? kept.values() : []) {
        for (const line of emfLines(dimensions, values, now())) put(line);
      }
      kept.clear();
    },
  };
}

/**
 * Writes the metrics of one subject as lines: one line, and another for each 100 durations more. A metric without a value
 * is left out, and costs nothing. `now` is in milliseconds since 1970.
 */
export function emfLines(
  dimensions: Dimensions,
  values: ReadonlyMap<Metric, readonly number[]>,
  now: number,
): string[] {
  const rest = new Map([...values].map(([metric, all]) => [metric, all.slice(metricValuesMax)] as const));
  const metrics = [...values.keys()].filter((metric) => values.get(metric)?.length !== 0);
  if (metrics.length === 0) return [];
  const line = JSON.stringify({
    _aws: {
      Timestamp: now,
      CloudWatchMetrics: [
        {
          Namespace: "Cauce",
          Dimensions: [Object.keys(dimensions)],
          Metrics: metrics.map((Name) => ({ Name, Unit: units[Name] })),
        },
      ],
    },
    ...dimensions,
    ...Object.fromEntries(
      metrics.map((metric) => [metric, inLine(values.get(metric)?.slice(0, metricValuesMax) ?? [])]),
    ),
  });
  return [`${line}\n`, ...emfLines(dimensions, rest, now)];
}

function inLine(values: readonly number[]): number | readonly number[] {
  return values.length === 1 ? (values[0] as number) : values;
}
