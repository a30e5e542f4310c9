import { setTimeout as sleep } from "node:timers/promises";
import { startCauce } from "../cauce.ts";
import type { Bench } from "./bench.ts";
import { getJson } from "./client.ts";
import { drained, withServer } from "./server.ts";

interface Page {
  readonly items: readonly { readonly results: { readonly lateMilliseconds: number } }[];
}

const delaySecondsMin = 0.1;
const delaySecondsMax = 2;
const gapMilliseconds = 20;

/**
 * Measures how many milliseconds after its time each delayed order reached its handler again, on a server that has
 * little else to do. At most 1,000 orders.
 */
export async function delayErrors(bench: Bench, orders: number): Promise<number[]> {
  const directory = await bench.directory("delays");
  const { items } = await withServer(
    await startCauce(bench, { app: "bench/delayApp.ts", directory }),
    async (server) => {
      for (let order = 0; order < orders; order++) {
        const delaySeconds = delaySecondsMin + Math.random() * (delaySecondsMax - delaySecondsMin);
        const { status, body } = await server.client.post("/delays", { delaySeconds });
        if (status !== 202) throw new Error(`POST /delays answered ${status}: ${body.slice(0, 300)}`);
        await sleep(gapMilliseconds);
      }
      await drained(server, 0, 5 * delaySecondsMax);
      return getJson<Page>(server.client, "/delays?status=done&limit=1000");
    },
  );
  if (items.length !== orders) throw new Error(`${items.length} of ${orders} delayed orders are done`);
  const late = items.map(({ results }) => results.lateMilliseconds);
  if (Math.min(...late) < 0) throw new Error(`a delayed order came ${-Math.min(...late)} ms early`);
  return late;
}
