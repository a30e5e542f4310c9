import type { Delivery, LocatedBackend } from "../backend/port.ts";
import type { Clock, SetTimer } from "../core/clock.ts";
import { type AnyWorkflow, handledStatus, handledStatuses } from "../core/workflow.ts";
import type { FakeClock } from "./fakeClock.ts";

/** A delivery that a handler has: its lease. */
interface HandlerLease {
  readonly delivery: Delivery;
  /** The handler has taken longer than `patienceSeconds`: it waits for time to pass, or for ever. */
  isStuck: boolean;
  readonly timer: NodeJS.Timeout;
}

export interface AtRest {
  /** The backend for the engine. */
  readonly backend: LocatedBackend;
  /** The clock for the engine. */
  readonly clock: Clock;
  /** By the receipts of the deliveries. */
  readonly leases: ReadonlyMap<string, HandlerLease>;
  /** Resolves once nothing more happens without time passing. Rejects with the error of `end`. */
  rest(): Promise<void>;
  /**
   * Resolves once every delivery that was handed out is consumed, settled or stuck. Works while an engine stops, too.
   */
  handlersAtRest(): Promise<void>;
  /** Rejects every call of `rest` and `handlersAtRest` that waits, and all later ones. */
  end(error: Error): void;
}

/**
 * Tells when an engine over the memory backend is at rest. Every poll waits for a delivery, or all its handlers are
 * stuck. Every delivery that was handed out is consumed, settled or stuck. No callback of the clock is due. Each of
 * these changes with a call that passes through here, so nothing has to look again and again.
 */
export function createAtRest(
  workflow: AnyWorkflow,
  backend: LocatedBackend,
  clock: FakeClock,
  patienceSeconds: number,
): AtRest {
  const receiving = new Set<string>();
  const leases = new Map<string, HandlerLease>();
  const { look, until, end } = createWaits();

  const areHandlersAtRest = (): boolean => [...leases.values()].every(({ isStuck }) => isStuck);

  /** Every handler of a status is stuck, so that its poll receives nothing. */
  const isFull = (status: string): boolean => {
    const { concurrency = backend.limits.concurrency.default } = handledStatus(workflow, status);
    return [...leases.values()].filter(({ delivery }) => delivery.status === status).length >= concurrency;
  };

  const isAtRest = (): boolean =>
    (clock.nextAt === null || clock.nextAt > clock.now()) &&
    areHandlersAtRest() &&
    handledStatuses(workflow).every((status) => receiving.has(status) || isFull(status));

  const beginLease = (delivery: Delivery): void => {
    const timer = setTimeout(() => {
      each.isStuck = true;
      look();
    }, patienceSeconds * 1_000);
    const each: HandlerLease = { delivery, isStuck: false, timer };
    leases.set(delivery.receipt, each);
  };

  const endLease = ({ receipt }: Delivery): void => {
    clearTimeout(leases.get(receipt)?.timer);
    leases.delete(receipt);
    look();
  };

  /** Makes a timer look when it has rung or is cancelled. */
  const looking =
    (set: SetTimer): SetTimer =>
    (time, callback) => {
      const cancel = set(time, () => {
        callback();
        look();
      });
      return () => {
        cancel();
        look();
      };
    };

  return {
    leases,

    backend: {
      ...backend,
      async receive(options) {
        receiving.add(options.status);
        look();
        try {
          const deliveries = await backend.receive(options);
          deliveries.forEach(beginLease);
          return deliveries;
        } finally {
          receiving.delete(options.status);
        }
      },
      async commit(change, delivery) {
        const committed = await backend.commit(change, delivery);
        if (committed === "committed" && change.delivery !== "keep" && delivery !== undefined) endLease(delivery);
        return committed;
      },
      async settle(delivery, verdict) {
        await backend.settle(delivery, verdict);
        endLease(delivery);
      },
    },

    clock: {
      now: clock.now,
      monotonic: clock.monotonic,
      at: looking(clock.at),
      after: looking(clock.after),
    },

    rest: () => until(isAtRest),
    handlersAtRest: () => until(areHandlersAtRest),

    end(error) {
      for (const { delivery } of leases.values()) endLease(delivery);
      end(error);
    },
  };
}

/** Makes what calls wait for: conditions, which `look` checks when something may have come to rest. */
function createWaits() {
  const waiting = new Set<PromiseWithResolvers<void> & { isMet(): boolean }>();
  let looking = false;
  let ended: Error | undefined;

  /** Checks the conditions after this turn of the event loop, so that what the turn set off happens first. */
  const look = (): void => {
    if (looking || waiting.size === 0) return;
    looking = true;
    setImmediate(() => {
      looking = false;
      for (const each of waiting) {
        if (!each.isMet()) continue;
        waiting.delete(each);
        each.resolve();
      }
    });
  };

  return {
    look,
    until(isMet: () => boolean): Promise<void> {
      if (ended !== undefined) return Promise.reject(ended);
      const each = { ...Promise.withResolvers<void>(), isMet };
      waiting.add(each);
      look();
      return each.promise;
    },
    end(error: Error): void {
      ended = error;
      for (const each of waiting) each.reject(error);
      waiting.clear();
    },
  };
}
