import type { Clock } from "../core/clock.ts";

/** A clock that a test moves. */
export interface FakeClock extends Clock {
  /** Moves time on by `seconds` (0 or more), in whole milliseconds. Callbacks on the way come in the order of time. */
  advance(seconds: number): void;
  /** How many callbacks are still to come: 0 once everything that uses the clock is closed. */
  readonly timers: number;
  /** When the next callback comes, in milliseconds since 1970; null when none is to come. */
  readonly nextAt: number | null;
}

interface Timer {
  readonly at: number;
  ring(): void;
}

/**
 * Makes a clock that stands still until `advance`. That call returns once every callback on the way has returned, also
 * a callback that another one set meanwhile. A callback for a time that has passed comes in the next turn of the event
 * loop, as on the machine's clock. Default start: 24 November 2026, 00:00 UTC.
 */
export function fakeClock(startMilliseconds: number = Date.UTC(2026, 10, 24)): FakeClock {
  let now = startMilliseconds;
  // In the order in which they were set. Of two timers for one time, the one that was set first rings first.
  const timers = new Set<Timer>();

  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) if (first === undefined || timer.at < first.at) first = timer;
    return first;
  };
  const ring = (timer: Timer): void => {
    if (timers.delete(timer)) timer.ring();
  };

  return {
    now: () => now,

    get timers() {
      return timers.size;
    },

    get nextAt() {
      return next()?.at ?? null;
    },

    at(atMilliseconds, callback) {
      const timer: Timer = { at: atMilliseconds, ring: callback };
      timers.add(timer);
      if (atMilliseconds <= now) setImmediate(ring, timer);
      return () => void timers.delete(timer);
    },

    advance(seconds) {
      if (!(seconds >= 0) || !Number.isFinite(seconds)) {
        throw new RangeError(`advance: seconds must be 0 or more, and is ${seconds}`);
      }
      const end = now + Math.round(seconds * 1_000);
      for (let timer = next(); timer !== undefined && timer.at <= end; timer = next()) {
        now = Math.max(now, timer.at);
        ring(timer);
      }
      now = Math.max(now, end);
    },
  };
}
