import { type FunctionProcess, type FunctionProcessOptions, startFunctionProcess } from "./functionProcess.ts";
import type { Outcome } from "./runtimeApi.ts";

/** The processes of one function: each runs one invocation at a time, and more start when all are held up. */
export interface FunctionPool {
  invoke(event: unknown): Promise<Outcome & { readonly requestId: string }>;
  /** Resolves when an invocation would not have to wait. */
  room(): Promise<void>;
  close(): Promise<void>;
}

export interface FunctionPoolOptions extends FunctionProcessOptions {
  /** How many processes it has at once, at most. */
  readonly processesMost: number;
  /**
   * How many of them start as soon as all are busy; the others start when none has ended an invocation for a while. More
   * processes than cores make busy ones slower, and ones that wait for something quicker.
   */
  readonly processesSoon: number;
  /** After how many milliseconds the process of an invocation that starts now is killed; undefined for never. */
  readonly killAfter?: (() => number | undefined) | undefined;
  /** Told of each that was killed so. */
  readonly onKilled?: (() => void) | undefined;
}

/** Longer than a process takes to start: those that start now are not held up. */
const patienceMilliseconds = 1_000;

export function createFunctionPool(options: FunctionPoolOptions): FunctionPool {
  const { processesMost, processesSoon, killAfter, onKilled } = options;
  const processes = new Set<FunctionProcess>();
  const idle: FunctionProcess[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;
  let limit = Math.min(processesSoon, processesMost);
  let patience: NodeJS.Timeout | undefined;
  let closing = false;

  const start = (): FunctionProcess => {
    const started = startFunctionProcess(options);
    processes.add(started);
    void started.ended.then(() => processes.delete(started));
    return started;
  };
  const take = (): FunctionProcess => {
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) if (found.alive) return found;
    return start();
  };
  const wakeAll = (): void => {
    clearTimeout(patience);
    patience = undefined;
    for (const wake of waiting.splice(0)) wake();
  };
  /** Resolves when something changes that an invocation may have waited for. */
  const change = (): Promise<void> => {
    if (limit < processesMost) {
      patience ??= setTimeout(() => {
        limit++;
        wakeAll();
      }, patienceMilliseconds);
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  return {
    async invoke(event) {
      while (busy >= limit && !closing) await change();
      if (closing) return { ok: false, type: "Closed", message: "the emulator is closing", requestId: "" };
      busy++;
      const found = take();
      const afterMilliseconds = killAfter?.();
      const kill = (): void => {
        found.kill();
        onKilled?.();
      };
      const killing = afterMilliseconds === undefined ? undefined : setTimeout(kill, afterMilliseconds);
      try {
        return await found.invoke(JSON.stringify(event));
      } finally {
        clearTimeout(killing);
        busy--;
        if (found.alive && !closing) idle.push(found);
        wakeAll();
      }
    },
    async room() {
      while (busy >= limit && !closing) await change();
    },
    async close() {
      closing = true;
      wakeAll();
      for (const each of processes) each.kill();
      await Promise.all([...processes].map(({ ended }) => ended));
    },
  };
}
