import { request } from "node:http";
import { startCauce } from "../cauce.ts";
import type { Bench } from "./bench.ts";
import { type Figure, ratio } from "./bounds.ts";
import { type Checkout, here } from "./checkout.ts";
import { getJson } from "./client.ts";
import { sampleOrder } from "./sampleOrders.ts";
import { type Server, withServer } from "./server.ts";
import { median } from "./statistics.ts";

const linesAtOnce = 400;
const chunksMade = 100;
const keyDigits = 8;
/** How much of a round's lines are sent before them, to warm the server up. */
const warmUpShare = 1 / 8;

/** Lines to send: the same ones again and again without keys, or with keys of which no two are the same. */
export interface Chunks {
  readonly keyed: boolean;
  next(): Buffer;
}

/** Makes lines before the measurement, so that the server alone is measured. */
export function createChunks(keyed: boolean): Chunks {
  const key = (line: number) => (keyed ? { idempotencyKey: `${"0".repeat(keyDigits)}-${line}` } : {});
  const made = Array.from({ length: chunksMade }, () => {
    const lines = Array.from(
      { length: linesAtOnce },
      (_, n) => `${JSON.stringify({ ...key(n), data: sampleOrder() })}\n`,
    );
    const bytes = Buffer.from(lines.join(""));
    const keysAt: number[] = [];
    for (let at = bytes.indexOf('y":"0'); keyed && at >= 0; at = bytes.indexOf('y":"0', at + 1)) keysAt.push(at + 4);
    return { bytes, keysAt };
  });
  let sent = 0;
  return {
    keyed,
    next() {
      const { bytes, keysAt } = made[sent % chunksMade] as (typeof made)[number];
      sent++;
      if (!keyed) return bytes;
      const copy = Buffer.from(bytes);
      const number = String(sent).padStart(keyDigits, "0");
      for (const at of keysAt) copy.write(number, at, "latin1");
      return copy;
    },
  };
}

/**
 * Measures how fast `POST /orders/batch` takes in a stream of lines, where each answer leaves once its order is on disk:
 * without keys and with a key a line, on this checkout and on `base` in turn.
 */
export async function measureBatch(
  bench: Bench,
  { rounds, lines, base }: { rounds: number; lines: number; base: Checkout | undefined },
): Promise<Figure[]> {
  const checkouts = base === undefined ? [here] : [here, base];
  const kinds = [false, true].flatMap((keyed) =>
    checkouts.map((checkout) => ({ keyed, checkout, rates: [] as number[] })),
  );
  for (let n = 1; n <= rounds; n++) {
    for (const { keyed, checkout, rates } of kinds) {
      const rate = await batchRound(bench, { keyed, checkout, lines, paused: true });
      rates.push(rate);
      bench.progress(
        `batch ${n}/${rounds}  ${checkout.name}, ${keyed ? "a key a line" : "no keys"}: ${perSecond(rate)}`,
      );
    }
  }
  const working = await batchRound(bench, { keyed: false, checkout: here, lines, paused: false });
  bench.progress(`batch while handlers work: ${perSecond(working)}`);
  const of = (keyed: boolean, checkout: Checkout | undefined) => {
    return kinds.find((each) => each.keyed === keyed && each.checkout === checkout)?.rates;
  };
  return [false, true].flatMap((keyed): Figure[] => {
    const [rates = [], before] = [of(keyed, here), of(keyed, base)];
    return [
      keyed
        ? { name: "keyedBatchPerSecond", value: median(rates) }
        : { name: "batchPerSecond", value: median(rates), detail: `${perSecond(working)} while handlers work` },
      ...(before === undefined ? [] : [ratio(keyed ? "keyedBatchRatioToBase" : "batchRatioToBase", rates, before)]),
    ];
  });
}

const perSecond = (rate: number) => `${Math.round(rate).toLocaleString("en")} orders/s`;

interface BatchRound {
  readonly keyed: boolean;
  readonly checkout: Checkout;
  readonly lines: number;
  /** Whether the first status is paused, so that intake alone is measured. */
  readonly paused: boolean;
}

/** Gives the lines that were stored and answered each second. */
async function batchRound(bench: Bench, { keyed, checkout, lines, paused }: BatchRound): Promise<number> {
  const chunks = createChunks(keyed);
  const count = Math.ceil(lines / linesAtOnce);
  const warmUp = Math.ceil(count * warmUpShare);
  return withServer(
    await startCauce(bench, { checkout, directory: await bench.directory("batch") }),
    async (server) => {
      if (paused) await pause(server);
      const warm = await sendBatch(server, chunks, warmUp);
      const startedAt = performance.now();
      const answered = await sendBatch(server, chunks, count);
      const seconds = (performance.now() - startedAt) / 1_000;
      if (paused) await checkStored(server, warm + answered);
      return answered / seconds;
    },
  );
}

export async function pause({ client }: Server): Promise<void> {
  const { status, body } = await client.post("/orders/queues/received/pause", {});
  if (status !== 200) throw new Error(`pause answered ${status}: ${body}`);
}

/**
 * Sends `count` chunks in one request. Resolves to the number of lines that were answered with 202. A server may refuse
 * lines as overloaded. Any other answer rejects.
 */
export function sendBatch({ url: server }: Server, chunks: Chunks, count: number): Promise<number> {
  const url = `${server}/orders/batch`;
  return new Promise((resolve, reject) => {
    let [stored, overloaded] = [0, 0];
    let rest = "";
    const sent = request(url, { method: "POST", headers: { "content-type": "application/x-ndjson" } }, (response) => {
      response.setEncoding("latin1");
      response.on("data", (text: string) => {
        rest += text;
        const lines = rest.slice(0, rest.lastIndexOf("\n") + 1);
        stored += occurrences(lines, '"status":202');
        overloaded += occurrences(lines, '"code":"overloaded"');
        rest = rest.slice(lines.length);
      });
      response.on("end", () => {
        const total = count * linesAtOnce;
        if (stored + overloaded === total) resolve(stored);
        else reject(new Error(`of ${total} lines ${stored} were stored and ${overloaded} refused as overloaded`));
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    let next = 0;
    const write = () => {
      while (next < count) {
        next++;
        if (!sent.write(chunks.next())) {
          sent.once("drain", write);
          return;
        }
      }
      sent.end();
    };
    write();
  });
}

function occurrences(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

async function checkStored({ client }: Server, lines: number): Promise<void> {
  const { workflows } = await getJson<{ workflows: { queues: { status: string; waiting: number }[] }[] }>(
    client,
    "/queues",
  );
  const waiting = workflows[0]?.queues.find(({ status }) => status === "received")?.waiting;
  if (waiting !== lines) throw new Error(`${lines} lines were answered and ${waiting} orders wait`);
}
