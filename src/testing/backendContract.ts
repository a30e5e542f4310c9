import assert from "node:assert/strict";
import type { DeliveryMode, LocatedBackend } from "../backend/port.ts";
import { type Clock, type SetTimer, systemClock } from "../core/clock.ts";
import { laws } from "./contract/laws.ts";
import { type Case, createTrial, type Survives } from "./contract/trial.ts";
import { fakeClock } from "./fakeClock.ts";

export type { Survives } from "./contract/trial.ts";

/** A backend, opened on an empty store for one case. */
export interface OpenedBackend {
  readonly backend: LocatedBackend;
  /** Closes the backend and opens the same store. Needed where the store survives `closing`. */
  reopen?(): Promise<LocatedBackend>;
  /**
   * Drops the backend as SIGKILL would, with nothing flushed or answered, and opens the same store. A copy of the
   * store's files as they are at this moment, opened beside it, will do. Needed where the store survives `crashing`.
   */
  crash?(): Promise<LocatedBackend>;
  /** Closes what is still open, and deletes the store. Called once, after the case, also after a failed case. */
  remove(): Promise<void>;
}

export interface BackendUnderTest {
  /** Opens the backend on an empty store of its own, since cases may run at the same time. */
  open(options: { readonly clock: Clock; readonly delivery: DeliveryMode }): Promise<OpenedBackend>;
  /** What the store outlives. Cases that need more are left out. */
  readonly survives: Survives;
  /** `real` for a backend whose time cannot be moved: each case then waits a few seconds. Default `fake`. */
  readonly clock?: "fake" | "real" | undefined;
  /**
   * How many seconds of real time a case waits for what should be there before it fails. Default: 5 with a fake clock,
   * else 15 and the backend's `timingSeconds`.
   */
  readonly patienceSeconds?: number | undefined;
}

export interface ContractCase {
  /** Which of the twelve laws it proves. */
  readonly law: number;
  readonly name: string;
  /** Rejects with an `AssertionError` when the backend breaks the law. */
  run(): Promise<void>;
}

/** Gives the cases of the twelve laws for one backend and one delivery mode, for any test runner. */
export function backendContract(options: BackendUnderTest & { readonly delivery: DeliveryMode }): ContractCase[] {
  return laws.flatMap((cases, index) =>
    cases
      .filter((each) => each.only === undefined || each.only === options.delivery)
      .filter((each) => strength(options.survives) >= strength(each.needs ?? "nothing"))
      .map((each) => ({ law: index + 1, name: each.name, run: () => runCase(each, options) })),
  );
}

/**
 * Registers every case of both delivery modes with a test runner, one line for each backend:
 *
 * ```ts
 * describeBackend(test, "memory", { open, survives: "nothing" });
 * ```
 */
export function describeBackend(
  test: (name: string, run: () => Promise<void>) => unknown,
  name: string,
  options: BackendUnderTest,
): void {
  for (const delivery of ["standard", "fifo"] as const) {
    for (const each of backendContract({ ...options, delivery })) {
      test(`${name} · ${delivery} · law ${each.law}: ${each.name}`, each.run);
    }
  }
}

function strength(survives: Survives): number {
  return ["nothing", "closing", "crashing"].indexOf(survives);
}

async function runCase(each: Case, options: BackendUnderTest & { readonly delivery: DeliveryMode }): Promise<void> {
  const fake = options.clock === "real" ? undefined : fakeClock();
  const clock = countingTimers(fake ?? systemClock());
  // Keeps the process alive: the machine's clock does not, and a case may only wait for a lease.
  const alive = setInterval(() => {}, 60_000);
  try {
    const opened = await options.open({ clock, delivery: options.delivery });
    let { backend } = opened;
    let crashed = false;
    const trial = createTrial({
      open: () => backend,
      delivery: options.delivery,
      clock,
      timers: () => clock.timers,
      advance: fake?.advance,
      patienceSeconds: options.patienceSeconds ?? (fake ? 5 : 15 + backend.limits.timingSeconds),
      async reopen() {
        assert.ok(opened.reopen, `the store survives ${options.survives}, so open() must give reopen`);
        backend = await opened.reopen();
      },
      async crash() {
        assert.ok(opened.crash, `the store survives ${options.survives}, so open() must give crash`);
        crashed = true;
        backend = await opened.crash();
      },
    });
    let failed = true;
    try {
      await each.run(trial);
      failed = false;
    } finally {
      // Where the case failed, its error says more than that of the removal.
      await opened.remove().catch((error: unknown) => {
        if (!failed) throw error;
      });
    }
    // In a real crash the timers die with the process. Here they live on.
    if (!crashed) assert.equal(clock.timers, 0, "law 12: timers that closing left");
  } finally {
    clearInterval(alive);
  }
}

function countingTimers(clock: Clock): Clock & { readonly timers: number } {
  const set = new Set<object>();
  const counted =
    (setTimer: SetTimer): SetTimer =>
    (time, callback) => {
      const timer = {};
      set.add(timer);
      const cancel = setTimer(time, () => {
        set.delete(timer);
        callback();
      });
      return () => {
        set.delete(timer);
        cancel();
      };
    };
  return {
    now: clock.now,
    monotonic: clock.monotonic,
    get timers() {
      return set.size;
    },
    at: counted(clock.at),
    after: counted(clock.after),
  };
}
