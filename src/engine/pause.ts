import type { Clock } from "../core/clock.ts";

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
