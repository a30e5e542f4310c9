import type { Delivery, LocatedBackend } from "../backend/port.ts";
import type { Clock } from "../core/clock.ts";
import type { FakeClock } from "./fakeClock.ts";

/** A delivery that a handler has, and since when the test waits for it. */
export interface InHand {
  readonly delivery: Delivery;
  /** It has taken longer than the test's patience: it waits for time to pass, or for ever. */
  isStuck: boolean;
}

export interface AtRest {
  /** Around the backend that the engine gets. */
  readonly backend: LocatedBackend;
  /** Around the clock that the engine gets. */
  readonly clock: Clock;
  readonly inHand: ReadonlySet<InHand>;
  /** Resolves once nothing more happens unless time passes; rejects when `end` was called with an error. */
  rest(): Promise<void>;
  /** Resolves once every delivery that was handed out is consumed, settled or stuck; also of an engine that is stopping. */
  handsAtRest(): Promise<void>;
  /** Rejects every call of `rest` and `handsAtRest` that waits, and every later one. */
  end(error: Error): void;
}

export interface AtRestOptions {
  readonly backend: LocatedBackend;
  readonly clock: FakeClock;
  /** The handled statuses and how many handlers each may run at once: each has a poll that receives. */
  readonly concurrencies: ReadonlyMap<string, number>;
  readonly patienceSeconds: number;
}

/**
 * Tells when an engine over the memory backend has nothing to do: every poll waits for a delivery (or has all its
 * handlers stuck), every delivery that was handed out is consumed by a commit or settled (or stuck), and no callback of the clock is due. Each
 * of these ends with a call that passes through here, so nothing is asked twice and nothing sleeps.
 */
export function createAtRest({ backend, clock, concurrencies, patienceSeconds }: AtRestOptions): AtRest {
  const receiving = new Set<string>();
  const inHand = new Set<InHand>();
  const patiences = new Map<string, () => void>();
  const waiting = new Set<{ isMet(): boolean; resolve(): void; reject(error: Error): void }>();
  let looking = false;
  let ended: Error | undefined;

  const areHandsAtRest = (): boolean => [...inHand].every(({ isStuck }) => isStuck);

  const isAtRest = (): boolean => {
    if (clock.nextAt !== null && clock.nextAt <= clock.now()) return false;
    if (!areHandsAtRest()) return false;
    for (const [status, concurrency] of concurrencies) {
      if (receiving.has(status)) continue;
      const stuck = [...inHand].filter(({ delivery }) => delivery.status === status);
      if (stuck.length < concurrency) return false;
    }
    return true;
  };

  const until = (isMet: () => boolean): Promise<void> => {
    if (ended !== undefined) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      waiting.add({ isMet, resolve, reject });
      look();
    });
  };

  /** Something may have come to rest. What it set off in this turn of the event loop happens first. */
  const look = () => {
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

  const takeInHand = (delivery: Delivery): void => {
    const each: InHand = { delivery, isStuck: false };
    inHand.add(each);
    const timer = setTimeout(() => {
      each.isStuck = true;
      look();
    }, patienceSeconds * 1_000);
    patiences.set(delivery.receipt, () => {
      clearTimeout(timer);
      inHand.delete(each);
    });
  };

  const letGo = ({ receipt }: Delivery): void => {
    patiences.get(receipt)?.();
    patiences.delete(receipt);
    look();
  };

  return {
    inHand,

    backend: {
      ...backend,
      async receive(options) {
        receiving.add(options.status);
        look();
        try {
          const deliveries = await backend.receive(options);
          deliveries.forEach(takeInHand);
          return deliveries;
        } finally {
          receiving.delete(options.status);
        }
      },
      async commit(change, delivery) {
        const committed = await backend.commit(change, delivery);
        if (committed === "committed" && change.delivery !== "keep" && delivery !== undefined) letGo(delivery);
        return committed;
      },
      async settle(delivery, verdict) {
        await backend.settle(delivery, verdict);
        letGo(delivery);
      },
    },

    clock: {
      now: clock.now,
      at(atMilliseconds, callback) {
        const cancel = clock.at(atMilliseconds, () => {
          callback();
          look();
        });
        return () => {
          cancel();
          look();
        };
      },
    },

    rest: () => until(isAtRest),
    handsAtRest: () => until(areHandsAtRest),

    end(error) {
      ended = error;
      for (const end of patiences.values()) end();
      patiences.clear();
      for (const each of waiting) each.reject(error);
      waiting.clear();
    },
  };
}
