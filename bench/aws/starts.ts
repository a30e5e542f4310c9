import { median } from "../lib/statistics.ts";

/** What one start of a function took. */
export interface Start {
  readonly milliseconds: number;
  /** The processor time of the start. On a shared machine it is steadier than the time by the clock. */
  readonly processorMilliseconds: number;
}

const ratioMax = 1.25;
const differenceMax = 0.02;

/** The ratio to the clients alone, as the median over turns, since a slow machine is slow for both. */
export function ratioOf(starts: readonly Start[], clients: readonly Start[], part: keyof Start): number {
  const ratios = starts.map((start, turn) => start[part] / (clients[turn]?.[part] ?? Number.NaN));
  return Number(median(ratios).toFixed(3));
}

/**
 * Says what is wrong with the request function's ratio of processor time, also beside another checkout's ratio if
 * given.
 */
export function startFault(ratio: number, against?: number): string | undefined {
  if (!(ratio <= ratioMax)) {
    return `the request function takes ${ratio} times the processor time of the clients alone to start; the bound is ${ratioMax}`;
  }
  // Rounded, since 1.22 less 1.2 is a little more than 0.02.
  if (against !== undefined && !(Number((ratio - against).toFixed(3)) <= differenceMax)) {
    return `the request function takes ${ratio} times the processor time of the clients alone to start, ${against} times in the other checkout; at most ${differenceMax} more is allowed`;
  }
  return undefined;
}
