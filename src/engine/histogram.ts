/**
 * Counts of durations in milliseconds, in buckets that grow: four to each power of two, so a quantile is right to 12 %,
 * and a power of two is always a bound. 33 days are the last; longer ones count there.
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

/** The bucket of [0, 1) is 0; from there each power of two is cut into four. */
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

/** The bound under which a share of all durations lies, in milliseconds; null where there are none. */
export function quantile({ counts, count }: Pick<Histogram, "counts" | "count">, share: number): number | null {
  if (count === 0) return null;
  let left = Math.max(1, Math.ceil(count * share));
  for (const [index, n] of counts.entries()) {
    left -= n;
    if (left <= 0) return boundOf(index);
  }
  return boundOf(buckets - 1);
}

/** How many durations are under each power of two, from 1 ms on. */
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
