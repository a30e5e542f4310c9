import { request } from "node:http";
import { startCauce } from "../cauce.ts";
import type { Bench } from "./bench.ts";
import { getJson } from "./client.ts";
import { sampleOrder } from "./sampleOrders.ts";
import { median } from "./statistics.ts";

export interface BatchResult {
  readonly lines: number;
  /** Lines stored and answered each second, while the first status is paused. */
  readonly perSecond: number;
  readonly rounds: readonly number[];
  /** Lines stored and answered each second while the handlers work on the orders that come in. */
  readonly workingPerSecond: number;
}

const linesAtOnce = 400;

/**
 * Measures how fast `POST /orders/batch` takes in a stream of lines, where each answer leaves once its order is on
 * disk.
 */
export async function measureBatch(bench: Bench, options: { rounds: number; lines: number }): Promise<BatchResult> {
  const { rounds, lines } = options;
  // Made before the measurement and sent again and again, so that the server alone is measured.
  const chunks = Array.from({ length: 100 }, () =>
    Buffer.from(Array.from({ length: linesAtOnce }, () => `${JSON.stringify({ data: sampleOrder() })}\n`).join("")),
  );
  const round = async (paused: boolean): Promise<number> => {
    const server = await startCauce(bench, { directory: await bench.directory("batch") });
    try {
      if (paused) {
        const { status, body } = await server.client.post("/orders/queues/received/pause", {});
        if (status !== 200) throw new Error(`pause answered ${status}: ${body}`);
      }
      await send(`${server.url}/orders/batch`, chunks, Math.ceil(lines / linesAtOnce / 8));
      const startedAt = performance.now();
      const answered = await send(`${server.url}/orders/batch`, chunks, lines / linesAtOnce);
      const seconds = (performance.now() - startedAt) / 1_000;
      if (paused) await checkStored(server, answered + Math.ceil(lines / linesAtOnce / 8) * linesAtOnce);
      return answered / seconds;
    } finally {
      await server.stop();
    }
  };
  const rates: number[] = [];
  for (let n = 1; n <= rounds; n++) {
    const rate = await round(true);
    rates.push(rate);
    bench.progress(`batch ${n}/${rounds}: ${Math.round(rate).toLocaleString("en")} orders/s stored and answered`);
  }
  const workingPerSecond = await round(false);
  bench.progress(`batch while handlers work: ${Math.round(workingPerSecond).toLocaleString("en")} orders/s`);
  return { lines, perSecond: median([...rates]), rounds: rates, workingPerSecond };
}

/** Sends `count` chunks in one request, and resolves to the number of lines that were answered with 202. */
function send(url: string, chunks: readonly Buffer[], count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let answered = 0;
    let rest = "";
    const sent = request(url, { method: "POST", headers: { "content-type": "application/x-ndjson" } }, (response) => {
      response.setEncoding("latin1");
      response.on("data", (text: string) => {
        rest += text;
        const end = rest.lastIndexOf("\n") + 1;
        let at = rest.indexOf('"status":202', 0);
        while (at >= 0 && at < end) {
          answered++;
          at = rest.indexOf('"status":202', at + 1);
        }
        rest = rest.slice(end);
      });
      response.on("end", () => {
        if (answered === count * linesAtOnce) resolve(answered);
        else reject(new Error(`of ${count * linesAtOnce} lines ${answered} were stored`));
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    let next = 0;
    const write = () => {
      while (next < count) {
        if (!sent.write(chunks[next++ % chunks.length])) {
          sent.once("drain", write);
          return;
        }
      }
      sent.end();
    };
    write();
  });
}

async function checkStored({ client }: Awaited<ReturnType<typeof startCauce>>, lines: number): Promise<void> {
  const { workflows } = await getJson<{ workflows: { queues: { status: string; waiting: number }[] }[] }>(
    client,
    "/queues",
  );
  const waiting = workflows[0]?.queues.find(({ status }) => status === "received")?.waiting;
  if (waiting !== lines) throw new Error(`${lines} lines were answered and ${waiting} orders wait`);
}
