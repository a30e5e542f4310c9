import { setTimeout as sleep } from "node:timers/promises";
import type { LoadGenerator } from "./load.ts";
import { drained, type Server } from "./server.ts";

/** What one load window on one server gave. */
export interface Window {
  readonly completedPerSecond: number;
  readonly acceptedPerSecond: number;
  /** Orders that were accepted and not final when the window ended. */
  readonly unfinished: number;
  readonly p99Milliseconds: number;
  /** Why the window does not count, if it does not. */
  readonly fault: string | undefined;
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
  { warmUpSeconds, seconds, drain = true }: { warmUpSeconds: number; seconds: number; drain?: boolean },
): Promise<Window> {
  const openAtFirst = await server.open();
  await generator.run(server.url, warmUpSeconds);
  if (drain) await drained(server, openAtFirst);
  await sleep(settleMilliseconds);
  const openBefore = await server.open();
  const load = await generator.run(server.url, seconds);
  const openAfter = await server.open();
  if (drain) await drained(server, openAtFirst);

  const unfinished = Math.max(0, openAfter - openBefore);
  const acceptedPerSecond = load.accepted / load.seconds;
  return {
    completedPerSecond: (load.accepted - (openAfter - openBefore)) / load.seconds,
    acceptedPerSecond,
    unfinished,
    p99Milliseconds: load.p99Milliseconds,
    fault: faultOf(load.refused, unfinished, acceptedPerSecond),
  };
}

function faultOf(refused: number, unfinished: number, acceptedPerSecond: number): string | undefined {
  if (refused > 0) return `${refused} requests were refused or broke`;
  if (unfinished > acceptedPerSecond) return `${unfinished} unfinished is more than one second's intake`;
  return undefined;
}
