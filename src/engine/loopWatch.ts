import type { Clock } from "../core/clock.ts";

const everyMilliseconds = 1_000;
/** A shorter block of the event loop is not told. */
export const blockMilliseconds = 1_000;

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
      if (milliseconds >= blockMilliseconds) {
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
