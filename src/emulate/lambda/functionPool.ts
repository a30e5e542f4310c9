import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { region } from "../template/references.ts";
import type { FunctionResource } from "../template/stack.ts";
import { functionError, type InvocationResult, type RuntimeApi } from "./runtimeApi.ts";

/** What the processes of every function share. */
export interface FunctionHost {
  readonly api: RuntimeApi;
  /** The endpoint of the SDK's calls: the proxy. */
  readonly awsUrl: string;
  /** Draws after how many milliseconds the process of a new invocation is killed. Undefined: never. */
  readonly killAfterMilliseconds?: (() => number | undefined) | undefined;
  /** Called for each process that was killed so. */
  readonly onKilled?: (() => void) | undefined;
  /** Takes each line that a function writes. */
  readonly onLine: (source: string, line: string) => void;
}

/** Longer than a process takes to start, so a starting process does not count as a busy one that makes no progress. */
const growAfterMilliseconds = 1_000;

/**
 * Creates the processes of one function. Each process runs one invocation at a time. If all are busy, another one
 * starts at once, up to one for each core. After that another one starts only when no invocation has ended for 1 s, up
 * to two for each core and at least four. More processes than cores help processes that wait, and slow down those that
 * compute.
 */
export function createFunctionPool(plan: FunctionResource, host: FunctionHost) {
  const processesMax = Math.max(4, 2 * availableParallelism());
  const processes = new Set<FunctionProcess>();
  const idle: FunctionProcess[] = [];
  let busy = 0;
  let limit = availableParallelism();
  let growTimer: NodeJS.Timeout | undefined;
  let changed = Promise.withResolvers<void>();
  let closing = false;

  const take = (): FunctionProcess => {
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) if (found.alive) return found;
    const started = startFunctionProcess(plan, host);
    processes.add(started);
    void started.ended.then(() => processes.delete(started));
    return started;
  };
  const wakeAll = (): void => {
    clearTimeout(growTimer);
    growTimer = undefined;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const grow = (): void => {
    limit++;
    wakeAll();
  };
  /** Resolves when an invocation has ended, the limit has grown or the pool closes. */
  const change = (): Promise<void> => {
    if (limit < processesMax) growTimer ??= setTimeout(grow, growAfterMilliseconds);
    return changed.promise;
  };
  return {
    async invoke(event: unknown): Promise<InvocationResult> {
      while (busy >= limit && !closing) await change();
      if (closing) return { ...functionError("Closed", "the emulator is closing"), requestId: "" };
      busy++;
      const found = take();
      const afterMilliseconds = host.killAfterMilliseconds?.();
      const kill = (): void => {
        found.kill();
        host.onKilled?.();
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
    /** Resolves when an invocation would start at once. */
    async room(): Promise<void> {
      while (busy >= limit && !closing) await change();
    },
    async close(): Promise<void> {
      closing = true;
      wakeAll();
      for (const each of processes) each.kill();
      await Promise.all([...processes].map(({ ended }) => ended));
    },
  };
}

export type FunctionPool = ReturnType<typeof createFunctionPool>;

type FunctionProcess = ReturnType<typeof startFunctionProcess>;

/** Starts a process of one function: in Lambda's words, an execution environment. */
function startFunctionProcess(plan: FunctionResource, { api, awsUrl, onLine }: FunctionHost) {
  const { name, arn, timeoutSeconds, memoryMegabytes, directory = "", handler } = plan;
  const session = api.open();
  const bootstrap = fileURLToPath(import.meta.resolve("#lambdaBootstrap"));
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${memoryMegabytes}`, bootstrap, session.address, directory, handler],
    { env: makeEnvironment(plan, session.address, awsUrl), stdio: ["pipe", "pipe", "pipe"] },
  );
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => onLine(name, line));
  }
  child.stdin.on("error", () => {});
  let alive = true;
  let timedOut = false;
  const end = (how: string): void => {
    alive = false;
    session.close(
      timedOut
        ? functionError("Sandbox.Timedout", `Task timed out after ${timeoutSeconds.toFixed(2)} seconds`)
        : functionError("Runtime.ExitError", `Runtime exited with error: ${how}`),
    );
  };
  const ended = once(child, "close").then(
    ([code, signal]) => end(signal === null ? `exit status ${code}` : `signal ${signal}`),
    (error: Error) => end(error.message),
  );
  return {
    /** Runs one invocation at a time. Kills the process if the invocation takes longer than the function's timeout. */
    async invoke(payload: string): Promise<InvocationResult> {
      let timer: NodeJS.Timeout | undefined;
      // The timeout counts from the time at which the process takes the invocation, not from its start.
      const start = (): number => {
        const milliseconds = timeoutSeconds * 1_000;
        timer = setTimeout(() => {
          timedOut = true;
          child.kill("SIGKILL");
        }, milliseconds);
        return Date.now() + milliseconds;
      };
      const result = await session.invoke({ requestId: randomUUID(), functionArn: arn, payload, start });
      clearTimeout(timer);
      return result;
    },
    get alive() {
      return alive;
    },
    kill: () => void child.kill("SIGKILL"),
    /** Resolves when the process has ended and its output has been read. */
    ended,
  };
}

/**
 * Makes the environment of a process: Lambda's variables and the template's. The endpoints lead to the emulator, and
 * the access key names the function there.
 */
function makeEnvironment(
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
