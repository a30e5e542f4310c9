import type { Depth } from "../../backend/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { EndedAttempt, Observer } from "../context.ts";

type AttemptOutcome = EndedAttempt["outcome"];

/** The counts of one status over a time. */
interface StatusCounts {
  /** Orders that entered the status: placed or moved. */
  entered: number;
  /** Orders that left the status. */
  left: number;
  attempts: Record<AttemptOutcome, number>;
  /** How long the orders that left the status stood in it. */
  time: Histogram;
}

/** The counts of one status since the start. */
interface StatusTotals extends StatusCounts {
  /** Orders that stand in the status now. */
  depth: number;
  /** Transitions from here, by the status that they lead to. */
  readonly to: Map<string, number>;
}

/** The counts of one status in one minute. `depth`: the orders that stood in it at the end of the minute. */
interface StatusMinute extends Readonly<Pick<StatusTotals, "entered" | "left" | "depth">> {
  readonly status: string;
  /** How long the orders that left the status stood in it; null where none left it. */
  readonly timeInStatusP50Seconds: number | null;
  readonly timeInStatusP99Seconds: number | null;
}

export interface Minute {
  /** When the minute began, in milliseconds since 1970. */
  readonly at: number;
  readonly placed: number;
  readonly finished: number;
  readonly attempts: Readonly<Record<AttemptOutcome, number>>;
  readonly statuses: readonly StatusMinute[];
}

/** Counts what one workflow does, for metrics and statistics. */
export interface Meter extends Observer {
  readonly totals: {
    placed: number;
    finished: number;
    /** Orders that an operator or the retention removed. */
    removed: number;
    readonly statuses: ReadonlyMap<string, StatusTotals>;
  };
  /** The last `count` minutes, the current one last. Fewer where the meter is younger. */
  minutes(count: number): Minute[];
}

export const minutesMax = 1_440;
const minuteMilliseconds = 60_000;

/** The counts of one status in the minute that runs, and since the start. */
interface Current extends StatusCounts {
  readonly totals: StatusTotals;
}

/**
 * Makes one set of counters, which `/metrics` and `/stats` both read. No timer runs: the first event after a minute
 * ends it, or a call of `minutes` does, and minutes without an event are added then. Of a minute that has ended only
 * its numbers are kept.
 */
export function createMeter({ clock, depths }: { clock: Clock; depths: readonly Depth[] }): Meter {
  const statuses = new Map<string, StatusTotals>();
  const current = new Map<string, Current>();
  const totals: Meter["totals"] = { placed: 0, finished: 0, removed: 0, statuses };
  const past: Minute[] = [];
  const minute = { at: minuteOf(clock.now()), placed: 0, finished: 0 };

  const statusOf = (status: string): Current => {
    let found = current.get(status);
    if (found === undefined) {
      found = { ...noCounts(), totals: { ...noCounts(), depth: 0, to: new Map() } };
      current.set(status, found);
      statuses.set(status, found.totals);
    }
    return found;
  };
  for (const { status, waiting, inFlight, delayed, failed } of depths) {
    statusOf(status).totals.depth += waiting + inFlight + delayed + failed;
  }

  /** Ends the minutes that are over at `now`. */
  const roll = (now: number): void => {
    // Where the time of day was set back, a new minute begins: the one that ran would else last until then.
    if (now < minute.at + minuteMilliseconds && now >= minute.at - minuteMilliseconds) return;
    past.push(summaryOf(minute, current));
    for (const each of current.values()) Object.assign(each, noCounts());
    const next = minuteOf(now);
    // Nothing happened in the minutes between, so each has the same depths.
    const idle = Math.min(minutesMax, (next - minute.at) / minuteMilliseconds - 1);
    Object.assign(minute, { placed: 0, finished: 0 });
    for (let n = idle; n > 0; n--) past.push(summaryOf({ ...minute, at: next - n * minuteMilliseconds }, current));
    minute.at = next;
    if (past.length > minutesMax) past.splice(0, past.length - minutesMax);
  };

  const enter = ({ status, kind }: StoredOrder): void => {
    const to = statusOf(status);
    to.entered++;
    to.totals.entered++;
    if (kind === "final") {
      minute.finished++;
      totals.finished++;
    } else to.totals.depth++;
  };

  return {
    totals,

    placed(order) {
      roll(order.createdAt);
      minute.placed++;
      totals.placed++;
      enter(order);
    },

    changed({ before, after }: Change, attempt: EndedAttempt | undefined) {
      roll(after.updatedAt);
      const from = statusOf(before.status);
      if (attempt !== undefined) {
        from.attempts[attempt.outcome]++;
        from.totals.attempts[attempt.outcome]++;
      }
      if (after.visit === before.visit) return;
      const milliseconds = after.entry.at - before.entry.at;
      from.left++;
      from.totals.left++;
      if (before.kind !== "final") from.totals.depth--;
      from.totals.to.set(after.status, (from.totals.to.get(after.status) ?? 0) + 1);
      observe(from.time, milliseconds);
      observe(from.totals.time, milliseconds);
      enter(after);
    },

    removed(count) {
      totals.removed += count;
    },

    minutes(count) {
      roll(clock.now());
      return [...past.slice(past.length - Math.min(past.length, count - 1)), summaryOf(minute, current)];
    },
  };
}

/** Sums up a minute. */
function summaryOf(
  { at, placed, finished }: Pick<Minute, "at" | "placed" | "finished">,
  current: ReadonlyMap<string, Current>,
): Minute {
  const attempts = noAttempts();
  const statuses = [...current].map(([status, { totals, entered, left, attempts: own, time }]): StatusMinute => {
    for (const outcome of outcomes) attempts[outcome] += own[outcome];
    return {
      status,
      entered,
      left,
      timeInStatusP50Seconds: seconds(quantile(time, 0.5)),
      timeInStatusP99Seconds: seconds(quantile(time, 0.99)),
      depth: totals.depth,
    };
  });
  return { at, placed, finished, attempts, statuses };
}

const outcomes = ["moved", "retried", "failed"] as const satisfies readonly AttemptOutcome[];
const noAttempts = (): Record<AttemptOutcome, number> => ({ moved: 0, retried: 0, failed: 0 });
const noCounts = (): StatusCounts => ({ entered: 0, left: 0, attempts: noAttempts(), time: createHistogram() });
const minuteOf = (milliseconds: number) => Math.floor(milliseconds / minuteMilliseconds) * minuteMilliseconds;
const seconds = (milliseconds: number | null) => (milliseconds === null ? null : milliseconds / 1_000);

/**
 * Counts of durations in milliseconds, in buckets that grow. Each power of two has four buckets, so a quantile is right
 * to 12 %, and every power of two is a bound. The last bucket ends at 33 days and takes longer durations too.
 */
export interface Histogram {
  readonly counts: Float64Array;
  sum: number;
  count: number;
}

const perDouble = 4;
const doubles = 32;
const buckets = perDouble * doubles;

export function createHistogram(): Histogram {
  return { counts: new Float64Array(buckets), sum: 0, count: 0 };
}

export function observe(histogram: Histogram, milliseconds: number): void {
  const value = Math.max(milliseconds, 0);
  const index = bucketOf(value);
  histogram.counts[index] = (histogram.counts[index] as number) + 1;
  histogram.sum += value;
  histogram.count++;
}

/** Gives the bucket of a duration: 0 for [0, 1), and from there four buckets for each power of two. */
function bucketOf(milliseconds: number): number {
  if (milliseconds < 1) return 0;
  const exponent = 31 - Math.clz32(Math.min(milliseconds, 0x7fffffff));
  const within = Math.floor((milliseconds / 2 ** exponent - 1) * perDouble);
  return Math.min(buckets - 1, 1 + exponent * perDouble + Math.min(perDouble - 1, within));
}

/** The upper bound of a bucket, in milliseconds. */
function boundOf(index: number): number {
  if (index === 0) return 1;
  const exponent = Math.floor((index - 1) / perDouble);
  return 2 ** exponent * (1 + (((index - 1) % perDouble) + 1) / perDouble);
}

/** Gives the bound below which a share of all durations lies, in milliseconds; null where there are none. */
export function quantile({ counts, count }: Pick<Histogram, "counts" | "count">, share: number): number | null {
  if (count === 0) return null;
  let left = Math.max(1, Math.ceil(count * share));
  for (const [index, n] of counts.entries()) {
    left -= n;
    if (left <= 0) return boundOf(index);
  }
  return boundOf(buckets - 1);
}

/** Counts the durations below each power of two, from 1 ms on. */
export function cumulative({ counts }: Histogram): { readonly underMilliseconds: number; readonly count: number }[] {
  const found = [];
  let count = counts[0] as number;
  found.push({ underMilliseconds: 1, count });
  for (let exponent = 0; exponent < doubles - 1; exponent++) {
    for (let within = 0; within < perDouble; within++) count += counts[1 + exponent * perDouble + within] ?? 0;
    found.push({ underMilliseconds: 2 ** (exponent + 1), count });
  }
  return found;
}
