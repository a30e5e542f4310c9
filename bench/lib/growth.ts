import { rm } from "node:fs/promises";
import { join } from "node:path";
import { startCauce } from "../cauce.ts";
import { type Bench, repository } from "./bench.ts";
import type { Pace } from "./compare.ts";
import { describe } from "./compare.ts";
import { delayErrors } from "./delays.ts";
import { heldCustomer } from "./held.ts";
import { listLatencies } from "./lists.ts";
import type { LoadGenerator } from "./load.ts";
import { watchMemory } from "./memory.ts";
import { loadWindow } from "./round.ts";
import type { Server } from "./server.ts";
import { median, percentile } from "./statistics.ts";

/** What becomes of Cauce when much is stored, or queued, or held back. */
export interface GrowthResult {
  readonly stored: number;
  readonly held: number;
  readonly emptyPerSecond: number;
  readonly storedPerSecond: number;
  readonly queuedPerSecond: number;
  readonly ratioStored: number;
  readonly listRequests: number;
  readonly listP99Milliseconds: number;
  readonly startMilliseconds: number;
  readonly rssMegabytes: number;
  readonly unheldPerSecond: number;
  readonly heldPerSecond: number;
  readonly ratioFifoHeld: number;
  readonly delays: number;
  readonly delayErrorP50Milliseconds: number;
  readonly delayErrorP99Milliseconds: number;
  readonly faults: readonly string[];
}

const heldOrders = 100_000;
const listRequests = 600;
const delays = 300;

export async function measureGrowth(
  bench: Bench,
  generator: LoadGenerator,
  stored: number,
  pace: Pace,
): Promise<GrowthResult> {
  const held = Math.min(heldOrders, stored);
  const faults: string[] = [];

  const full = await prefilled(bench, "stored", [String(stored), "final", "standard"]);
  const growth = await inTurn(bench, generator, pace, faults, [
    { name: "empty store", start: async () => startCauce(bench, { directory: await bench.directory("empty") }) },
    { name: `${stored} stored`, start: () => startCauce(bench, { directory: full }) },
  ]);
  const reading = await startCauce(bench, { directory: full });
  const lists = await listLatencies(reading, listRequests);
  await reading.stop();
  bench.progress(`lists over ${stored} stored: p99 ${percentile(lists, 0.99).toFixed(2)} ms`);
  await rm(full, { recursive: true });

  const queued = await measureQueued(bench, generator, stored, pace);

  const app = "bench/heldApp.ts";
  const behind = await prefilled(bench, "held", [String(held), "queued", "fifo", heldCustomer]);
  const fifo = await inTurn(bench, generator, pace, faults, [
    {
      name: "fifo, nothing held",
      start: async () => startCauce(bench, { app, delivery: "fifo", directory: await bench.directory("fifo") }),
    },
    { name: `fifo, ${held} held`, start: () => startCauce(bench, { app, delivery: "fifo", directory: behind }) },
  ]);

  const late = await delayErrors(bench, delays);
  bench.progress(`${delays} delays: p99 ${percentile(late, 0.99).toFixed(0)} ms late`);

  const [emptyPerSecond = Number.NaN, storedPerSecond = Number.NaN] = growth;
  const [unheldPerSecond = Number.NaN, heldPerSecond = Number.NaN] = fifo;
  return {
    stored,
    held,
    emptyPerSecond,
    storedPerSecond,
    ratioStored: storedPerSecond / emptyPerSecond,
    listRequests,
    listP99Milliseconds: percentile(lists, 0.99),
    ...queued,
    unheldPerSecond,
    heldPerSecond,
    ratioFifoHeld: heldPerSecond / unheldPerSecond,
    delays,
    delayErrorP50Milliseconds: percentile(late, 0.5),
    delayErrorP99Milliseconds: percentile(late, 0.99),
    faults,
  };
}

async function prefilled(bench: Bench, name: string, args: readonly string[]): Promise<string> {
  const directory = await bench.directory(name);
  const what = `filling a store with ${args.join(" ")} orders`;
  bench.progress(`${what} …`);
  const child = await bench.children.start(process.execPath, [
    "--conditions=source",
    join(repository, "bench/lib/prefill.ts"),
    directory,
    ...args,
  ]);
  let said = "";
  const timer = setInterval(() => {
    const done = child.standardOutput().trim().split("\n").at(-1) ?? "";
    if (done !== said) bench.progress(`${what}: ${(said = done)}`);
  }, 1_000);
  const { code } = await child.ended;
  clearInterval(timer);
  if (code !== 0) throw new Error(`the store was not filled: ${child.lastOutput()}`);
  return directory;
}

/** The medians of several kinds of server, measured in turn. */
async function inTurn(
  bench: Bench,
  generator: LoadGenerator,
  pace: Pace,
  faults: string[],
  kinds: readonly { readonly name: string; start(): Promise<Server> }[],
): Promise<number[]> {
  const runs = kinds.map((kind) => ({ ...kind, rates: [] as number[] }));
  for (let round = 1; round <= pace.rounds; round++) {
    for (const { name, start, rates } of runs) {
      const server = await start();
      const window = await loadWindow(server, generator, pace);
      await server.stop();
      rates.push(window.completedPerSecond);
      if (window.fault !== undefined) faults.push(`${name}: ${window.fault}`);
      bench.progress(`round ${round}/${pace.rounds}  ${name}: ${describe(window)}`);
    }
  }
  return runs.map(({ rates }) => median(rates));
}

async function measureQueued(bench: Bench, generator: LoadGenerator, queued: number, pace: Pace) {
  const directory = await prefilled(bench, "queued", [String(queued), "queued", "standard"]);
  const server = await startCauce(bench, { directory });
  const { startMilliseconds } = server;
  const memory = watchMemory(server.pid);
  const window = await loadWindow(server, generator, { ...pace, drain: false });
  const rssMegabytes = memory.end();
  const left = await server.open();
  await server.stop();
  bench.progress(
    `${queued} queued: started in ${startMilliseconds.toFixed(0)} ms, at most ${rssMegabytes.toFixed(0)} MB, ${describe({ ...window, fault: undefined })}, ${left} still open`,
  );
  await rm(directory, { recursive: true });
  return { startMilliseconds, rssMegabytes, queuedPerSecond: window.completedPerSecond };
}
