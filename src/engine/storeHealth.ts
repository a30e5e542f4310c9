import type { Backend } from "../backend/backend.ts";
import type { Clock } from "../core/clock.ts";
import { CauceError, type ErrorCode } from "../core/errors.ts";

/** Whether the store takes writes, as far as the last ones have shown. */
export interface StoreHealth {
  /** A write succeeded. On the way of every order. */
  took(): void;
  /** A write was rejected; what says nothing of the store is left out of account. */
  refused(error: unknown): void;
  /** The same write; `refused` is told where it is rejected. */
  watch<T>(write: Promise<T>): Promise<T>;
  /**
   * False from the first write that was refused until one succeeds. Meanwhile it writes something itself, at most once
   * a second: whoever is asked to send no orders could not tell otherwise that they would be taken again. Never rejects.
   */
  takesWrites(): Promise<boolean>;
}

const probePauseMilliseconds = 1_000;
const faults: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "store_full",
  "store_unavailable",
  "store_unreadable",
  "store_corrupt",
]);

export function createStoreHealth({ backend, clock }: { backend: Pick<Backend, "probe">; clock: Clock }): StoreHealth {
  let faulty = false;
  let probing: Promise<void> | undefined;
  let probedAt = Number.NEGATIVE_INFINITY;

  const probe = async (): Promise<void> => {
    try {
      await backend.probe();
      faulty = false;
    } catch {
      // It is as faulty as before.
    } finally {
      probedAt = clock.now();
      probing = undefined;
    }
  };

  const refused = (error: unknown): void => {
    if (error instanceof CauceError && faults.has(error.code)) faulty = true;
  };

  return {
    took() {
      faulty = false;
    },
    refused,
    watch: (write) =>
      write.catch((error: unknown) => {
        refused(error);
        throw error;
      }),
    async takesWrites() {
      if (!faulty) return true;
      // A clock that is set back must not put the next probe off by as much.
      if (Math.abs(clock.now() - probedAt) >= probePauseMilliseconds) probing ??= probe();
      await probing;
      return !faulty;
    },
  };
}
