import type { Clock } from "../../core/clock.ts";

/** Timers that end together. */
export function createTimers(clock: Clock) {
  const pending = new Set<() => void>();
  let closed = false;

  const at = (atMilliseconds: number, callback: () => void): (() => void) => {
    if (closed) return () => {};
    const cancel = clock.at(atMilliseconds, () => {
      pending.delete(cancel);
      callback();
    });
    pending.add(cancel);
    return () => {
      pending.delete(cancel);
      cancel();
    };
  };

  return {
    at,
    after: (seconds: number, callback: () => void) => at(clock.now() + seconds * 1_000, callback),
    close() {
      closed = true;
      for (const cancel of pending) cancel();
      pending.clear();
    },
  };
}
