import { setTimeout as sleep } from "node:timers/promises";
import { startCauce } from "../cauce.ts";
import { handlerMillisecondsVariable } from "../restartApp.ts";
import type { Bench } from "./bench.ts";
import { bounds, type Figure, shown } from "./bounds.ts";
import { type Client, getJson } from "./client.ts";
import type { Server } from "./server.ts";

export interface RestartOptions {
  /** Orders in hand when the server is killed, at most 10,000: the concurrency of the app. */
  readonly inHand: number;
  readonly handlerMilliseconds: number;
  /** How long fresh orders are placed at least. */
  readonly freshSeconds: number;
}

/** Orders that are still open then end the measurement, past every bound. */
const giveUpSeconds = 2 * bounds.allAfterKillSeconds.most;
const freshEveryMilliseconds = 250;
const hangSeconds = 30;
const pollMilliseconds = 20;
const inHandWithinMilliseconds = 60_000;
const linesAtOnce = 1_000;

/**
 * Kills a server with orders in hand, starts it again, and places fresh orders one after another beside those that the
 * server had in hand. Gives the longest time from placing a fresh order to its end, and the time from the start to the
 * end of all orders. A measurement that is given up gives the times until then, which are past the bounds.
 */
export async function measureRestart(bench: Bench, options: RestartOptions): Promise<Figure[]> {
  const { inHand, handlerMilliseconds, freshSeconds } = options;
  const directory = await bench.directory("restart");
  const start = (milliseconds: number) =>
    startCauce(bench, {
      app: "bench/restartApp.ts",
      directory,
      env: { [handlerMillisecondsVariable]: String(milliseconds) },
    });
  // Handlers that do not end hold every order in hand at the moment of the kill.
  const killed = await start(inHandWithinMilliseconds * 10);
  try {
    await placeMany(killed.client, inHand);
    await untilInHand(killed.client, inHand);
  } finally {
    await killed.kill();
  }
  const held = `${shown(inHand, 0)} orders in hand`;
  bench.progress(`killed with ${held}`);

  const spawnedAt = performance.now();
  const server = await start(handlerMilliseconds);
  try {
    const hangs = sleep((giveUpSeconds + hangSeconds) * 1_000, undefined, { ref: false }).then(() => {
      throw new Error("the server does not answer after the kill");
    });
    const { fresh, slowest, all, left } = await Promise.race([
      watchRestart(server, { spawnedAt, freshSeconds }),
      hangs,
    ]);
    const open = left === 0 ? "" : `, given up with ${shown(left, 0)} orders open`;
    bench.progress(
      `after the kill: the slowest of ${fresh} fresh orders took ${shown(slowest, 2)} s, all ${shown(all, 1)} s${open}`,
    );
    return [
      { name: "freshAfterKillSeconds", value: slowest, detail: `${held}, ${fresh} fresh orders` },
      {
        name: "allAfterKillSeconds",
        value: all,
        detail: `${held}, ready in ${shown(server.startMilliseconds, 0)} ms${open}`,
      },
    ];
  } finally {
    // The orders that are left would hold up a drain.
    await server.kill();
  }
}

async function placeMany(client: Client, count: number): Promise<void> {
  for (let placed = 0; placed < count; placed += linesAtOnce) {
    const lines = Array.from({ length: Math.min(linesAtOnce, count - placed) }, (_, n) => ({
      data: { number: placed + n },
    }));
    const { status, body } = await client.postLines("/restart/batch", lines);
    const stored = body.split('"status":202').length - 1;
    if (status !== 200 || stored !== lines.length)
      throw new Error(`of ${lines.length} orders ${stored} were stored: ${status}`);
  }
}

interface Queues {
  readonly workflows: readonly { readonly queues: readonly { waiting: number; inFlight: number; delayed: number }[] }[];
}

async function depths(client: Client): Promise<{ inFlight: number; open: number }> {
  const { workflows } = await getJson<Queues>(client, "/queues");
  const queues = workflows.flatMap(({ queues }) => queues);
  const inFlight = queues.reduce((sum, queue) => sum + queue.inFlight, 0);
  return { inFlight, open: queues.reduce((sum, { waiting, delayed }) => sum + waiting + delayed, inFlight) };
}

async function untilInHand(client: Client, count: number): Promise<void> {
  const end = performance.now() + inHandWithinMilliseconds;
  for (;;) {
    const { inFlight } = await depths(client);
    if (inFlight >= count) return;
    if (performance.now() > end) throw new Error(`${inFlight} of ${count} orders are in hand`);
    await sleep(pollMilliseconds);
  }
}

interface Fresh {
  readonly id: string;
  readonly sentAt: number;
}

/**
 * Places fresh orders until the orders that were in hand have ended, and for `freshSeconds` at least. An order that is
 * open when it is given up counts with its age.
 */
async function watchRestart(
  { client }: Server,
  { spawnedAt, freshSeconds }: { spawnedAt: number; freshSeconds: number },
) {
  const passed = () => (performance.now() - spawnedAt) / 1_000;
  const seconds: number[] = [];
  let unfinished: Fresh[] = [];
  let all: number | undefined;
  let left = 0;
  let nextAt = 0;
  while (passed() < giveUpSeconds && (all === undefined || passed() < freshSeconds || unfinished.length > 0)) {
    if (performance.now() >= nextAt && (all === undefined || passed() < freshSeconds)) {
      nextAt = performance.now() + freshEveryMilliseconds;
      unfinished.push(await placeFresh(client));
    }
    // Read before the fresh orders, so that each fresh order which is found open is among these.
    const { open } = await depths(client);
    const stillOpen: Fresh[] = [];
    for (const order of unfinished) {
      const { status } = await getJson<{ status: string }>(client, `/restart/${order.id}`);
      if (status === "done") seconds.push((performance.now() - order.sentAt) / 1_000);
      else stillOpen.push(order);
    }
    unfinished = stillOpen;
    left = Math.max(0, open - unfinished.length);
    if (left === 0) all ??= passed();
    await sleep(pollMilliseconds);
  }
  const ages = unfinished.map(({ sentAt }) => (performance.now() - sentAt) / 1_000);
  return {
    fresh: seconds.length + ages.length,
    slowest: Math.max(...seconds, ...ages),
    all: all ?? passed(),
    left: all === undefined ? left : 0,
  };
}

async function placeFresh(client: Client): Promise<Fresh> {
  const sentAt = performance.now();
  const { status, body } = await client.post("/restart", { number: -1 });
  if (status !== 202) throw new Error(`POST /restart answered ${status}: ${body.slice(0, 300)}`);
  return { id: (JSON.parse(body) as { id: string }).id, sentAt };
}
