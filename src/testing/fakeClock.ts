import { heap } from "../backend/memory/queues.ts";
import type { Clock } from "../core/clock.ts";

/** A clock that a test moves. */
export interface FakeClock extends Clock {
  /** Moves time on by `seconds` (0 or more; counted in milliseconds), and calls back on the way, in the order of time. */
  advance(seconds: number): void;
  /** How many callbacks are still to come: 0 once everything that uses the clock is closed. */
  readonly timers: number;
  /** When the next callback comes, in milliseconds since 1970; null when none is to come. */
  readonly nextAt: number | null;
}

interface Timer {
  readonly at: number;
  /** Of two timers for one moment, the one that was set first rings first. */
  readonly number: number;
  ring(): void;
  isSet: boolean;
}

/**
 * A clock that stands still until `advance` is called, which returns once every callback on the way has; also those
 * set meanwhile, by other callbacks. A callback for a moment that has already passed comes by itself, in the next turn
 * of the event loop, as on the machine's clock. Default start: 24 November 2026, 00:00 UTC.
 */
export function fakeClock(startMilliseconds: number = Date.UTC(2026, 10, 24)): FakeClock {
  let now = startMilliseconds;
  let numbers = 0;
  let timersSet = 0;
  const timers = heap<Timer>((a, b) => a.at < b.at || (a.at === b.at && a.number < b.number));

  function unset(timer: Timer): boolean {
    if (!timer.isSet) return false;
    timer.isSet = false;
    timersSet--;
    return true;
  }

  return {
    now: () => now,

    get timers() {
      return timersSet;
    },

    get nextAt() {
      let next = timers.peek();
      while (next?.isSet === false) {
        timers.pop();
        next = timers.peek();
      }
      return next?.at ?? null;
    },

    at(atMilliseconds, callback) {
      const timer: Timer = { at: atMilliseconds, number: numbers++, ring: callback, isSet: true };
      timersSet++;
      timers.push(timer);
      if (atMilliseconds <= now) {
        setImmediate(() => {
          if (unset(timer)) timer.ring();
        });
      }
      return () => void unset(timer);
    },

    advance(seconds) {
      if (!(seconds >= 0) || !Number.isFinite(seconds)) {
        throw new RangeError(`advance: seconds must be 0 or more, and is ${seconds}`);
      }
      const end = now + Math.round(seconds * 1_000);
      for (let next = timers.peek(); next !== undefined && next.at <= end; next = timers.peek()) {
        timers.pop();
        if (!unset(next)) continue;
        now = Math.max(now, next.at);
        next.ring();
      }
      now = Math.max(now, end);
    },
  };
}
