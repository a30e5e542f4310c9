import type { Backend } from "../../backend/port.ts";
import type { Clock } from "../../core/clock.ts";
import type { Outcome } from "../../core/decide.ts";
import type { Log } from "../../core/handlers.ts";
import type { StoredOrder } from "../../core/order.ts";

export interface SweepOptions {
  readonly backend: Pick<Backend, "sweep" | "limits">;
  readonly clock: Clock;
  readonly log: Log;
  /** Decides and commits; a change that another made first is no fault. */
  readonly apply: (order: StoredOrder, outcome: Outcome) => Promise<void>;
}

export interface Sweep {
  /** Resolves when everything that is overdue now has been moved or queued; from then on it wakes by itself. */
  start(): Promise<void>;
  /** An order waits until then: wake no later, started or not, since another thread's engine may be the one that starts. */
  notice(expiresAt: number): void;
  /** Looks through what is overdue once, and resolves to how many orders it moved or queued. Rejects as the backend does. */
  once(goOn: () => boolean): Promise<number>;
  /** Resolves when nothing is under way. It can be started again. */
  stop(): Promise<void>;
}

const pageSize = 200;
const pauseAfterErrorSeconds = 5;

/** Moves expired waits on, and lets the backend queue lost deliveries again. Sleeps until the backend says that the next is due. */
export function createSweep({ backend, clock, log, apply }: SweepOptions): Sweep {
  let wakeAt = Number.POSITIVE_INFINITY;
  let cancel: (() => void) | undefined;
  let running: Promise<void> | undefined;
  /** The time of an order came after this sweep may have passed it by. */
  let again = false;
  let active = true;

  const notice = (at: number) => {
    if (!active || at >= wakeAt) return;
    cancel?.();
    wakeAt = at;
    cancel = clock.at(at, () => {
      cancel = undefined;
      wakeAt = Number.POSITIVE_INFINITY;
      void run();
    });
  };

  const once = async (goOn: () => boolean): Promise<number> => {
    let swept = 0;
    let cursor: string | undefined;
    const errors: unknown[] = [];
    do {
      const { expired, redelivered, failed, nextCursor, nextAt } = await backend.sweep({ limit: pageSize, cursor });
      swept += redelivered;
      errors.push(...failed);
      if (!goOn()) break;
      // One that cannot be moved must not keep those behind it waiting.
      const moves = expired.map((order) => apply(order, { kind: "expired" }));
      for (const moved of await Promise.allSettled(moves)) {
        if (moved.status === "fulfilled") swept++;
        else errors.push(moved.reason);
      }
      if (nextAt !== null) notice(nextAt);
      cursor = nextCursor ?? undefined;
    } while (cursor !== undefined && goOn());
    if (errors.length > 0) throw errors[0];
    return swept;
  };

  const sweepOnce = async () => {
    await once(() => active);
    const { sweepSeconds } = backend.limits;
    if (sweepSeconds !== Number.POSITIVE_INFINITY) notice(clock.now() + sweepSeconds * 1_000);
  };

  const sweep = async () => {
    do {
      again = false;
      try {
        await sweepOnce();
      } catch (error) {
        log.error({ error: String(error) }, "sweep failed");
        notice(clock.now() + pauseAfterErrorSeconds * 1_000);
      }
    } while (again && active);
    // In the same turn as the look at `again`: who asks from now on begins a sweep of his own.
    running = undefined;
  };

  const run = (): Promise<void> => {
    if (running !== undefined) {
      again = true;
      return running;
    }
    running = sweep();
    return running;
  };

  return {
    start() {
      active = true;
      return run();
    },
    notice,
    once,
    async stop() {
      active = false;
      cancel?.();
      cancel = undefined;
      wakeAt = Number.POSITIVE_INFINITY;
      await running;
    },
  };
}
