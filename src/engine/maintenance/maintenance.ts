import { sleep } from "../../core/clock.ts";
import { textOf } from "../../core/reasons.ts";
import type { EngineContext } from "../context.ts";

/** Every chore, in the order in which a workflow's chores run. */
const choreNames = ["sweep", "retention"] as const;
export type ChoreName = (typeof choreNames)[number];

/** Work on a workflow's store that neither a request nor a delivery sets off. */
export interface Chore {
  readonly name: ChoreName;
  /** `start` resolves only after this chore's first run. */
  readonly startWaits: boolean;
  /** What the log says when a run failed. */
  readonly failed: string;
  /** How long after a failed run the chore runs again. */
  readonly retrySeconds: number;
  /** Does what is due now, step by step. */
  run(turn: Turn): Promise<Ran>;
}

/** How one run of a chore goes on. */
interface Turn {
  /** Asked between two steps: false ends the run. */
  goOn(): boolean;
  /** Leaves the store to other calls between two steps. Resolves at once where the run has a time limit. */
  rest(seconds: number): Promise<void>;
}

export interface Ran {
  /** How many orders the run moved, queued or removed. */
  readonly done: number;
  /** When an order is due next, in milliseconds since 1970; null where none is known to become due. */
  readonly nextAt: number | null;
  /** After how long the chore runs again at the latest; Infinity where only `nextAt` counts. */
  readonly againSeconds: number;
  /** Why single orders that were due could not be handled. */
  readonly errors: readonly unknown[];
}

export interface Maintenance {
  /** Runs every chore, and again whenever it is due. Resolves when the chores that `start` waits for have run. */
  start(): Promise<void>;
  /** Something is due at `at`: the chore runs then at the latest, also before `start`. */
  notice(name: ChoreName, at: number): void;
  /** Runs one chore once, and resolves to how many orders it saw to. Rejects with the run's first error. */
  once(name: ChoreName, goOn: () => boolean): Promise<number>;
  /** Resolves when the runs under way have ended, each after its step at hand. `start` may be called again. */
  stop(): Promise<void>;
}

/**
 * Makes what runs the chores of one workflow when they are due. Each chore has a timer for what is due, and one for its
 * interval.
 */
export function createMaintenance(context: EngineContext, chores: readonly Chore[]): Maintenance {
  let stopping = new AbortController();
  const loops = chores.map((chore) => createLoop(context, chore, () => stopping.signal));
  const find = (name: ChoreName) => loops.find(({ chore }) => chore.name === name);

  return {
    async start() {
      if (stopping.signal.aborted) stopping = new AbortController();
      const { signal } = stopping;
      for (const { chore, run } of loops) {
        if (signal.aborted) return;
        const first = run();
        if (chore.startWaits) await first;
      }
    },
    notice: (name, at) => find(name)?.notice(at),
    async once(name, goOn) {
      const ran = await find(name)?.chore.run({ goOn, rest: async () => {} });
      if (ran === undefined) return 0;
      if (ran.errors.length > 0) throw ran.errors[0];
      return ran.done;
    },
    async stop() {
      stopping.abort();
      await Promise.all(loops.map(({ end }) => end()));
    },
  };
}

/** Runs one chore at the times that it names and that are noticed. */
function createLoop({ workflow, clock, log }: EngineContext, chore: Chore, stopping: () => AbortSignal) {
  let dueAt = Number.POSITIVE_INFINITY;
  let cancelDue: (() => void) | undefined;
  // An interval counts the time that passes: where the time of day is set back, no sweep may be put off for hours.
  let cancelInterval: (() => void) | undefined;
  let running: Promise<void> | undefined;
  /** Something became due, and the run under way may have passed it already. */
  let again = false;

  const unset = (): void => {
    cancelDue?.();
    cancelInterval?.();
    cancelDue = cancelInterval = undefined;
    dueAt = Number.POSITIVE_INFINITY;
  };
  const onTime = (): void => {
    unset();
    void run();
  };
  const notice = (at: number): void => {
    if (stopping().aborted || at >= dueAt) return;
    cancelDue?.();
    dueAt = at;
    cancelDue = clock.at(at, onTime);
  };
  const repeat = (seconds: number): void => {
    cancelInterval?.();
    cancelInterval = undefined;
    if (!stopping().aborted && seconds < Number.POSITIVE_INFINITY)
      cancelInterval = clock.after(seconds * 1_000, onTime);
  };
  const runWhileDue = async (): Promise<void> => {
    const signal = stopping();
    const turn: Turn = { goOn: () => !signal.aborted, rest: (seconds) => sleep(clock, seconds, signal) };
    do {
      again = false;
      try {
        const { nextAt, againSeconds, errors } = await chore.run(turn);
        if (nextAt !== null) notice(nextAt);
        if (errors.length > 0) throw errors[0];
        repeat(againSeconds);
      } catch (error) {
        log.error({ workflow: workflow.name, error: textOf(error) }, chore.failed);
        repeat(chore.retrySeconds);
      }
    } while (again && !signal.aborted);
    // Cleared in the turn in which `again` was read, so a later `run` starts a new run instead of being lost.
    running = undefined;
  };
  const run = (): Promise<void> => {
    again = running !== undefined;
    running ??= runWhileDue();
    return running;
  };

  return {
    chore,
    notice,
    run,
    end(): Promise<void> | undefined {
      unset();
      return running;
    },
  };
}

/** A workflow whose chores can be run one by one, as an engine's. */
export interface Maintained {
  readonly workflow: { readonly name: string };
  /**
   * Runs one chore once, and resolves to how many orders it saw to. `sweep` moves the waits that expired and queues the
   * deliveries that were lost. `retention` removes the orders that are older than `retentionDays`; without that it
   * removes none. A sweep takes at least one step. Both go on while `goOn` says so. Rejects with the first error.
   */
  maintain(chore: ChoreName, goOn: () => boolean): Promise<number>;
}

/**
 * Runs every chore once, each for all workflows before the next chore. Resolves to how many orders each chore saw to.
 * Where a chore fails for one workflow, it still runs for the others. Then this rejects, and no further chore runs.
 * Once `signal` has aborted, no further run begins.
 */
export async function maintainOnce(
  workflows: readonly Maintained[],
  goOn: () => boolean,
  options: {
    readonly signal?: AbortSignal;
    readonly onRun?: (workflow: string, chore: ChoreName, done: number) => void;
  } = {},
): Promise<Readonly<Record<ChoreName, number>>> {
  const done = { sweep: 0, retention: 0 };
  for (const chore of choreNames) {
    const errors: unknown[] = [];
    for (const each of workflows) {
      if (options.signal?.aborted) break;
      try {
        const orders = await each.maintain(chore, goOn);
        done[chore] += orders;
        options.onRun?.(each.workflow.name, chore, orders);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
  return done;
}
