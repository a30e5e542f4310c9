import { type FunctionProcess, type FunctionProcessOptions, startFunctionProcess } from "./functionProcess.ts";
import type { Outcome } from "./runtimeApi.ts";

/** The processes of one function: each runs one invocation at a time, and more start when all are busy. */
export interface FunctionPool {
  invoke(event: unknown): Promise<Outcome & { readonly requestId: string }>;
  /** Resolves when an invocation would not have to wait. */
  room(): Promise<void>;
  close(): Promise<void>;
}

export interface FunctionPoolOptions extends FunctionProcessOptions {
  /** How many processes it has at once, at most. */
  readonly processesMost: number;
  /** After how many milliseconds the process of an invocation that starts now is killed; undefined for never. */
  readonly killAfter?: (() => number | undefined) | undefined;
}

export function createFunctionPool(options: FunctionPoolOptions): FunctionPool {
  const { processesMost, killAfter } = options;
  const processes = new Set<FunctionProcess>();
  const idle: FunctionProcess[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;
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
  return {
    async invoke(event) {
      while (busy >= processesMost) await new Promise<void>((resolve) => waiting.push(resolve));
      if (closing) return { ok: false, type: "Closed", message: "the emulator is closing", requestId: "" };
      busy++;
      const found = take();
      const afterMilliseconds = killAfter?.();
      const killing = afterMilliseconds === undefined ? undefined : setTimeout(found.kill, afterMilliseconds);
      try {
        return await found.invoke(JSON.stringify(event));
      } finally {
        clearTimeout(killing);
        busy--;
        if (found.alive && !closing) idle.push(found);
        for (const wake of waiting.splice(0)) wake();
      }
    },
    async room() {
      while (busy >= processesMost && !closing) await new Promise<void>((resolve) => waiting.push(resolve));
    },
    async close() {
      closing = true;
      for (const wake of waiting.splice(0)) wake();
      for (const each of processes) each.kill();
      await Promise.all([...processes].map(({ ended }) => ended));
    },
  };
}
