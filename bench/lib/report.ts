import { readFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { resolve } from "node:path";
import type { BatchResult } from "./batch.ts";
import type { Pace, RowResult } from "./compare.ts";
import type { GrowthResult, Rates } from "./growth.ts";
import { connections, type LoadGenerator } from "./load.ts";
import type { ObservedResult } from "./observed.ts";
import type { Row } from "./rows.ts";
import { median, percentile } from "./statistics.ts";

/** The numbers of a run under the names that `--json` prints. Null: this run did not measure it. */
export interface Summary {
  readonly bareFrontPerSecond: number | null;
  readonly completedPerSecond: number | null;
  readonly bullmqCompletedPerSecond: number | null;
  readonly ratioToBareFront: number | null;
  readonly ratioToBullmq: number | null;
  readonly idleP50Milliseconds: number | null;
  readonly idleP99Milliseconds: number | null;
  readonly idleRatioToBullmq: number | null;
  readonly batchPerSecond: number | null;
  /** What counting takes of an order's time at full load, from 0 to 1. */
  readonly countingShare?: number | null;
  readonly ratioObserved?: number | null;
  readonly ratioStored?: number | null;
  readonly listP99Milliseconds?: number | null;
  readonly startMilliseconds?: number | null;
  readonly rssMegabytes?: number | null;
  readonly delayErrorP99Milliseconds?: number | null;
  readonly ratioFifoHeld?: number | null;
}

export function summarize(
  results: readonly RowResult[],
  batch: BatchResult | undefined,
  growth: GrowthResult | undefined,
  observed: ObservedResult | undefined,
): Summary {
  const of = (letter: string) => results.find(({ row }) => row.letter === letter);
  const [bare, cauce, bullmq] = [of("a"), of("b"), of("c")];
  const summary: { -readonly [K in keyof Summary]: Summary[K] } = {
    bareFrontPerSecond: rounded(bare?.completedPerSecond, 0),
    completedPerSecond: rounded(cauce?.completedPerSecond, 0),
    bullmqCompletedPerSecond: rounded(bullmq?.completedPerSecond, 0),
    ratioToBareFront: rounded(quotient(cauce?.completedPerSecond, bare?.completedPerSecond), 3),
    ratioToBullmq: rounded(quotient(cauce?.completedPerSecond, bullmq?.completedPerSecond), 2),
    idleP50Milliseconds: rounded(cauce?.idleP50Milliseconds, 2),
    idleP99Milliseconds: rounded(cauce?.idleP99Milliseconds, 2),
    idleRatioToBullmq: rounded(quotient(cauce?.idleP50Milliseconds, bullmq?.idleP50Milliseconds), 3),
    batchPerSecond: rounded(batch?.perSecond, 0),
  };
  if (observed !== undefined) {
    summary.countingShare = rounded((observed.microseconds * observed.unobserved) / 1e6, 4);
    summary.ratioObserved = rounded(quotient(observed.observed, observed.unobserved), 3);
  }
  if (growth === undefined) return summary;
  const { rates, lists, queued, fifo, late } = growth;
  return {
    ...summary,
    ratioStored: rounded(quotient(rates?.after, rates?.before), 3),
    listP99Milliseconds: rounded(lists && percentile(lists, 0.99), 2),
    startMilliseconds: rounded(queued?.startMilliseconds, 0),
    rssMegabytes: rounded(queued?.rssMegabytes, 0),
    delayErrorP99Milliseconds: rounded(late && percentile(late, 0.99), 0),
    ratioFifoHeld: rounded(quotient(fifo?.after, fifo?.before), 3),
  };
}

function quotient(upper: number | undefined, lower: number | undefined): number | undefined {
  return upper === undefined || lower === undefined ? undefined : upper / lower;
}

function rounded(value: number | undefined, digits: number): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Number(value.toFixed(digits));
}

export interface Run {
  readonly rows: readonly Row[];
  readonly results: readonly RowResult[];
  readonly batch: BatchResult | undefined;
  readonly growth: GrowthResult | undefined;
  readonly observed: ObservedResult | undefined;
  readonly generator: LoadGenerator;
  readonly pace: Pace;
  readonly root: string;
}

/** Renders a run as Markdown, ready for the README. */
export function report({ rows, results, batch, growth, observed, generator, pace, root }: Run): string {
  const summary = summarize(results, batch, growth, observed);
  const header = ["", "completed/s", "rounds", "unfinished at most", "POST p99 ms", "idle p50 ms", "idle p99 ms"];
  const comparison = rows.map((row) => {
    const result = results.find((each) => each.row === row);
    const label = `(${row.letter}) ${row.name}`;
    if (result === undefined) return [label, row.missing ?? "not run"];
    const { windows, completedPerSecond, idleP50Milliseconds, idleP99Milliseconds, faults } = result;
    const idle = (value: number) => (row.processes ? value.toFixed(2) : "–");
    return [
      `${label}${faults.length > 0 ? " **does not count, see below**" : ""}`,
      whole(completedPerSecond),
      windows.map((window) => whole(window.completedPerSecond)).join(" "),
      row.processes ? whole(Math.max(...windows.map(({ unfinished }) => unfinished))) : "–",
      median(windows.map(({ p99Milliseconds }) => p99Milliseconds)).toFixed(1),
      idle(idleP50Milliseconds),
      idle(idleP99Milliseconds),
    ];
  });
  const faults = [...results.flatMap((result) => result.faults), ...(growth?.faults ?? [])];
  return [
    machine(generator, pace, root),
    table(header, comparison),
    table(["", "measured", "to reach"], goals(summary, batch, growth, observed)),
    ...(faults.length === 0 ? [] : [faults.map((fault) => `- does not count: ${fault}`).join("\n")]),
  ].join("\n\n");
}

function goals(
  summary: Summary,
  batch: BatchResult | undefined,
  growth: GrowthResult | undefined,
  observed: ObservedResult | undefined,
): string[][] {
  const goal = (name: string, value: number | null | undefined, digits: number, to: string) => [
    name,
    value === null || value === undefined ? "–" : value.toFixed(digits),
    to,
  ];
  const lines = [
    goal("Cauce / bare front", summary.ratioToBareFront, 2, "≥ 0.70"),
    goal("Cauce / BullMQ", summary.ratioToBullmq, 2, "≥ 4.00"),
    goal("idle p50, Cauce / BullMQ", summary.idleRatioToBullmq, 2, "≤ 0.50"),
    ...(batch === undefined
      ? []
      : [
          goal(
            `batch intake, orders/s (${whole(batch.workingPerSecond)} while handlers work)`,
            summary.batchPerSecond,
            0,
            "≥ 50000",
          ),
        ]),
  ];
  if (observed !== undefined) {
    lines.push(
      goal(
        `counting, share of an order's time at full load (${observed.microseconds.toFixed(2)} µs)`,
        summary.countingShare,
        4,
        "≤ 0.03",
      ),
      goal(
        `rate with a log, a scrape a second and a reader of events / without (${whole(observed.unobserved)} → ${whole(observed.observed)})`,
        summary.ratioObserved,
        2,
        "–",
      ),
    );
  }
  if (growth === undefined) return lines;
  const { stored, held, rates, lists, queued, fifo, late } = growth;
  const change = (measured: Rates | undefined) =>
    measured === undefined ? "" : ` (${whole(measured.before)} → ${whole(measured.after)} completed/s)`;
  const working =
    queued === undefined
      ? ""
      : ` (${whole(queued.workingMegabytes)} without intake; completes ${whole(queued.completedPerSecond)}/s)`;
  const middle = late === undefined ? "" : ` (${late.length} delays, p50 ${percentile(late, 0.5)})`;
  const pages = lists === undefined ? "" : ` (${lists.length} requests)`;
  return [
    ...lines,
    goal(`rate with ${whole(stored)} stored / empty${change(rates)}`, summary.ratioStored, 2, "≥ 0.85"),
    goal(`list page p99 with ${whole(stored)} stored, ms${pages}`, summary.listP99Milliseconds, 2, "≤ 5"),
    goal(`start with ${whole(stored)} queued, ms`, summary.startMilliseconds, 0, "≤ 1000"),
    goal(`resident with ${whole(stored)} queued, MB${working}`, summary.rssMegabytes, 0, "≤ 250"),
    goal(`FIFO rate with ${whole(held)} held / none${change(fifo)}`, summary.ratioFifoHeld, 2, "≥ 0.85"),
    goal(`delay error p99, ms${middle}`, summary.delayErrorP99Milliseconds, 0, "≤ 100"),
  ];
}

function machine(generator: LoadGenerator, pace: Pace, root: string): string {
  const [cpu] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8")) as {
    version: string;
  };
  return [
    `${new Date().toISOString().slice(0, 16)}Z, Cauce ${version}: ${cpu?.model ?? "unknown processor"}, ${cpus().length} cores,`,
    `${gigabytes} GiB, ${platform()} ${release()} ${arch()}, Node ${process.version};`,
    `${generator.name}, ${connections} connections, medians of ${pace.rounds} rounds of ${pace.seconds} s, data in ${root}.`,
  ].join(" ");
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Renders a Markdown table, padded so that its source is readable. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? "", width, column > 0)).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column > 0 ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  return [line(header), rule, ...rows.map(line)].join("\n");
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width);
}
