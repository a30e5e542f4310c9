/** Time, injected everywhere, so that tests move it and nothing reads the machine's clock behind their back. */
export interface Clock {
  /** Milliseconds since 1970 in UTC. */
  now(): number;
  /** Calls back once at `atMilliseconds` or soon after; the returned function cancels. Any distance in time is allowed. */
  at(atMilliseconds: number, callback: () => void): () => void;
}

/** A number in [0, 1), injected for jitter. */
export type Random = () => number;

// setTimeout overflows at 2^31 ms (24.8 days) and fires at once; and a machine that slept must notice soon.
const longestTimerMilliseconds = 3_600_000;

/** The machine's clock. Its timers sleep at most an hour at a time and do not keep the process alive. */
export function systemClock(): Clock {
  return {
    now: Date.now,
    at(atMilliseconds, callback) {
      let timer: NodeJS.Timeout;
      const arm = () => {
        const left = Math.max(0, atMilliseconds - Date.now());
        timer = setTimeout(check, Math.min(left, longestTimerMilliseconds));
        timer.unref();
      };
      // Timers run on a clock that knows nothing of the calendar: it may have been set back meanwhile.
      const check = () => (Date.now() < atMilliseconds ? arm() : callback());
      arm();
      return () => clearTimeout(timer);
    },
  };
}

/** Resolves after that many seconds, or as soon as `signal` aborts. */
export function pause(clock: Clock, seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.at(clock.now() + seconds * 1_000, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** An alarm that rings at the earliest of the times that it was set to, and forgets the later ones. */
export function createAlarm(clock: Clock, ring: () => void) {
  let at = Number.POSITIVE_INFINITY;
  let cancel: (() => void) | undefined;
  return {
    setAt(time: number): void {
      if (time >= at) return;
      cancel?.();
      at = time;
      cancel = clock.at(time, () => {
        at = Number.POSITIVE_INFINITY;
        ring();
      });
    },
    cancel(): void {
      cancel?.();
      at = Number.POSITIVE_INFINITY;
    },
  };
}
