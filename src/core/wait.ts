import { type Clock, sleep } from "./clock.ts";

const firstTellSeconds = 1;
const nextTellSeconds = 5;

/** Calls `tell` when a wait has lasted a second, and every five seconds from then on, until `signal` aborts. */
export async function tellWhile(clock: Clock, signal: AbortSignal, tell: () => void): Promise<void> {
  for (let seconds = firstTellSeconds; ; seconds = nextTellSeconds) {
    await sleep(clock, seconds, signal);
    if (signal.aborted) return;
    tell();
  }
}

interface Bounds {
  readonly clock: Clock;
  readonly seconds: number;
  /** Ends the wait when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Says what is waited for, again and again. */
  readonly tell: () => void;
}

/** Resolves as `work` does; or to `late` after `seconds`, or when `signal` aborts. Then the work goes on by itself. */
export async function within<T>(work: Promise<T>, { clock, seconds, signal, tell }: Bounds): Promise<T | typeof late> {
  const ended = new AbortController();
  const over = signal === undefined ? ended.signal : AbortSignal.any([ended.signal, signal]);
  void tellWhile(clock, over, tell);
  try {
    return await Promise.race([work, sleep(clock, seconds, over).then((): typeof late => late)]);
  } finally {
    ended.abort();
  }
}

export const late = Symbol("late");
