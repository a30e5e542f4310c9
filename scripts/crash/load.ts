import { setTimeout as delay } from "node:timers/promises";
import { workflowName } from "./app.ts";
import { type Client, openClient } from "./client.ts";
import type { Keeper, Listening } from "./keeper.ts";
import { seededRandom } from "./random.ts";

/** One order that a client wants to place, once. */
export interface Wanted {
  /** The client's number and the number of the order among its own. No two orders have the same. */
  readonly ref: string;
  readonly client: number;
  readonly group: string;
  readonly flaky: boolean;
  /** The order's Idempotency-Key. Null for an order that is not sent again. */
  readonly key: string | null;
}

/** An answer 202 or 200 that a client has received whole. */
export interface Acknowledgement {
  readonly wanted: Wanted;
  readonly id: string;
}

export interface LoadOptions {
  readonly address: Keeper["address"];
  /** The same seed gives the same orders. */
  readonly seed: number;
  readonly clients: number;
}

export interface Load {
  /** In the order in which the answers came. */
  readonly acknowledgements: readonly Acknowledgement[];
  /** Orders without a key whose connection broke. It is unknown whether the server stored them. */
  readonly unanswered: () => number;
  /** Answers that a server must not give. */
  readonly faults: readonly string[];
  /** Resolves after that many further acknowledgements. */
  more(count: number): Promise<void>;
  /** Places nothing more; resolves when every client has its last answer. */
  stop(): Promise<void>;
  /** Sends every keyed order that was acknowledged once more. */
  repeat(): Promise<void>;
}

const groups = 6;
const keyedShare = 0.6;
const flakyShare = 0.1;
const repeatedShare = 0.1;
const sleepMillisecondsMax = 20;

/** Clients that place one order after another, through every death of the server. */
export function startLoad({ address, seed, clients }: LoadOptions): Load {
  const acknowledgements: Acknowledgement[] = [];
  const faults: string[] = [];
  const waiting = new Set<{ until: number; resolve: () => void }>();
  let unanswered = 0;
  let stopping = false;

  const acknowledge = (wanted: Wanted, body: string) => {
    acknowledgements.push({ wanted, id: (JSON.parse(body) as { id: string }).id });
    for (const each of waiting) {
      if (each.until > acknowledgements.length) continue;
      waiting.delete(each);
      each.resolve();
    }
  };

  /** Sends an order with a key until it is answered, and an order without a key once. */
  const place = async (client: Client, wanted: Wanted): Promise<void> => {
    const { ref, group, flaky, key } = wanted;
    let gone: Listening | undefined;
    for (;;) {
      const listening = await address(gone);
      try {
        const { status, body } = await client.post(`${listening.url}/${workflowName}`, { ref, group, flaky }, key);
        if (status === 202 || (status === 200 && key !== null)) acknowledge(wanted, body);
        else faults.push(`placing ${ref} was answered with ${status}: ${body}`);
        return;
      } catch {
        if (key === null) {
          unanswered++;
          return;
        }
        gone = listening;
      }
    }
  };

  const run = async (number: number): Promise<void> => {
    const client = openClient();
    const random = seededRandom(`${seed}:client ${number}`);
    for (let n = 1; !stopping; n++) {
      const ref = `${number}-${n}`;
      const wanted = {
        ref,
        client: number,
        group: `g-${Math.floor(random() * groups)}`,
        flaky: random() < flakyShare,
        key: random() < keyedShare ? `key-${ref}` : null,
      };
      await place(client, wanted);
      if (wanted.key !== null && random() < repeatedShare) await place(client, wanted);
      await delay(random() * sleepMillisecondsMax);
    }
    client.close();
  };
  const running = Promise.all(Array.from({ length: clients }, (_, number) => run(number)));

  return {
    acknowledgements,
    faults,
    unanswered: () => unanswered,
    more: (count) => new Promise((resolve) => void waiting.add({ until: acknowledgements.length + count, resolve })),
    async stop() {
      stopping = true;
      await running;
    },
    async repeat() {
      const keyed = [...new Set(acknowledgements.map(({ wanted }) => wanted))].filter(({ key }) => key !== null);
      await inParallel(clients, keyed, place);
    },
  };
}

/** Calls `each` for each item, over this many connections. */
export async function inParallel<T>(
  connections: number,
  items: readonly T[],
  each: (client: Client, item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = openClient();
      for (const item of left) await each(client, item);
      client.close();
    }),
  );
}
