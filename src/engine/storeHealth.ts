import type { Backend, Delivery, Placed, Removal } from "../backend/port.ts";
import { type Clock, sleep } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";
import { textOf } from "./log.ts";
import type { StatusContext } from "./runHandler.ts";

/** Whether the store takes writes, as far as the last ones have shown. */
interface StoreHealth {
  /** The same backend. Each of its writes shows whether the store takes writes. */
  readonly healthChecked: Backend;
  /**
   * Resolves to false from the first write that the store refused until one succeeds. Meanwhile it writes a probe, at
   * most once a second: a server that gets no orders since it said no would else never learn that it may say yes. With
   * `probes` false it writes none, and goes by the other writes alone. Never rejects.
   */
  takesWrites(how?: { readonly probes: boolean }): Promise<boolean>;
}

const probeEveryMilliseconds = 1_000;
const faults = new Set<ErrorCode>(["store_full", "store_unavailable", "store_unreadable", "store_corrupt"]);

export function createStoreHealth(backend: Backend, clock: Clock): StoreHealth {
  let faulty = false;
  let probing: Promise<void> | undefined;
  let probedAt = Number.NEGATIVE_INFINITY;

  const probe = async (): Promise<void> => {
    try {
      await backend.keep({ is: "probe" });
      faulty = false;
    } catch {
      // The store is as faulty as before.
    } finally {
      probedAt = clock.monotonic();
      probing = undefined;
    }
  };

  // One function for all writes, since every order makes two. An error that is not the store's says nothing of the
  // store.
  const refused = (error: unknown): never => {
    if (error instanceof CauceError && faults.has(error.code)) faulty = true;
    throw error;
  };
  // A repeated placing and a stale change write nothing, so they do not show that the store takes writes.
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
      // Not `settle` and `sweep`: they write to queues, which may be another service than the store.
      keep: (note) => backend.keep(note).then(kept, refused),
      remove: (which) => backend.remove(which).then(removed, refused),
    },
    async takesWrites({ probes } = { probes: true }) {
      if (!faulty || !probes) return !faulty;
      if (clock.monotonic() - probedAt >= probeEveryMilliseconds) probing ??= probe();
      await probing;
      return !faulty;
    },
  };
}

const retrySeconds = 1;

/**
 * Commits a handler's outcome that the store refused with `error`. Tries each second while the store is full or away:
 * the handler has run already. Resolves to undefined where the store never took the change. Then the delivery comes
 * back.
 */
export async function commitAgain(
  { backend, clock, log, stopping, commitRetrySeconds }: StatusContext,
  change: Change,
  delivery: Delivery,
  error: unknown,
): Promise<"committed" | "stale" | undefined> {
  const until = clock.monotonic() + commitRetrySeconds * 1_000;
  for (let refusal = error, tries = 0; ; tries++) {
    if (!isPassing(refusal) || stopping.aborted || clock.monotonic() >= until) {
      log.error({ orderId: change.before.id, error: textOf(refusal) }, "change not committed; the delivery comes back");
      return undefined;
    }
    if (tries === 0) {
      log.warn({ orderId: change.before.id, code: refusal.code }, "the store takes no writes; trying again");
    }
    await sleep(clock, retrySeconds, stopping);
    try {
      return await backend.commit(change, delivery);
    } catch (next) {
      refusal = next;
    }
  }
}

/** Whether the store may take the same write later, since it is full or away. */
function isPassing(error: unknown): error is CauceError {
  return error instanceof CauceError && (error.code === "store_full" || error.code === "store_unavailable");
}
