import type { Backend } from "../backend/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Outcome } from "../core/decide.ts";
import type { Log } from "../core/handlers.ts";
import type { StoredOrder } from "../core/order.ts";

export interface SweepOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Log;
  /** Decides and commits; a change that another made first is no fault. */
  readonly apply: (order: StoredOrder, outcome: Outcome) => Promise<void>;
}

export interface Sweep {
  /** Resolves when everything that is overdue now has been moved or queued. */
  run(): Promise<void>;
  /** An order waits until then: wake no later. */
  notice(expiresAt: number): void;
  stop(): Promise<void>;
}

const pageSize = 200;
const pauseAfterErrorSeconds = 5;

/** Moves expired waits on and queues lost deliveries again. Sleeps until the backend says that the next is due. */
export function createSweep({ backend, clock, log, apply }: SweepOptions): Sweep {
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancel: (() => void) | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;

  const notice = (at: number) => {
    if (stopped || at >= wakeAt) return;
    cancel?.();
    wakeAt = at;
    cancel = clock.at(at, () => {
      cancel = undefined;
      wakeAt = Number.POSITIVE_INFINITY;
      void run();
    });
  };

  const sweepOnce = async () => {
    let cursor: string | undefined;
    do {
      const page = await backend.overdue({ limit: pageSize, cursor });
      for (const order of page.orders) {
        if (stopped) return;
        if (order.kind === "waiting") await apply(order, { kind: "expired" });
        else await backend.redeliver(order);
      }
      if (page.nextAt !== null) notice(page.nextAt);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  };

  const run = (): Promise<void> => {
    running ??= sweepOnce()
      .catch((error) => {
        log.error({ error: String(error) }, "sweep failed");
        notice(clock.now() + pauseAfterErrorSeconds * 1_000);
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };

  return {
    run,
    notice,
    async stop() {
      stopped = true;
      cancel?.();
      await running;
    },
  };
}
