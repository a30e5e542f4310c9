import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { atMonotonic, type Clock } from "../core/clock.ts";
import type { Chaos } from "./chaos.ts";
import { type EventSource, startEventSource } from "./lambda/eventSources.ts";
import { createFunctionPool, type FunctionHost } from "./lambda/functionPool.ts";
import { startGateway } from "./lambda/gateway.ts";
import { functionError, type InvocationResult, startRuntimeApi } from "./lambda/runtimeApi.ts";
import { localHost } from "./localServer.ts";
import type { Hook } from "./services/call.ts";
import { loadPeers, type Peers, startEmulators } from "./services/emulators.ts";
import { type Provisioned, provision } from "./services/provision.ts";
import { type AwsProxy, startProxy } from "./services/proxy.ts";
import { readAssembly } from "./template/assembly.ts";
import { checkStacks } from "./template/checks.ts";
import { invalid } from "./template/intrinsics.ts";
import { account } from "./template/references.ts";
import { readStack, type Stack } from "./template/stack.ts";

interface EmulateOptions {
  /** The folder of the cloud assembly, which `cdk synth` or `cauce synth` wrote. */
  readonly assembly: string;
  /** The names of the stacks to run, in this order. Default: every stack of the assembly, by name. */
  readonly stackNames?: readonly string[] | undefined;
  /** The port of the first HTTP API. The next APIs get the ports after it. 0: each API gets any free port. */
  readonly port: number;
  /** The folder that keeps the tables. Without it the tables end with the emulation. Queues always do. */
  readonly data?: string | undefined;
  readonly clock: Clock;
  /** Takes each line that a function writes, and a line for each invocation that failed. */
  readonly onLine: (source: string, line: string) => void;
  /** Decides the fate of each call of a function. Default: every call passes. */
  readonly hook?: Hook | undefined;
  /** Lets calls, messages and processes fail. It also sees each call that the hook lets pass. Default: no faults. */
  readonly chaos?: Chaos | undefined;
}

interface Context extends EmulateOptions {
  readonly peers: Peers;
  readonly proxy: AwsProxy;
  /** Closes everything that was started, the newest first. */
  readonly open: AsyncDisposableStack;
}

export interface Emulation extends Provisioned {
  readonly stacks: readonly Stack[];
  /** The URL of each HTTP API. */
  readonly urls: readonly string[];
  /** The endpoint of the emulated services, for the SDK. */
  readonly awsUrl: string;
  invoke(name: string, event: unknown): Promise<InvocationResult>;
  /** Ends every process and leaves nothing open. */
  close(): Promise<void>;
}

/**
 * Runs the stacks of a cloud assembly on this machine, without an account and without Docker. Throws `template_invalid`
 * for a template that AWS would refuse or that the emulator cannot run.
 */
export async function emulate(options: EmulateOptions): Promise<Emulation> {
  const open = new AsyncDisposableStack();
  try {
    const templates = readAssembly(options.assembly, options.stackNames);
    const peers = await loadPeers();
    const directory = options.data === undefined ? undefined : join(options.data, "tables");
    if (directory !== undefined) mkdirSync(directory, { recursive: true });
    const emulators = await startEmulators(peers, directory);
    open.defer(emulators.close);
    const proxy = await startProxy(emulators, combineHooks(options));
    open.defer(proxy.close);
    const endpoints = {
      queueUrl: (name: string) => `${proxy.url}/${account}/${name}`,
      apiUrl: (id: string) => `http://${localHost}/${id}`,
    };
    const stacks = templates.map((template) => readStack(template, endpoints));
    checkStacks(stacks);
    const context: Context = { ...options, peers, proxy, open };
    const provisioned = await provision(stacks, context);
    const invoke = await startFunctions(stacks, context);
    for (const { everySeconds, function: name } of stacks.flatMap(({ schedules }) => schedules)) {
      open.defer(startSchedule(options.clock, everySeconds, () => void invoke(name, { source: "aws.events" })));
    }
    const urls: string[] = [];
    for (const api of stacks.flatMap(({ apis }) => apis)) {
      const port = options.port === 0 ? 0 : options.port + urls.length;
      const gateway = await startGateway({ api, port, clock: options.clock, invoke });
      urls.push(`http://${localHost}:${gateway.port}`);
      open.defer(gateway.close);
    }
    return { ...provisioned, stacks, urls, awsUrl: proxy.url, invoke, close: () => open.disposeAsync() };
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}

function combineHooks({ hook, chaos }: EmulateOptions): Hook | undefined {
  if (hook === undefined || chaos === undefined) return hook ?? chaos?.hook;
  return async (call) => {
    const fate = await hook(call);
    return fate === "pass" ? chaos.hook(call) : fate;
  };
}

/** Starts the functions and their event sources. Returns the function that invokes one of them by its name. */
async function startFunctions(
  stacks: readonly Stack[],
  { chaos, onLine, peers, proxy, open }: Context,
): Promise<Emulation["invoke"]> {
  const api = await startRuntimeApi();
  open.defer(api.close);
  const host: FunctionHost = { ...chaos, api, awsUrl: proxy.url, onLine };
  const functions = stacks.flatMap((stack) => stack.functions);
  const pools = new Map(functions.map((plan) => [plan.name, createFunctionPool(plan, host)]));
  const sources: EventSource[] = [];
  // Close both at the same time. An event source waits for its invocations, and closing the pools ends those that hang.
  open.defer(async () => {
    await Promise.all([...sources, ...pools.values()].map((each) => each.close()));
  });
  const queues = stacks.flatMap((stack) => stack.queues);
  for (const source of stacks.flatMap((stack) => stack.sources)) {
    const queue = queues.find(({ arn }) => arn === source.queueArn);
    const pool = pools.get(source.function);
    if (queue === undefined || pool === undefined) throw invalid(source.id, "its queue or function is missing");
    const disorder = queue.fifo ? undefined : chaos?.disorder;
    sources.push(startEventSource({ source, queueUrl: queue.url, pool, sqs: peers.sqs, proxy, disorder, onLine }));
  }
  return async (name, event) => {
    const pool = pools.get(name);
    if (pool === undefined) return { ...functionError("ResourceNotFound", `no function ${name}`), requestId: "" };
    const result = await pool.invoke(event);
    if (!result.ok) onLine(name, `${result.requestId} ${result.type}: ${result.message}`);
    return result;
  };
}

/** Calls `invoke` every `everySeconds`, also while an earlier call is running. Returns the function that ends it. */
export function startSchedule(clock: Clock, everySeconds: number, invoke: () => void): () => void {
  let cancel = () => {};
  const setTimer = atMonotonic(clock);
  const arm = (time: number): void => {
    cancel = setTimer(time, () => {
      invoke();
      arm(time + everySeconds * 1_000);
    });
  };
  arm(clock.monotonic() + everySeconds * 1_000);
  return () => cancel();
}
