import type { Clock } from "../core/clock.ts";

export interface Deadline {
  readonly at: number;
  expire(): void;
}

export interface Deadlines {
  add(deadline: Deadline): void;
  remove(deadline: Deadline): void;
  close(): void;
}

/**
 * Deadlines that all lie equally far ahead, so that the oldest is always the next: one timer serves any number of
 * running attempts, and an attempt that ends in time costs a set's add and delete and no timer.
 */
export function createDeadlines(clock: Clock): Deadlines {
  const running = new Set<Deadline>();
  let cancel: (() => void) | undefined;

  const arm = (at: number) => {
    cancel = clock.at(at, () => {
      cancel = undefined;
      const now = clock.now();
      for (const deadline of running) {
        if (deadline.at > now) {
          arm(deadline.at);
          return;
        }
        running.delete(deadline);
        deadline.expire();
      }
    });
  };

  return {
    add(deadline) {
      running.add(deadline);
      if (cancel === undefined) arm(deadline.at);
    },
    remove(deadline) {
      running.delete(deadline);
    },
    close() {
      cancel?.();
      cancel = undefined;
      running.clear();
    },
  };
}
