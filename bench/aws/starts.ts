import { median } from "../lib/statistics.ts";

/** What one start of a function took. */
export interface Start {
  readonly milliseconds: number;
  /** What the process itself took of it: where others use the machine too, the steadier of the two. */
  readonly processorMilliseconds: number;
}

const ratioMost = 1.25;
const moreMost = 0.02;

/** How many times as much as the clients alone: the median over turns, since a machine that is slow is slow for both. */
export function ratioOf(starts: readonly Start[], clients: readonly Start[], part: keyof Start): number {
  const ratios = starts.map((start, turn) => start[part] / (clients[turn]?.[part] ?? Number.NaN));
  return Number(median(ratios).toFixed(3));
}

/** What is wrong with the request function's ratio of processor time, beside that of another checkout where there is one. */
export function startFault(ratio: number, against?: number): string | undefined {
  if (!(ratio <= ratioMost)) {
    return `the request function takes ${ratio} times the processor time of the clients alone to start; the bound is ${ratioMost}`;
  }
  // Rounded, since 1.22 less 1.2 is a little more than 0.02.
  if (against !== undefined && !(Number((ratio - against).toFixed(3)) <= moreMost)) {
    return `the request function takes ${ratio} times the processor time of the clients alone to start, ${against} times in the other checkout; at most ${moreMost} more is allowed`;
  }
  return undefined;
}
