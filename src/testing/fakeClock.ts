import type { Clock } from "../core/clock.ts";

/** A clock that a test moves. */
export interface FakeClock extends Clock {
  /** Moves time on by `seconds` (0 or more), in whole milliseconds. Callbacks on the way come in the order of time. */
  advance(seconds: number): void;
  /**
   * Sets the time of day forward by `seconds`, or back where they are negative, in whole milliseconds. No time passes:
   * `monotonic` stays, and so does what `after` waits for.
   */
  step(seconds: number): void;
  /** How many callbacks are still to come: 0 once everything that uses the clock is closed. */
  readonly timers: number;
  /** When the next callback comes, in milliseconds since 1970; null when none is to come. */
  readonly nextAt: number | null;
}

interface Timer {
  /** When it rings, by `now` or by `monotonic`. */
  readonly time: number;
  readonly by: "now" | "monotonic";
  ring(): void;
}

/**
 * Makes a clock that stands still until `advance`. That call returns once every callback on the way has returned, also
 * a callback that another one set meanwhile. A callback for a time that has passed comes in the next turn of the event
 * loop, as on the machine's clock. Default start: 24 November 2026, 00:00 UTC.
 */
export function fakeClock(startMilliseconds: number = Date.UTC(2026, 10, 24)): FakeClock {
  let now = startMilliseconds;
  // `monotonic` begins at another number than `now`, so that a test sees where the two are mixed.
  let stepped = startMilliseconds - 5_000;
  // In the order in which they were set. Of two timers for one time, the one that was set first rings first.
  const timers = new Set<Timer>();

  /** When a timer rings, by `now`. */
  const atOf = ({ time, by }: Timer): number => (by === "now" ? time : time + stepped);
  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) if (first === undefined || atOf(timer) < atOf(first)) first = timer;
    return first;
  };
  const ring = (timer: Timer): void => {
    if (timers.delete(timer)) timer.ring();
  };
  const add = (timer: Timer): (() => void) => {
    timers.add(timer);
    if (atOf(timer) <= now) setImmediate(ring, timer);
    return () => void timers.delete(timer);
  };

  return {
    now: () => now,
    monotonic: () => now - stepped,

    get timers() {
      return timers.size;
    },

    get nextAt() {
      const timer = next();
      return timer === undefined ? null : atOf(timer);
    },

    at: (atMilliseconds, callback) => add({ time: atMilliseconds, by: "now", ring: callback }),
    // In whole milliseconds, rounded up, so that the sum and the difference of times are exact.
    after: (milliseconds, callback) =>
      add({ time: Math.ceil(now - stepped + milliseconds), by: "monotonic", ring: callback }),

    advance(seconds) {
      if (!(seconds >= 0) || !Number.isFinite(seconds)) {
        throw new RangeError(`advance: seconds must be 0 or more, and is ${seconds}`);
      }
      const end = now + Math.round(seconds * 1_000);
      for (let timer = next(); timer !== undefined && atOf(timer) <= end; timer = next()) {
        now = Math.max(now, atOf(timer));
        ring(timer);
      }
      now = Math.max(now, end);
    },

    step(seconds) {
      if (!Number.isFinite(seconds)) throw new RangeError(`step: seconds must be a number, and is ${seconds}`);
      const milliseconds = Math.round(seconds * 1_000);
      now += milliseconds;
      stepped += milliseconds;
      for (const timer of timers) if (timer.by === "now" && timer.time <= now) setImmediate(ring, timer);
    },
  };
}
