import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startCauce } from "../cauce.ts";
import { type Bench, repository } from "./bench.ts";
import { describe, type Pace } from "./compare.ts";
import { delayErrors } from "./delays.ts";
import { heldCustomer } from "./held.ts";
import { listLatencies } from "./lists.ts";
import type { LoadGenerator } from "./load.ts";
import { watchMemory } from "./memory.ts";
import { loadWindow } from "./round.ts";
import { type Server, withServer } from "./server.ts";
import { median, percentile } from "./statistics.ts";

/** Figures of Cauce with many orders stored, queued or held back. A part that failed is undefined, with a fault. */
export interface GrowthResult {
  readonly stored: number;
  readonly held: number;
  readonly rates: Rates | undefined;
  readonly lists: readonly number[] | undefined;
  readonly queued: Queued | undefined;
  readonly fifo: Rates | undefined;
  readonly late: readonly number[] | undefined;
  readonly faults: readonly string[];
}

/** Orders completed a second, as medians. */
export interface Rates {
  readonly before: number;
  readonly after: number;
}

export interface Queued {
  readonly startMilliseconds: number;
  /** The most resident memory while the server works through the queue and takes in no order. */
  readonly workingMegabytes: number;
  /** The most resident memory of all, at full load too. */
  readonly rssMegabytes: number;
  readonly completedPerSecond: number;
}

const heldOrders = 100_000;
const listRequests = 600;
const delays = 300;
const workingAloneMilliseconds = 5_000;

export async function measureGrowth(
  bench: Bench,
  generator: LoadGenerator,
  stored: number,
  pace: Pace,
): Promise<GrowthResult> {
  const held = Math.min(heldOrders, stored);
  const faults: string[] = [];
  // If one part fails, the results of the other parts must stay, since they took minutes.
  const part = async <T>(name: string, measure: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await measure();
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
      bench.progress(`${name} failed: ${(error as Error).message}`);
      return undefined;
    }
  };

  const full = await part("filling the store", () => prefilled(bench, "stored", [String(stored), "final", "standard"]));
  const rates =
    full === undefined
      ? undefined
      : await part("rate on a full store", () =>
          inTurn(bench, generator, pace, faults, [
            {
              name: "empty store",
              start: async () => startCauce(bench, { directory: await bench.directory("empty") }),
            },
            { name: `${stored} stored`, start: () => startCauce(bench, { directory: full }) },
          ]),
        );
  const lists = full === undefined ? undefined : await part("lists", () => measureLists(bench, full, stored));

  const queued = await part("queued", () => measureQueued(bench, generator, stored, pace));

  const fifo = await part("a held group", async () => {
    const app = "bench/heldApp.ts";
    const behind = await prefilled(bench, "held", [String(held), "queued", "fifo", heldCustomer]);
    return inTurn(bench, generator, pace, faults, [
      {
        name: "fifo, nothing held",
        start: async () => startCauce(bench, { app, delivery: "fifo", directory: await bench.directory("fifo") }),
      },
      { name: `fifo, ${held} held`, start: () => startCauce(bench, { app, delivery: "fifo", directory: behind }) },
    ]);
  });

  const late = await part("delays", async () => {
    const errors = await delayErrors(bench, delays);
    bench.progress(`${delays} delays: p99 ${percentile(errors, 0.99)} ms late`);
    return errors;
  });

  return { stored, held, rates, lists, queued, fifo, late, faults };
}

async function prefilled(bench: Bench, name: string, args: readonly string[]): Promise<string> {
  const directory = await bench.directory(name);
  const what = `filling a store: ${args.join(" ")}`;
  bench.progress(`${what} …`);
  const child = await bench.children.start(process.execPath, [
    "--conditions=source",
    join(repository, "bench/prefill.ts"),
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

/** Measures two kinds of server in turn. */
async function inTurn(
  bench: Bench,
  generator: LoadGenerator,
  pace: Pace,
  faults: string[],
  kinds: readonly [Kind, Kind],
): Promise<Rates> {
  const runs = kinds.map((kind) => ({ ...kind, rates: [] as number[] }));
  for (let round = 1; round <= pace.rounds; round++) {
    for (const { name, start, rates } of runs) {
      const window = await withServer(await start(), (server) => loadWindow(server, generator, pace));
      rates.push(window.completedPerSecond);
      if (window.fault !== undefined) faults.push(`${name}: ${window.fault}`);
      bench.progress(`round ${round}/${pace.rounds}  ${name}: ${describe(window)}`);
    }
  }
  const [before = Number.NaN, after = Number.NaN] = runs.map(({ rates }) => median(rates));
  return { before, after };
}

interface Kind {
  readonly name: string;
  start(): Promise<Server>;
}

async function measureLists(bench: Bench, directory: string, stored: number): Promise<number[]> {
  const latencies = await withServer(await startCauce(bench, { directory }), (server) =>
    listLatencies(server, listRequests),
  );
  bench.progress(`lists over ${stored} stored: p99 ${percentile(latencies, 0.99).toFixed(2)} ms`);
  return latencies;
}

async function measureQueued(bench: Bench, generator: LoadGenerator, queued: number, pace: Pace): Promise<Queued> {
  const directory = await prefilled(bench, "queued", [String(queued), "queued", "standard"]);
  return withServer(await startCauce(bench, { directory }), async (server) => {
    const { startMilliseconds } = server;
    const memory = watchMemory(server.pid);
    await sleep(workingAloneMilliseconds);
    const workingMegabytes = memory.megabytesMax();
    const { completedPerSecond } = await loadWindow(server, generator, { ...pace, drain: false });
    const measured = { startMilliseconds, workingMegabytes, rssMegabytes: memory.megabytesMax(), completedPerSecond };
    memory.end();
    bench.progress(
      [
        `${queued} queued: started in ${startMilliseconds.toFixed(0)} ms`,
        `${workingMegabytes.toFixed(0)} MB while it works, ${measured.rssMegabytes.toFixed(0)} MB at full load`,
        `${Math.round(completedPerSecond)} completed/s, ${await server.open()} still open`,
      ].join(", "),
    );
    return measured;
  });
}
