import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startCauce } from "../cauce.ts";
import type { Bench } from "./bench.ts";
import { type Figure, type FigureName, ratio, shown } from "./bounds.ts";
import { type Checkout, here } from "./checkout.ts";
import { describe, type Pace } from "./compare.ts";
import { delayErrors } from "./delays.ts";
import { heldCustomer } from "./held.ts";
import { type ListUnderLoad, listsUnderLoad } from "./lists.ts";
import type { LoadGenerator } from "./load.ts";
import { watchMemory } from "./memory.ts";
import { missing, type Parts, part } from "./part.ts";
import { faultOf, loadWindow } from "./round.ts";
import { type Server, withServer } from "./server.ts";
import { median, percentile } from "./statistics.ts";

/** What measures with many orders stored, queued or held back. */
export interface Growth extends Parts {
  readonly generator: LoadGenerator;
  readonly pace: Pace;
  /** The checkout to measure beside this one. */
  readonly base: Checkout | undefined;
}

/** Orders completed a second on two kinds of server, turn by turn. */
interface Rates {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** From this many stored on, the rate has a bound of its own, and this checkout is measured alone. */
const storedMany = 10_000_000;
const queuedMax = 1_000_000;
const heldOrders = 100_000;
const delays = 300;
const workingAloneMilliseconds = 5_000;

/** Measures with `stored` orders that are finished: the rate, the start, the memory and the lists. */
export async function measureStored(growth: Growth, stored: number): Promise<Figure[]> {
  const { bench, pace } = growth;
  const isMany = stored >= storedMany;
  const base = isMany ? undefined : growth.base;
  const fill = (checkout: Checkout) => prefilled(bench, "stored", checkout, [String(stored), "final", "standard"]);
  const rateName = isMany ? "ratioStoredMany" : "ratioStored";
  const full = await part(growth, "filling the store", () => fill(here));
  if (full === undefined) return missing(rateName, "startMilliseconds", "rssMegabytes", "listP99Milliseconds");

  const starts: number[] = [];
  let megabytes = Number.NaN;
  const started = async () => {
    const server = await startCauce(bench, { directory: full });
    starts.push(server.startMilliseconds);
    const memory = watchMemory(server.pid);
    return {
      ...server,
      async stop() {
        megabytes = Math.max(Number.isNaN(megabytes) ? 0 : megabytes, memory.megabytesMax());
        memory.end();
        await server.stop();
      },
    };
  };
  const rates = await part(growth, "rate on a full store", () =>
    inTurn(growth, [
      {
        name: "empty store",
        start: async () => startCauce(bench, { directory: await bench.directory("empty") }),
      },
      { name: `${stored} stored`, start: started },
    ]),
  );
  const what = `${shown(stored, 0)} stored`;
  const figures: Figure[] = [
    rateFigure(rateName, rates, what),
    { name: "startMilliseconds", value: median(starts), detail: what },
    { name: "rssMegabytes", value: megabytes, detail: what },
  ];
  const lists = await part(growth, "lists", async () => {
    const stores = [{ checkout: here, directory: full }];
    if (base !== undefined) stores.push({ checkout: base, directory: await fill(base) });
    const perSecond = Math.round(median(rates?.before ?? []) / 2);
    if (!(perSecond > 0)) throw new Error("the rate of an empty store is not known");
    return listsInTurn(growth, stores, { perSecond, rounds: pace.rounds });
  });
  const [p99 = Number.NaN, baseP99 = Number.NaN] = (lists ?? []).map(({ latencies }) => percentile(latencies, 0.99));
  const placed = (lists ?? []).map(({ placedPerSecond }) => shown(median(placedPerSecond), 0)).join(" and ");
  figures.push({ name: "listP99Milliseconds", value: p99, detail: `${what}, ${placed} placed/s` });
  if (base !== undefined) figures.push(ratio("listRatioToBase", [p99], [baseP99], 2));
  return figures;
}

/** Measures with up to a million orders queued, with orders held behind one group, and with delays. */
export async function measureQueues(growth: Growth, orders: number): Promise<Figure[]> {
  const { bench } = growth;
  const queued = Math.min(queuedMax, orders);
  const held = Math.min(heldOrders, orders);
  const what = `${shown(queued, 0)} queued`;
  const started = await part(growth, "queued", () => measureQueued(growth, queued));
  const fifo = await part(growth, "a held group", async () => {
    const app = "bench/heldApp.ts";
    const behind = await prefilled(bench, "held", here, [String(held), "queued", "fifo", heldCustomer]);
    return inTurn(growth, [
      {
        name: "fifo, nothing held",
        start: async () => startCauce(bench, { app, delivery: "fifo", directory: await bench.directory("fifo") }),
      },
      { name: `fifo, ${held} held`, start: () => startCauce(bench, { app, delivery: "fifo", directory: behind }) },
    ]);
  });
  const late = await part(growth, "delays", async () => {
    const errors = await delayErrors(bench, delays);
    bench.progress(`${delays} delays: p99 ${percentile(errors, 0.99)} ms late`);
    return errors;
  });
  return [
    { name: "queuedStartMilliseconds", value: started?.startMilliseconds ?? Number.NaN, detail: what },
    { name: "queuedRssMegabytes", value: started?.rssMegabytes ?? Number.NaN, detail: started?.detail ?? what },
    rateFigure("ratioFifoHeld", fifo, `${shown(held, 0)} held`),
    {
      name: "delayErrorP99Milliseconds",
      value: late === undefined ? Number.NaN : percentile(late, 0.99),
      detail: `${delays} orders`,
    },
  ];
}

function rateFigure(name: FigureName, rates: Rates | undefined, what: string): Figure {
  if (rates === undefined) return { name, value: Number.NaN, detail: what };
  const { detail, ...figure } = ratio(name, rates.after, rates.before);
  return { ...figure, detail: `${what}, ${detail} completed/s` };
}

/** Fills a store with the checkout's own code, since each checkout has its own schema. */
async function prefilled(bench: Bench, name: string, checkout: Checkout, args: readonly string[]): Promise<string> {
  const directory = await bench.directory(name);
  const what = `filling a store of ${checkout.name}: ${args.join(" ")}`;
  bench.progress(`${what} …`);
  const child = await bench.children.start(process.execPath, [
    "--conditions=source",
    join(checkout.directory, "bench/prefill.ts"),
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

interface Kind {
  readonly name: string;
  start(): Promise<Server>;
}

/** Measures two kinds of server in turn. */
async function inTurn({ bench, generator, pace, faults }: Growth, kinds: readonly [Kind, Kind]): Promise<Rates> {
  const runs = kinds.map((kind) => ({ ...kind, rates: [] as number[] }));
  for (let round = 1; round <= pace.rounds; round++) {
    for (const { name, start, rates } of runs) {
      const window = await withServer(await start(), (server) => loadWindow(server, generator, pace));
      rates.push(window.completedPerSecond);
      const fault = faultOf(window);
      if (fault !== undefined) faults.push(`${name}: ${fault}`);
      bench.progress(`round ${round}/${pace.rounds}  ${name}: ${describe(window)}`);
    }
  }
  const [before = [], after = []] = runs.map(({ rates }) => rates);
  return { before, after };
}

interface Store {
  readonly checkout: Checkout;
  readonly directory: string;
}

/** Reads lists on each store in turn, while orders are placed at the same rate on each. */
async function listsInTurn(
  { bench, generator, pace }: Growth,
  stores: readonly Store[],
  { perSecond, rounds }: { perSecond: number; rounds: number },
): Promise<ListUnderLoad[]> {
  const runs = stores.map((store) => ({ ...store, latencies: [] as number[], placedPerSecond: [] as number[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { checkout, directory, latencies, placedPerSecond } of runs) {
      const measured = await withServer(await startCauce(bench, { checkout, directory }), (server) =>
        listsUnderLoad(server, generator, { perSecond, pace }),
      );
      latencies.push(...measured.latencies);
      placedPerSecond.push(...measured.placedPerSecond);
      const p99 = shown(percentile(measured.latencies, 0.99), 2);
      const count = `${measured.latencies.length} lists beside ${shown(median(measured.placedPerSecond), 0)} placed/s`;
      bench.progress(`round ${round}/${rounds}  ${checkout.name}: ${count}: p99 ${p99} ms`);
    }
  }
  return runs;
}

async function measureQueued({ bench, generator, pace }: Growth, queued: number) {
  const directory = await prefilled(bench, "queued", here, [String(queued), "queued", "standard"]);
  return withServer(await startCauce(bench, { directory }), async (server) => {
    const { startMilliseconds } = server;
    const memory = watchMemory(server.pid);
    await sleep(workingAloneMilliseconds);
    const workingMegabytes = memory.megabytesMax();
    const { completedPerSecond } = await loadWindow(server, generator, { ...pace, drain: false });
    const rssMegabytes = memory.megabytesMax();
    memory.end();
    const detail = `${shown(queued, 0)} queued; ${shown(workingMegabytes, 0)} without intake; completes ${shown(completedPerSecond, 0)}/s`;
    bench.progress(
      `${detail}; started in ${shown(startMilliseconds, 0)} ms, ${shown(rssMegabytes, 0)} MB at full load`,
    );
    return { startMilliseconds, rssMegabytes, detail };
  });
}
