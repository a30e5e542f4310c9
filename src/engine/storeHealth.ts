import type { Backend, Delivery, Placed, Removal } from "../backend/port.ts";
import { type Clock, pause } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { textOf } from "./log.ts";

/** Whether the store takes writes, as far as the last ones have shown. */
export interface StoreHealth {
  /** The same backend, each write of which shows whether the store takes writes. */
  readonly backend: Backend;
  /**
   * False from the first write that was refused until one succeeds. Meanwhile it writes something itself, at most once
   * a second: a server that is sent no orders since it said no could not tell otherwise that it may say yes. Never
   * rejects. With `probes` false it goes by the other writes alone.
   */
  takesWrites(how?: { readonly probes: boolean }): Promise<boolean>;
}

const probePauseMilliseconds = 1_000;
const faults: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "store_full",
  "store_unavailable",
  "store_unreadable",
  "store_corrupt",
]);

export function createStoreHealth({ backend, clock }: { backend: Backend; clock: Clock }): StoreHealth {
  let faulty = false;
  let probing: Promise<void> | undefined;
  let probedAt = Number.NEGATIVE_INFINITY;

  const probe = async (): Promise<void> => {
    try {
      await backend.keep({ is: "probe" });
      faulty = false;
    } catch {
      // It is as faulty as before.
    } finally {
      probedAt = clock.now();
      probing = undefined;
    }
  };

  // One function for all writes, since two of them are on the way of every order. What rejects for another reason than
  // the store says nothing of it.
  const refused = (error: unknown): never => {
    if (error instanceof CauceError && faults.has(error.code)) faulty = true;
    throw error;
  };
  // Of a key that is known, and of a change that is stale, nothing was written.
  const placed = (result: Placed): Placed => {
    if (result.outcome === "placed") faulty = false;
    return result;
  };
  const committed = (result: "committed" | "stale"): "committed" | "stale" => {
    if (result === "committed") faulty = false;
    return result;
  };

  const kept = (): void => {
    faulty = false;
  };
  const removed = <T extends Removal | "not_final">(result: T): T => {
    if (result !== "not_final" && result.removed > 0) faulty = false;
    return result;
  };

  return {
    backend: {
      ...backend,
      place: (order) => backend.place(order).then(placed, refused),
      commit: (change, delivery) => backend.commit(change, delivery).then(committed, refused),
      // `settle` and `sweep` write to queues, which may be another service than the one that stores orders.
      keep: (note) => backend.keep(note).then(kept, refused),
      remove: (which) => backend.remove(which).then(removed, refused),
    },
    async takesWrites({ probes } = { probes: true }) {
      if (!faulty || !probes) return !faulty;
      // A clock that is set back must not put the next probe off by as much.
      if (Math.abs(clock.now() - probedAt) >= probePauseMilliseconds) probing ??= probe();
      await probing;
      return !faulty;
    },
  };
}

export interface PatienceOptions {
  readonly commit: Backend["commit"];
  readonly clock: Clock;
  readonly log: Log;
  /** How long to wait for a store that takes no writes. */
  readonly patienceSeconds: number;
  /** Aborted when the engine stops: then nothing waits any longer. */
  readonly ending: () => AbortSignal;
}

const pauseSeconds = 1;

/** Commits a change that the store has refused with `first`; undefined when it never took it. */
export type CommitAgain = (
  change: Change,
  delivery: Delivery,
  first: unknown,
) => Promise<"committed" | "stale" | undefined>;

/**
 * Commits what came of a handler, which must not be lost to a store that is full for a while. Resolves to undefined when
 * it never did: the delivery comes back.
 */
export function createPatience({ commit, clock, log, patienceSeconds, ending }: PatienceOptions): CommitAgain {
  return async (change, delivery, first) => {
    const until = clock.now() + patienceSeconds * 1_000;
    for (let error = first, tries = 0; ; tries++) {
      if (!isPassing(error) || ending().aborted || clock.now() >= until) {
        log.error({ orderId: change.before.id, error: textOf(error) }, "change not committed; the delivery comes back");
        return undefined;
      }
      if (tries === 0)
        log.warn({ orderId: change.before.id, code: error.code }, "the store takes no writes; trying again");
      await pause(clock, pauseSeconds, ending());
      try {
        return await commit(change, delivery);
      } catch (next) {
        error = next;
      }
    }
  };
}

/** A store that is full or away for a while, and may take the same again. */
function isPassing(error: unknown): error is CauceError {
  return error instanceof CauceError && (error.code === "store_full" || error.code === "store_unavailable");
}
