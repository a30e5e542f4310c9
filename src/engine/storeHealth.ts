import type { Backend, Delivery, Placed, Removal } from "../backend/port.ts";
import { type Clock, sleep } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";
import { textOf } from "./log.ts";
import type { StatusContext } from "./runHandler.ts";

/** Whether the store takes writes, as far as the last ones have shown. */
export interface StoreHealth {
  /** The same backend, each write of which shows whether the store takes writes. */
  readonly healthChecked: Backend;
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

export function createStoreHealth(backend: Backend, clock: Clock): StoreHealth {
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
    healthChecked: {
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

const retrySeconds = 1;

/**
 * Commits what came of a handler, which must not be lost to a store that is full for a while. Resolves to undefined when
 * the store never took it: the delivery comes back.
 */
export async function commitWithRetry(
  { backend, clock, log, stopping, commitPatienceSeconds }: StatusContext,
  change: Change,
  delivery: Delivery,
): Promise<"committed" | "stale" | undefined> {
  const until = clock.now() + commitPatienceSeconds * 1_000;
  for (let tries = 0; ; tries++) {
    try {
      return await backend.commit(change, delivery);
    } catch (error) {
      if (!isPassing(error) || stopping.aborted || clock.now() >= until) {
        log.error({ orderId: change.before.id, error: textOf(error) }, "change not committed; the delivery comes back");
        return undefined;
      }
      if (tries === 0) {
        log.warn({ orderId: change.before.id, code: error.code }, "the store takes no writes; trying again");
      }
      await sleep(clock, retrySeconds, stopping);
    }
  }
}

/** A store that is full or away for a while, and may take the same again. */
function isPassing(error: unknown): error is CauceError {
  return error instanceof CauceError && (error.code === "store_full" || error.code === "store_unavailable");
}
