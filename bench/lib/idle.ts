import { setTimeout as sleep } from "node:timers/promises";
import { sampleOrder } from "./sampleOrders.ts";
import type { Server } from "./server.ts";

const giveUpMilliseconds = 10_000;

/**
 * Places orders one after another on an idle server. Gives for each the milliseconds from sending the POST to the first
 * answer that shows the order in its final status. It reads the order again and again over one kept connection, with
 * one request under way at most. That is the same for every row, and adds at most one such reading to each.
 */
export async function idleLatencies({ client }: Server, orders: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let order = 0; order < orders; order++) {
    // The pause has an uneven length, so that no timer of a server falls into step with it.
    await sleep(5 + Math.random() * 10);
    const body = sampleOrder();
    const sentAt = performance.now();
    const placed = await client.post("/orders", body);
    if (placed.status !== 202) throw new Error(`POST /orders answered ${placed.status}: ${placed.body.slice(0, 300)}`);
    const path = `/orders/${(JSON.parse(placed.body) as { id: string }).id}`;
    for (;;) {
      const { status, body: seen } = await client.get(path);
      const passed = performance.now() - sentAt;
      if (status === 200 && seen.includes('"status":"shipped"')) {
        latencies.push(passed);
        break;
      }
      if (passed > giveUpMilliseconds) throw new Error(`an order is not final after ${passed} ms: ${seen}`);
    }
  }
  return latencies;
}
