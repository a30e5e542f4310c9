import type { Clock } from "../core/clock.ts";

/** Something that must have ended at a time. */
export interface Deadline {
  readonly at: number;
  expire(): void;
  /** Its neighbours while it runs; undefined before and after. */
  earlier: Deadline | undefined;
  later: Deadline | undefined;
}

export interface Deadlines {
  add(deadline: Deadline): void;
  /** Harmless for one that does not run. */
  remove(deadline: Deadline): void;
  close(): void;
}

/**
 * Deadlines that all lie equally far ahead, so that the oldest is always the next: one timer serves any number of
 * running attempts, and an attempt that ends in time costs four assignments and no timer.
 *
 * A list whose ends are one node, and not a `Set`: the tables that a set leaves behind each time that its entries have
 * been replaced keep dead attempts alive until a full collection.
 */
export function createDeadlines(clock: Clock): Deadlines {
  const ends: Deadline = { at: Number.POSITIVE_INFINITY, expire() {}, earlier: undefined, later: undefined };
  ends.earlier = ends.later = ends;
  let cancel: (() => void) | undefined;

  const remove = (deadline: Deadline) => {
    const { earlier, later } = deadline;
    if (earlier === undefined || later === undefined) return;
    earlier.later = later;
    later.earlier = earlier;
    // Whoever still holds the one must not hold its neighbours.
    deadline.earlier = deadline.later = undefined;
  };

  const arm = (at: number) => {
    cancel = clock.at(at, () => {
      cancel = undefined;
      const now = clock.now();
      for (;;) {
        const next = ends.later as Deadline;
        if (next === ends) return;
        if (next.at > now) {
          arm(next.at);
          return;
        }
        remove(next);
        next.expire();
      }
    });
  };

  return {
    add(deadline) {
      const last = ends.earlier as Deadline;
      deadline.earlier = last;
      deadline.later = ends;
      last.later = deadline;
      ends.earlier = deadline;
      if (cancel === undefined) arm(deadline.at);
    },
    remove,
    close() {
      cancel?.();
      cancel = undefined;
      while (ends.later !== ends) remove(ends.later as Deadline);
    },
  };
}
