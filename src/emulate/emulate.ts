import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Chaos } from "./chaos.ts";
import { type EventSource, startEventSource } from "./lambda/eventSources.ts";
import { createFunctionPool, type FunctionHost } from "./lambda/functionPool.ts";
import { startGateway } from "./lambda/gateway.ts";
import { functionError, type Outcome, startRuntimeApi } from "./lambda/runtimeApi.ts";
import type { LocalServer } from "./localServer.ts";
import type { Hook } from "./services/call.ts";
import { loadPeers, startEmulators } from "./services/emulators.ts";
import { provision } from "./services/provision.ts";
import { startProxy } from "./services/proxy.ts";
import { readAssembly } from "./template/assembly.ts";
import { checkStacks } from "./template/checks.ts";
import { invalid } from "./template/intrinsics.ts";
import type { Stack } from "./template/stack.ts";
import { stackOf } from "./template/template.ts";

export interface EmulateOptions {
  /** The folder of the cloud assembly: what `cdk synth` or `cauce synth` wrote. */
  readonly assembly: string;
  /** The stacks to run, in this order. Default: all of the assembly's, by name. */
  readonly stackNames?: readonly string[] | undefined;
  /** The port of the HTTP API; of several, the first one's. 0: any free one. */
  readonly port: number;
  /** Where the tables are kept; without it they are gone at the end. Queues are gone in either case. */
  readonly data?: string | undefined;
  readonly clock: Clock;
  /** Takes each line that a function writes, and what befalls it. */
  readonly onLine: (source: string, line: string) => void;
  /** What becomes of each call of the functions. Default: it passes. */
  readonly hook?: Hook | undefined;
  /** Default: nothing goes wrong. Comes after the hook: what that lets pass may still fail. */
  readonly chaos?: Chaos | undefined;
  /**
   * How many processes a function has at most. Default: two for each core, and at least four. As many as there are cores
   * start as soon as they are wanted.
   */
  readonly processesMost?: number | undefined;
}

export interface Emulation {
  readonly stacks: readonly Stack[];
  /** Where each HTTP API is served. */
  readonly urls: readonly string[];
  /** Where the emulated services are asked. */
  readonly awsUrl: string;
  readonly tablesKept: number;
  /** Resolves when every subscription works: under chaos some begin late. */
  readonly subscribed: Promise<void>;
  invoke(name: string, event: unknown): Promise<Outcome>;
  /** Ends every process and leaves nothing open. */
  close(): Promise<void>;
}

/** Runs what a cloud assembly describes: no account, no Docker. Throws `template_invalid` for what AWS would not take. */
export async function emulate(options: EmulateOptions): Promise<Emulation> {
  const { clock, onLine, data, chaos } = options;
  const { processesMost = Math.max(4, 2 * availableParallelism()) } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each();
  };
  try {
    const templates = readAssembly(options.assembly, options.stackNames);
    const peers = await loadPeers();
    const directory = data === undefined ? undefined : join(data, "tables");
    if (directory !== undefined) mkdirSync(directory, { recursive: true });
    const emulators = await startEmulators(peers, directory);
    closers.push(emulators.close);
    const proxy = await startProxy(emulators, hookOf(options));
    closers.push(proxy.close);
    const places = {
      queueUrl: (name: string) => `${proxy.url}/000000000000/${name}`,
      apiUrl: (id: string) => `http://127.0.0.1/${id}`,
    };
    const stacks = templates.map((template) => stackOf(template, places));
    checkStacks(stacks);
    let tablesKept = 0;
    const subscribed: Promise<void>[] = [];
    for (const stack of stacks) {
      const made = await provision(stack, { peers, endpoint: proxy.url, clock, chaos, onLine });
      tablesKept += made.tablesKept;
      subscribed.push(made.subscribed);
      closers.push(made.close);
    }

    const api = await startRuntimeApi();
    closers.push(api.close);
    const host: FunctionHost = {
      ...{ api, awsUrl: proxy.url, processesMost, processesSoon: availableParallelism(), onLine },
      killAfterMilliseconds: chaos?.killAfterMilliseconds,
      onKilled: chaos?.onKilled,
    };
    const functions = stacks.flatMap((stack) => stack.functions);
    const pools = new Map(functions.map((plan) => [plan.name, createFunctionPool(plan, host)]));
    const invoke: Emulation["invoke"] = async (name, event) => {
      const pool = pools.get(name);
      if (pool === undefined) return { ...functionError("ResourceNotFound", `no function ${name}`), requestId: "" };
      const outcome = await pool.invoke(event);
      if (!outcome.ok) onLine(name, `${outcome.requestId} ${outcome.type}: ${outcome.message}`);
      return outcome;
    };

    const sources: EventSource[] = [];
    // At once: a source waits for its invocations, and nobody should wait for a handler that hangs.
    closers.push(async () => {
      await Promise.all([...sources, ...pools.values()].map((each) => each.close()));
    });
    for (const stack of stacks) {
      for (const source of stack.sources) {
        const queue = stack.queues.find(({ arn }) => arn === source.queueArn);
        const pool = pools.get(source.function);
        if (queue === undefined || pool === undefined) throw invalid(source.id, "its queue or function is missing");
        sources.push(
          startEventSource({
            ...{ source, queueUrl: queue.url, pool, sqs: peers.sqs, proxy },
            disorder: queue.fifo ? undefined : chaos?.disorder,
            onLine: (line) => onLine(source.function, line),
          }),
        );
      }
      for (const { everySeconds, function: name } of stack.schedules) {
        const stop = startSchedule(clock, everySeconds, () => void invoke(name, { source: "aws.events" }));
        closers.push(async () => stop());
      }
    }

    const gateways: LocalServer[] = [];
    for (const api of stacks.flatMap(({ apis }) => apis)) {
      const port = options.port === 0 ? 0 : options.port + gateways.length;
      const gateway = await startGateway({ api, port, clock, invoke });
      gateways.push(gateway);
      closers.push(gateway.close);
    }
    return {
      stacks,
      urls: gateways.map(({ port }) => `http://127.0.0.1:${port}`),
      awsUrl: proxy.url,
      tablesKept,
      subscribed: Promise.all(subscribed).then(() => {}),
      invoke,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function hookOf({ hook, chaos }: Pick<EmulateOptions, "hook" | "chaos">): Hook | undefined {
  if (hook === undefined || chaos === undefined) return hook ?? chaos?.hook;
  return async (call) => {
    const fate = await hook(call);
    return fate === "pass" ? chaos.hook(call) : fate;
  };
}

/** Calls `invoke` every `everySeconds`, whether or not the call before has ended; the returned function ends it. */
export function startSchedule(clock: Clock, everySeconds: number, invoke: () => void): () => void {
  let cancel = () => {};
  const arm = (at: number): void => {
    cancel = clock.at(at, () => {
      invoke();
      arm(at + everySeconds * 1_000);
    });
  };
  arm(clock.now() + everySeconds * 1_000);
  return () => cancel();
}
