import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import type { Order } from "../../src/core/order.ts";
import type { AnyWorkflow } from "../../src/core/workflow.ts";
import { type Chaos, type ChaosCounts, type ChaosShares, createChaos, seeded } from "../../src/emulate/chaos.ts";
import { type Emulation, emulate } from "../../src/emulate/emulate.ts";
import type { Hook } from "../../src/emulate/services/call.ts";
import { type Acknowledged, hasEnded, type Judgement, judge } from "./judge.ts";

export interface ChaosRunOptions {
  readonly assembly: string;
  readonly workflow: AnyWorkflow;
  readonly orders: number;
  readonly seed: number;
  /** After this time an order that has not ended counts as stuck. */
  readonly patienceSeconds: number;
  /** The data of the order with this key; its `note` must be the key. */
  dataOf(key: string, index: number): unknown;
  readonly shares?: ChaosShares | undefined;
  /** A function whose calls do not fail. If the sweep's mark were lost, the order would wait for twice its lease. */
  readonly spared?: string | undefined;
  /** Called each second or so while orders are open, so that a test may sweep. */
  readonly onWait?: ((emulation: Emulation) => Promise<void>) | undefined;
  readonly onProgress?: ((line: string) => void) | undefined;
}

export interface ChaosRun extends Judgement {
  readonly seconds: number;
  readonly struck: ChaosCounts;
}

const clients = 16;
const sleepMilliseconds = 500;
const openMax = 20;

/** Places orders while everything goes wrong, waits until all have ended, and looks at what became of each. */
export async function chaosRun(options: ChaosRunOptions): Promise<ChaosRun> {
  const { assembly, workflow, orders: wanted, seed, dataOf, onProgress } = options;
  const made = createChaos(seeded(seed), options.shares);
  const hook: Hook = (call) => (call.function === options.spared ? "pass" : made.hook(call));
  const chaos: Chaos = { ...made, hook };
  const transitions = new Map<string, number>();
  const emulation = await emulate({
    assembly,
    port: 0,
    clock: systemClock(),
    chaos,
    onLine: (_name, line) => count(line),
  });
  const begun = performance.now();
  const until = begun + options.patienceSeconds * 1_000;
  // An API that answers only 5xx ends the run too. Counting at the end needs some time of its own.
  const signal = AbortSignal.timeout(2 * options.patienceSeconds * 1_000);
  try {
    const [base] = emulation.urls;
    const fifo = emulation.stacks.some(({ topics }) => topics.some((topic) => topic.fifo));
    const url = `${base}/${workflow.name}`;
    // Half of the orders are placed while subscriptions begin, the other half once all subscriptions work.
    const half = Math.floor(wanted / 2);
    const acknowledged = await place({ url, first: 0, end: half, dataOf, signal });
    await emulation.subscribed;
    const subscribedAt = Date.now();
    for (const [key, placing] of await place({ url, first: half, end: wanted, dataOf, signal }))
      acknowledged.set(key, placing);
    onProgress?.(`placed ${acknowledged.size} in ${seconds(begun)} s`);
    const open = new Set([...acknowledged.values()].map(({ id }) => id));
    let said = 0;
    while (open.size > 0 && performance.now() < until) {
      // The orders that were placed first are read first. A round ends once many orders are still open.
      let met = 0;
      for (const id of [...open]) {
        const order = await read<Order>(`${url}/${id}`, signal);
        // A failed order moves only once an operator moves it, so it counts as stuck.
        if (order !== undefined && (hasEnded(workflow, order) || order.failure !== null)) open.delete(id);
        else if (++met >= openMax) break;
      }
      if (open.size === 0) break;
      if (open.size !== said) onProgress?.(`${open.size} open after ${seconds(begun)} s`);
      said = open.size;
      await options.onWait?.(emulation);
      await sleep(sleepMilliseconds);
    }
    const took = (performance.now() - begun) / 1_000;
    const orders = new Map<string, { readonly key: string; readonly order: Order }>();
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: Page | undefined = await read<Page>(
        `${url}?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`,
        signal,
      );
      for (const { id } of page?.items ?? []) {
        const order = await read<Order>(`${url}/${id}`, signal);
        if (order !== undefined) orders.set(id, { key: (order.data as { readonly note: string }).note, order });
      }
      cursor = page?.nextCursor ?? null;
    }
    return {
      ...judge({ workflow, fifo, subscribedAt, acknowledged, orders, transitions }),
      seconds: took,
      struck: { ...chaos.counts },
    };
  } finally {
    await emulation.close();
  }

  function count(line: string): void {
    if (!line.includes('"attempt done"') || !line.includes('"outcome":"moved"')) return;
    const { orderId, visit } = JSON.parse(line) as { readonly orderId: string; readonly visit: number };
    const key = `${orderId}:${visit}`;
    transitions.set(key, (transitions.get(key) ?? 0) + 1);
  }
}

interface Page {
  readonly items: readonly { readonly id: string }[];
  readonly nextCursor: string | null;
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}

/** Places each order until it is acknowledged, as a client with a key does. */
async function place({
  url,
  first,
  end,
  dataOf,
  signal,
}: {
  readonly url: string;
  readonly first: number;
  readonly end: number;
  readonly dataOf: ChaosRunOptions["dataOf"];
  readonly signal: AbortSignal;
}): Promise<Map<string, Acknowledged>> {
  const acknowledged = new Map<string, Acknowledged>();
  let next = first;
  const client = async (): Promise<void> => {
    while (next < end) {
      const index = next++;
      const key = `key-${index}`;
      const sentAt = Date.now();
      while (!acknowledged.has(key)) {
        const answer = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": key },
          body: JSON.stringify(dataOf(key, index)),
          signal,
        });
        const body = (await answer.json()) as { readonly id: string };
        if (answer.ok) acknowledged.set(key, { id: body.id, sentAt, answeredAt: Date.now() });
        else if (answer.status < 500) throw new Error(`placing was refused: ${answer.status} ${JSON.stringify(body)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return acknowledged;
}

/** Reads until the answer is whole, since a function may be killed while it answers. */
async function read<T>(url: string, signal: AbortSignal): Promise<T | undefined> {
  for (;;) {
    const answer = await fetch(url, { signal });
    const body = await answer.json();
    if (answer.ok) return body as T;
    if (answer.status === 404) return undefined;
    if (answer.status < 500) throw new Error(`${url}: ${answer.status} ${JSON.stringify(body)}`);
  }
}
