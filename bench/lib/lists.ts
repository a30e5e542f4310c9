import { type Client, getJson } from "./client.ts";
import { customerId, customers } from "./sampleOrders.ts";
import type { Server } from "./server.ts";

interface Page {
  readonly items: readonly { readonly status: string }[];
  readonly nextCursor: string | null;
}

const stepOrders = 1_000;
const depthsSteps = 300;

/**
 * Measures the milliseconds of GET /orders?limit=50, one request after another: without a filter, by status, by group,
 * and each of the first two at cursors down to 300,000 orders deep.
 */
export async function listLatencies({ client }: Server, requests: number): Promise<number[]> {
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
  const latencies: number[] = [];
  for (let request = 0; request < requests; request++) {
    const query = kinds[request % kinds.length]?.() ?? "";
    const sentAt = performance.now();
    const { status, body } = await client.get(`/orders?limit=50${query}`);
    latencies.push(performance.now() - sentAt);
    if (status !== 200) throw new Error(`GET /orders?limit=50${query} answered ${status}: ${body.slice(0, 300)}`);
  }
  return latencies;
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
