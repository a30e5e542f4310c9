import type { Clock } from "../../core/clock.ts";

/** The machine's clock, where nothing but the standard timers is there. A pending call keeps a process alive. */
export function standardClock(): Clock {
  return {
    now: Date.now,
    at(atMilliseconds, callback) {
      // setTimeout overflows at 2^31 ms (24.8 days) and fires at once.
      const left = Math.min(Math.max(0, atMilliseconds - Date.now()), 2 ** 31 - 1);
      const timer = setTimeout(callback, left);
      return () => clearTimeout(timer);
    },
  };
}

/** Resolves after `seconds`; rejects with the signal's reason as soon as it aborts. */
export function pause(clock: Clock, seconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.at(clock.now() + seconds * 1_000, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export interface Deadline {
  /** Aborts when the time is over, or with the caller's own signal. */
  readonly signal: AbortSignal;
  /** The time is over, and the caller did not abort before. */
  readonly passed: boolean;
  /** Ends it without aborting. */
  clear(): void;
}

/** A limit of `seconds` from now. */
export function deadline(clock: Clock, seconds: number, signal: AbortSignal | undefined): Deadline {
  const own = new AbortController();
  const clear = clock.at(clock.now() + seconds * 1_000, () => own.abort());
  return {
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
    get passed() {
      return own.signal.aborted && signal?.aborted !== true;
    },
    clear,
  };
}
