import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { region } from "../template/references.ts";
import type { FunctionResource } from "../template/stack.ts";
import type { Outcome, RuntimeApi } from "./runtimeApi.ts";

export interface FunctionProcess {
  /** One at a time. A process that does not answer within the function's time is killed. */
  invoke(payload: string): Promise<Outcome & { readonly requestId: string }>;
  readonly alive: boolean;
  kill(): void;
  /** Resolves when the process is gone and its output read. */
  readonly ended: Promise<void>;
}

export interface FunctionProcessOptions {
  readonly plan: FunctionResource;
  readonly api: RuntimeApi;
  /** Where the SDK's calls go. */
  readonly awsUrl: string;
  /** Takes each line that the function writes. */
  readonly onLine: (line: string) => void;
}

/** A process of one function: an execution environment, as Lambda calls it. */
export function startFunctionProcess({ plan, api, awsUrl, onLine }: FunctionProcessOptions): FunctionProcess {
  const { arn, timeoutSeconds, memoryMegabytes, directory = "", handler } = plan;
  const desk = api.open();
  const bootstrap = fileURLToPath(import.meta.resolve("#lambdaBootstrap"));
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${memoryMegabytes}`, bootstrap, desk.address, directory, handler],
    { env: environmentOf(plan, desk.address, awsUrl), stdio: ["pipe", "pipe", "pipe"] },
  );
  let alive = true;
  let timedOut = false;
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY }).on("line", onLine);
  }
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      alive = false;
      desk.close(
        timedOut
          ? {
              ok: false,
              type: "Sandbox.Timedout",
              message: `Task timed out after ${timeoutSeconds.toFixed(2)} seconds`,
            }
          : { ok: false, type: "Runtime.ExitError", message: `Runtime exited with error: ${how}` },
      );
      resolve();
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`));
  });
  return {
    async invoke(payload) {
      const requestId = randomUUID();
      let timer: NodeJS.Timeout | undefined;
      // Its time begins when it takes the invocation, not while it starts.
      const outcome = await desk.invoke(() => {
        timer = setTimeout(() => {
          timedOut = true;
          child.kill("SIGKILL");
        }, timeoutSeconds * 1_000);
        return { requestId, functionArn: arn, deadline: Date.now() + timeoutSeconds * 1_000, payload };
      });
      clearTimeout(timer);
      return { ...outcome, requestId };
    },
    get alive() {
      return alive;
    },
    kill: () => void child.kill("SIGKILL"),
    ended,
  };
}

/** What Lambda sets, and the template; the endpoints lead to the emulator, where the access key names the function. */
function environmentOf(
  { name, memoryMegabytes, environment, directory = "", handler }: FunctionResource,
  api: string,
  awsUrl: string,
): Record<string, string> {
  return {
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_LAMBDA_RUNTIME_API: api,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMegabytes),
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_ACCESS_KEY_ID: name,
    AWS_SECRET_ACCESS_KEY: "emulated",
    AWS_ENDPOINT_URL_DYNAMODB: awsUrl,
    AWS_ENDPOINT_URL_SNS: awsUrl,
    AWS_ENDPOINT_URL_SQS: awsUrl,
    LAMBDA_TASK_ROOT: directory,
    _HANDLER: handler,
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    ...environment,
  };
}

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
