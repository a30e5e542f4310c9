import { type Client, getJson } from "./client.ts";
import type { Pace } from "./compare.ts";
import { connections, type LoadGenerator } from "./load.ts";
import { customerId, customers } from "./sampleOrders.ts";
import type { Server } from "./server.ts";

interface Page {
  readonly items: readonly { readonly status: string }[];
  readonly nextCursor: string | null;
}

const stepOrders = 1_000;
const depthsSteps = 300;

/** Milliseconds of list pages, and the orders placed a second beside them. */
export interface ListUnderLoad {
  readonly latencies: readonly number[];
  readonly placedPerSecond: readonly number[];
}

/** Reads lists, one request after another, while orders are placed at a given rate. */
export async function listsUnderLoad(
  server: Server,
  generator: LoadGenerator,
  { perSecond, pace: { seconds, warmUpSeconds } }: { perSecond: number; pace: Pace },
): Promise<ListUnderLoad> {
  const nextList = await createLists(server.client);
  await generator.run(server.url, { seconds: warmUpSeconds, connections, perSecond });
  const latencies: number[] = [];
  let isOver = false;
  const placing = generator.run(server.url, { seconds, connections, perSecond }).finally(() => {
    isOver = true;
  });
  // A list may fail before the placings end. The failure of either is awaited below.
  placing.catch(() => {});
  while (!isOver) latencies.push(await nextList());
  const { accepted, seconds: took, broken } = await placing;
  if (broken > 0) throw new Error(`${broken} placings were refused or broke`);
  return { latencies, placedPerSecond: [accepted / took] };
}

/**
 * Makes GET /orders?limit=50 in turn: without a filter, by status, by group, failed ones, and the first two at cursors
 * down to 300,000 orders deep. Each call gives the milliseconds of one request.
 */
async function createLists(client: Client): Promise<() => Promise<number>> {
  const cursors = {
    "": await deepCursors(client, ""),
    "&status=shipped": await deepCursors(client, "&status=shipped"),
  };
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(Math.random() * from.length)];
  const deep = (filter: keyof typeof cursors) => {
    const cursor = pick(cursors[filter]);
    return `${filter}${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
  };
  const kinds = [
    () => "",
    () => "&status=shipped",
    () => "&status=received",
    () => `&group=${customerId(1 + Math.floor(Math.random() * customers))}`,
    () => `&status=shipped&group=${customerId(1 + Math.floor(Math.random() * customers))}`,
    () => "&failed=true",
    () => deep(""),
    () => deep("&status=shipped"),
  ];
  let request = 0;
  return async () => {
    const query = kinds[request++ % kinds.length]?.() ?? "";
    const sentAt = performance.now();
    const { status, body } = await client.get(`/orders?limit=50${query}`);
    const took = performance.now() - sentAt;
    if (status !== 200) throw new Error(`GET /orders?limit=50${query} answered ${status}: ${body.slice(0, 300)}`);
    return took;
  };
}

async function deepCursors(client: Client, filter: string): Promise<string[]> {
  const cursors: string[] = [];
  let cursor: string | null = null;
  for (let step = 0; step < depthsSteps; step++) {
    const at: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page: Page = await getJson(client, `/orders?limit=${stepOrders}${filter}${at}`);
    cursor = page.nextCursor;
    if (cursor === null) break;
    cursors.push(cursor);
  }
  return cursors;
}
