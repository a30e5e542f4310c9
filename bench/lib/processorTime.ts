import { readFileSync } from "node:fs";
import { startCauce } from "../cauce.ts";
import { createChunks, pause, sendBatch } from "./batch.ts";
import type { Bench } from "./bench.ts";
import { type Figure, ratio } from "./bounds.ts";
import { type Checkout, here } from "./checkout.ts";
import { connections, type LoadGenerator } from "./load.ts";
import { drained, type Server, withServer } from "./server.ts";

/** The kernel counts a process's time in ticks of 1/100 s. */
const microsecondsATick = 10_000;
const warmUpSeconds = 2;
const postSeconds = 4;
const warmUpChunks = 50;
const batchChunks = 300;

const kinds = [
  {
    name: "an order of POST",
    figure: "postProcessorRatioToBase",
    async warmUp(server: Server, generator: LoadGenerator) {
      await generator.run(server.url, { seconds: warmUpSeconds, connections });
      await drained(server);
    },
    async load(server: Server, generator: LoadGenerator) {
      const { accepted } = await generator.run(server.url, { seconds: postSeconds, connections });
      await drained(server);
      return accepted;
    },
  },
  {
    name: "a line of a batch",
    figure: "lineProcessorRatioToBase",
    async warmUp(server: Server) {
      await pause(server);
      await sendBatch(server, createChunks(false), warmUpChunks);
    },
    load: (server: Server) => sendBatch(server, createChunks(false), batchChunks),
  },
] as const;

/**
 * Measures the processor time that an order takes, placed by a POST and processed to its end, and that a line of a
 * batch takes, beside `base`. Two servers of one checkout differ by a tenth for as long as they live. So each value
 * comes from a fresh server, and the figure is the median of the ratios of many pairs.
 */
export async function measureProcessorTime(
  bench: Bench,
  generator: LoadGenerator,
  { pairs, base }: { pairs: number; base: Checkout },
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, figure, warmUp, load } of kinds) {
    const times = new Map<Checkout, number[]>([
      [here, []],
      [base, []],
    ]);
    for (let pair = 1; pair <= pairs; pair++) {
      // The other checkout goes first in every second pair.
      for (const [checkout, values] of pair % 2 === 0 ? [...times].reverse() : times) {
        const started = await startCauce(bench, { checkout, directory: await bench.directory("processor") });
        const microseconds = await withServer(started, async (server) => {
          await warmUp(server, generator);
          const before = processorMicroseconds(server.pid);
          const orders = await load(server, generator);
          return (processorMicroseconds(server.pid) - before) / orders;
        });
        values.push(microseconds);
        bench.progress(`pair ${pair}/${pairs}  ${checkout.name}, ${name}: ${microseconds.toFixed(1)} µs of processor`);
      }
    }
    figures.push(ratio(figure, times.get(here) ?? [], times.get(base) ?? [], 1));
  }
  return figures;
}

/** Reads the processor time that a process has taken, all its threads together. Only Linux tells it. */
function processorMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  // `utime` and `stime` are the fields 14 and 15 of proc(5), and the text before the third is cut off.
  return (Number(fields[11]) + Number(fields[12])) * microsecondsATick;
}
