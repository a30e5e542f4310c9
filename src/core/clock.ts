/** The time. Every part is given its clock, so that a test can move the time of all of them. */
export interface Clock {
  /** Milliseconds since 1970 in UTC: the time of day, which the machine may set back or forward. */
  now(): number;
  /** Milliseconds that have passed since some moment. They only grow, whatever happens to the time of day. */
  monotonic(): number;
  /** Calls back once when `now()` is at `atMilliseconds` or soon after, however far ahead. The function cancels. */
  at(atMilliseconds: number, callback: () => void): () => void;
  /** Calls back once after `milliseconds` have passed, however many. The returned function cancels. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** A number in [0, 1), injected for jitter. */
export type Random = () => number;

// `setTimeout` overflows at 2^31 ms (24.8 days) and fires at once. A shorter limit lets a machine that slept notice
// soon.
const timerMillisecondsMax = 3_600_000;

/** Gives the machine's clock. Its timers sleep at most an hour at a time and do not keep the process alive. */
export function systemClock(): Clock {
  const monotonic = () => performance.now();
  return {
    now: Date.now,
    monotonic,
    at: (atMilliseconds, callback) => timer(() => Date.now(), atMilliseconds, callback),
    after: (milliseconds, callback) => timer(monotonic, monotonic() + milliseconds, callback),
  };
}

/** Calls back once `time` says `until`. A timer counts the time that passes, and the time of day may be set meanwhile. */
function timer(time: () => number, until: number, callback: () => void): () => void {
  let timeout: NodeJS.Timeout;
  const arm = () => {
    timeout = setTimeout(check, Math.min(Math.max(0, until - time()), timerMillisecondsMax));
    timeout.unref();
  };
  const check = () => (time() < until ? arm() : callback());
  arm();
  return () => clearTimeout(timeout);
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
    const cancel = clock.after(seconds * 1_000, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Sets a timer for a time of `now()`, as `Clock.at` does, or for a time of `monotonic()`: see `atMonotonic`. */
export type SetTimer = Clock["at"];

/** Makes what calls back when `clock.monotonic()` is at a time or soon after. */
export function atMonotonic(clock: Clock): SetTimer {
  return (time, callback) => clock.after(time - clock.monotonic(), callback);
}

/** An alarm that rings at the earliest of the times that it was set to, and forgets the later ones. */
export function createAlarm(setTimer: SetTimer, ring: () => void) {
  let at = Number.POSITIVE_INFINITY;
  let cancel: (() => void) | undefined;
  return {
    setAt(time: number): void {
      if (time >= at) return;
      cancel?.();
      at = time;
      cancel = setTimer(time, () => {
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
