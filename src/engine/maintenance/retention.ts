import type { EngineContext } from "../context.ts";
import type { Chore } from "./maintenance.ts";

const dayMilliseconds = 86_400_000;
const everySeconds = 3_600;
// A step is one operation of a batch. Every call in that batch and in the next one waits for it: 200 orders take
// SQLite's writer about 10 ms. With the rest between two steps that is 6,000 orders a second, far more than a day's
// intake needs.
const ordersAtOnce = 200;
const restSeconds = 0.02;

/** Removes final orders whose last change is more than `days` ago: at once and then every hour. */
export function createRetention({ workflow, backend, clock, log, observer }: EngineContext, days: number): Chore {
  return {
    name: "retention",
    startWaits: false,
    failed: "old orders not removed; the next try is in an hour",
    retrySeconds: everySeconds,
    async run({ goOn, rest }) {
      const before = clock.now() - days * dayMilliseconds;
      let done = 0;
      try {
        let cursor: string | undefined;
        while (goOn()) {
          const removal = await backend.remove({ before, limit: ordersAtOnce, cursor });
          // Only a removal by id answers `not_final`.
          if (removal === "not_final") break;
          const { removed, nextCursor } = removal;
          done += removed;
          if (removed > 0) observer.removed(removed);
          if (nextCursor === null) break;
          cursor = nextCursor;
          await rest(restSeconds);
        }
      } finally {
        if (done > 0) log.info({ workflow: workflow.name, removed: done, retentionDays: days }, "old orders removed");
      }
      return { done, nextAt: null, againSeconds: everySeconds, errors: [] };
    },
  };
}
