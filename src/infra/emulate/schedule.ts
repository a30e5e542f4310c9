import type { Clock } from "../../core/clock.ts";

/** Calls `invoke` every `everySeconds`, whether or not the call before has ended; the returned function ends it. */
export function startSchedule(clock: Clock, everySeconds: number, invoke: () => void): () => void {
  let cancel = () => {};
  const arm = (at: number): void => {
    cancel = clock.at(at, () => {
      invoke();
      arm(at + everySeconds * 1_000);
    });
  };
  arm(clock.now() + everySeconds * 1_000);
  return () => cancel();
}
