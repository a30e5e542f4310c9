/** The time. Every part is given its clock, so that a test can move the time of all of them. */
export interface Clock {
  /** Milliseconds since 1970 in UTC. */
  now(): number;
  /** Calls back once at `atMilliseconds` or soon after, however far ahead. The returned function cancels. */
  at(atMilliseconds: number, callback: () => void): () => void;
}

/** A number in [0, 1), injected for jitter. */
export type Random = () => number;

// `setTimeout` overflows at 2^31 ms (24.8 days) and fires at once. A shorter limit lets a machine that slept notice
// soon.
const timerMillisecondsMax = 3_600_000;

/** Gives the machine's clock. Its timers sleep at most an hour at a time and do not keep the process alive. */
export function systemClock(): Clock {
  return {
    now: Date.now,
    at(atMilliseconds, callback) {
      let timer: NodeJS.Timeout;
      const arm = () => {
        const left = Math.max(0, atMilliseconds - Date.now());
        timer = setTimeout(check, Math.min(left, timerMillisecondsMax));
        timer.unref();
      };
      // A timer counts elapsed time. The calendar may have been set back meanwhile.
      const check = () => (Date.now() < atMilliseconds ? arm() : callback());
      arm();
      return () => clearTimeout(timer);
    },
  };
}

/** Resolves after `seconds`, or as soon as `signal` aborts. */
export function sleep(clock: Clock, seconds: number, signal: AbortSignal): Promise<void> {
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
