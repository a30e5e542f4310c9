/** What a run must reach: each figure with its bound and its aim, as data, and the table that a run ends with. */

import { median } from "./statistics.ts";

/** A figure of the benchmark. */
export interface Bound {
  /** What the figure is, with its unit. */
  readonly figure: string;
  readonly how: string;
  /** A run whose value lies below ends with exit code 1. */
  readonly least?: number;
  /** A run whose value lies above ends with exit code 1. */
  readonly most?: number;
  /** Printed only. */
  readonly aim?: string;
  readonly digits: number;
}

export const bounds = {
  ratioAt256: {
    figure: "completed/s at 256 connections / best number of connections",
    how: "medians of the windows at 64, 256 and 1,024",
    least: 0.9,
    digits: 2,
  },
  ratioAt1024: {
    figure: "completed/s at 1,024 connections / best number of connections",
    how: "medians of the windows at 64, 256 and 1,024",
    least: 0.9,
    digits: 2,
  },
  unfinishedSeconds: {
    figure: "unfinished at the end of a window, seconds of intake",
    how: "the most of all windows",
    most: 1,
    digits: 2,
  },
  ratioToBase: {
    figure: "completed/s at 64 connections / the other checkout",
    how: "in turn",
    least: 1,
    aim: "≥ 1.15",
    digits: 2,
  },
  ratioToBullmq: { figure: "Cauce / BullMQ", how: "at 64 connections, in turn", least: 5, digits: 2 },
  ratioToBareFront: {
    figure: "Cauce / bare front",
    how: "at 64 connections, in turn",
    aim: "≥ 0.85",
    digits: 2,
  },
  idleRatioToBullmq: { figure: "idle p50, Cauce / BullMQ", how: "one order at a time", most: 0.35, digits: 2 },
  idleRatioToBase: {
    figure: "idle p50, Cauce / the other checkout",
    how: "one order at a time",
    aim: "≤ 1.05",
    digits: 2,
  },
  batchRatioToBase: {
    figure: "batch intake without keys / the other checkout",
    how: "on empty stores, the first status paused, in turn",
    least: 1.35,
    aim: "≥ 1.5",
    digits: 2,
  },
  keyedBatchRatioToBase: {
    figure: "batch intake with a key a line / the other checkout",
    how: "on empty stores, the first status paused, in turn",
    least: 2.3,
    aim: "≥ 2.8",
    digits: 2,
  },
  postProcessorRatioToBase: {
    figure: "processor time of an order / the other checkout",
    how: "POST at 64 connections, pairs of fresh servers in turn, µs",
    most: 1.02,
    digits: 3,
  },
  lineProcessorRatioToBase: {
    figure: "processor time of a batch's line / the other checkout",
    how: "no keys, the first status paused, pairs of fresh servers in turn, µs",
    most: 1.02,
    digits: 3,
  },
  batchPerSecond: { figure: "batch intake without keys, orders/s", how: "median", aim: "≥ 50000", digits: 0 },
  keyedBatchPerSecond: { figure: "batch intake with a key a line, orders/s", how: "median", digits: 0 },
  countingShare: {
    figure: "counting, share of an order's time at full load",
    how: "the observer by itself, beside the rate",
    most: 0.03,
    digits: 4,
  },
  ratioObserved: {
    figure: "rate with a log, a scrape a second and a reader of events / without",
    how: "in turn",
    digits: 2,
  },
  ratioStored: { figure: "rate with orders stored / empty", how: "in turn", least: 0.85, digits: 2 },
  ratioStoredMany: {
    figure: "rate with ten million stored or more / empty",
    how: "in turn",
    least: 0.95,
    digits: 2,
  },
  startMilliseconds: {
    figure: "start with orders stored, ms",
    how: "from spawning to the first 200 of /readyz, median",
    most: 1_000,
    digits: 0,
  },
  rssMegabytes: { figure: "resident with orders stored, MB", how: "the most seen at full load", most: 250, digits: 0 },
  listRatioToBase: {
    figure: "list page p99 with orders stored / the other checkout",
    how: "placings at half of the run's completed/s, in turn",
    most: 0.4,
    digits: 2,
  },
  listP99Milliseconds: {
    figure: "list page p99 with orders stored, ms",
    how: "placings at half of the run's completed/s",
    aim: "≤ 5",
    digits: 2,
  },
  queuedStartMilliseconds: {
    figure: "start with orders queued, ms",
    how: "from spawning to the first 200 of /readyz",
    most: 1_000,
    digits: 0,
  },
  queuedRssMegabytes: {
    figure: "resident with orders queued, MB",
    how: "the most seen at full load",
    most: 250,
    digits: 0,
  },
  ratioFifoHeld: { figure: "FIFO rate with a group held / none", how: "in turn", least: 0.85, digits: 2 },
  delayErrorP99Milliseconds: { figure: "delay error p99, ms", how: "delays of 0.1 to 2 s", most: 100, digits: 0 },
  freshAfterKillSeconds: {
    figure: "slowest fresh order after a SIGKILL, s",
    how: "handler of 300 ms",
    most: 3,
    digits: 2,
  },
  allAfterKillSeconds: {
    figure: "all orders final after a SIGKILL, s",
    how: "handler of 300 ms, from the next start on",
    most: 60,
    digits: 1,
  },
} as const satisfies Readonly<Record<string, Bound>>;

export type FigureName = keyof typeof bounds;

/** A figure of this run. Whatever was to be measured has one: NaN if the measurement gave no value. */
export interface Figure {
  readonly name: FigureName;
  readonly value: number;
  /** What belongs beside the figure, such as the two rates of a ratio. */
  readonly detail?: string;
}

/**
 * Compares what was measured in turns: the median of each turn's own ratio, since a machine that is slow for a while is
 * slow for both. The detail has the medians.
 */
export function ratio(name: FigureName, upper: readonly number[], lower: readonly number[], digits = 0): Figure {
  const value = median(upper.map((each, turn) => each / (lower[turn] ?? Number.NaN)));
  return { name, value, detail: `${shown(median(upper), digits)} / ${shown(median(lower), digits)}` };
}

export function shown(value: number, digits: number): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Tells whether a figure keeps its bound. NaN keeps none, and a figure without a bound keeps it always. */
export function holds({ name, value }: Figure): boolean {
  const { least, most }: Bound = bounds[name];
  if (least === undefined && most === undefined) return true;
  return value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY);
}

/** The rows of the table: the figure, its value, its bound, its aim, `ok` or `below`, and how it was measured. */
export function boundRows(figures: readonly Figure[]): string[][] {
  return figures.map((figure) => {
    const { figure: what, how, least, most, aim, digits }: Bound = bounds[figure.name];
    const bound = [least === undefined ? [] : `≥ ${least}`, most === undefined ? [] : `≤ ${most}`].flat().join(", ");
    const { value, detail } = figure;
    return [
      what,
      Number.isFinite(value) ? value.toFixed(digits) : "–",
      bound || "–",
      aim ?? "–",
      bound === "" ? "–" : holds(figure) ? "ok" : "below",
      detail === undefined ? how : `${how}; ${detail}`,
    ];
  });
}
