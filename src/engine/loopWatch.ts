import type { Clock } from "../core/clock.ts";

const everyMilliseconds = 250;
/** From this time on every block of the event loop is told. */
export const blockMilliseconds = 1_000;
// A block begins up to one turn of the timer before the timer is due, and the timer is late by that much less.
const lateMilliseconds = blockMilliseconds - everyMilliseconds;

/** How many handlers of one status run. */
export interface Activity {
  readonly status: string;
  running: number;
  /** When a handler of the status last ended, by `clock.monotonic()`. */
  endedAt: number;
}

export type LoopWatch = ReturnType<typeof createLoopWatch>;

/**
 * Notices that the event loop stood still while handlers ran: its timer is late then. The timer runs only while handlers
 * do, so an idle process has none.
 */
export function createLoopWatch(clock: Clock, onBlock: (statuses: readonly string[], milliseconds: number) => void) {
  const activities: Activity[] = [];
  let cancel: (() => void) | undefined;
  /** Blocks since the timer was set that are told already. */
  let toldMilliseconds = 0;

  const arm = (): void => {
    const dueAt = clock.monotonic() + everyMilliseconds;
    toldMilliseconds = 0;
    cancel = clock.after(everyMilliseconds, () => {
      cancel = undefined;
      const milliseconds = Math.round(clock.monotonic() - dueAt - toldMilliseconds);
      if (milliseconds >= lateMilliseconds) {
        // A handler that blocked and then ended did so after the timer was due.
        const busy = activities.filter(({ running, endedAt }) => running > 0 || endedAt > dueAt);
        if (busy.length > 0)
          onBlock(
            busy.map(({ status }) => status),
            milliseconds,
          );
      }
      if (activities.some(({ running }) => running > 0)) arm();
    });
  };

  return {
    add(status: string): Activity {
      const activity = { status, running: 0, endedAt: Number.NEGATIVE_INFINITY };
      activities.push(activity);
      return activity;
    },
    /** A handler of the status goes on beyond its call. */
    begin(activity: Activity): void {
      activity.running++;
      if (cancel === undefined) arm();
    },
    end(activity: Activity): void {
      activity.running--;
      activity.endedAt = clock.monotonic();
    },
    /** A block that was told with its order, so that the timer tells only of what goes beyond it. */
    told(milliseconds: number): void {
      toldMilliseconds += milliseconds;
    },
    close(): void {
      cancel?.();
      cancel = undefined;
    },
  };
}
