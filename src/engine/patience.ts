import type { Clock } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { textOf } from "./log.ts";
import { pause } from "./pause.ts";

export interface PatienceOptions {
  readonly commit: (change: Change) => Promise<"committed" | "stale">;
  readonly clock: Clock;
  readonly log: Log;
  /** How long to wait for a store that takes no writes. */
  readonly patienceSeconds: number;
  /** Aborted when the engine stops: then nothing waits any longer. */
  readonly ending: () => AbortSignal;
}

const pauseSeconds = 1;

/** Commits a change that the store has refused with `first`; undefined when it never took it. */
export type CommitAgain = (change: Change, first: unknown) => Promise<"committed" | "stale" | undefined>;

/**
 * Commits what came of a handler, which must not be lost to a store that is full for a while. Resolves to undefined when
 * it never did: the delivery comes back.
 */
export function createPatience({ commit, clock, log, patienceSeconds, ending }: PatienceOptions): CommitAgain {
  return async (change, first) => {
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
        return await commit(change);
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
