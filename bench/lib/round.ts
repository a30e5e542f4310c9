import { setTimeout as sleep } from "node:timers/promises";
import { type LoadGenerator, connections as usualConnections } from "./load.ts";
import { drained, type Server } from "./server.ts";

/** What one load window on one server gave. */
export interface Window {
  readonly completedPerSecond: number;
  readonly acceptedPerSecond: number;
  /** Orders that were accepted and not final when the window ended. */
  readonly unfinished: number;
  /** Requests that the server refused since it was overloaded. */
  readonly overloaded: number;
  readonly p99Milliseconds: number;
  /** Why the window does not count on any server, if it does not. */
  readonly fault: string | undefined;
}

export interface WindowOptions {
  /** 0 for a server that is warm. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly connections?: number;
  /** Whether the window waits for all orders to end, before and after. Default true. */
  readonly drain?: boolean;
}

const settleMilliseconds = 300;

/**
 * Loads a server, first to warm it up and then to measure. The number of completed orders is that of accepted orders
 * less that of orders which are open when the window ends. An order whose answer was under way at that moment is open
 * and not yet counted as accepted. That is at most one order per connection, and counts against the row.
 */
export async function loadWindow(
  server: Server,
  generator: LoadGenerator,
  { warmUpSeconds, seconds, connections = usualConnections, drain = true }: WindowOptions,
): Promise<Window> {
  const openAtFirst = await server.open();
  if (warmUpSeconds > 0) await generator.run(server.url, { seconds: warmUpSeconds, connections });
  if (drain) await drained(server, openAtFirst);
  await sleep(settleMilliseconds);
  const openBefore = await server.open();
  const load = await generator.run(server.url, { seconds, connections });
  const openAfter = await server.open();
  if (drain) await drained(server, openAtFirst);

  return {
    completedPerSecond: (load.accepted - (openAfter - openBefore)) / load.seconds,
    acceptedPerSecond: load.accepted / load.seconds,
    unfinished: Math.max(0, openAfter - openBefore),
    overloaded: load.overloaded,
    p99Milliseconds: load.p99Milliseconds,
    fault: load.broken > 0 ? `${load.broken} requests were refused or broke` : undefined,
  };
}

/** Gives why a window does not count of a server that must keep up with its intake, if it does not. */
export function faultOf(window: Window): string | undefined {
  if (window.fault !== undefined || unfinishedSeconds(window) <= 1) return window.fault;
  return `${window.unfinished} unfinished is more than one second's intake`;
}

/** Gives how many seconds of intake the orders are that were unfinished when the window ended. */
export function unfinishedSeconds({ unfinished, acceptedPerSecond }: Window): number {
  return unfinished === 0 ? 0 : unfinished / acceptedPerSecond;
}
