import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { type Figure, type FigureName, ratio, shown } from "./bounds.ts";
import { idleLatencies } from "./idle.ts";
import type { LoadGenerator } from "./load.ts";
import { faultOf, loadWindow, unfinishedSeconds, type Window } from "./round.ts";
import type { Row, RowLetter } from "./rows.ts";
import { withServer } from "./server.ts";
import { median, percentile } from "./statistics.ts";

export interface Pace {
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** One value for each round. */
  readonly idleOrders: number;
}

/** A row over all its rounds. */
export interface RowResult {
  readonly row: Row;
  /** By the row's numbers of connections, in their order. */
  readonly loads: readonly RowLoad[];
  readonly idleP50Milliseconds: number;
  readonly idleP99Milliseconds: number;
  readonly faults: readonly string[];
}

export interface RowLoad {
  readonly connections: number;
  readonly windows: readonly Window[];
  readonly completedPerSecond: number;
}

const restMilliseconds = 500;

/** Runs the rows in turn, round after round, so that whatever else the machine does meets all of them alike. */
export async function compareRows(
  bench: Bench,
  generator: LoadGenerator,
  rows: readonly Row[],
  pace: Pace,
): Promise<RowResult[]> {
  const runs = rows
    .filter(({ missing }) => missing === undefined)
    .map((row) => ({
      row,
      loads: row.connections.map((connections) => ({ connections, windows: [] as Window[] })),
      idle: [] as number[],
    }));
  for (let round = 1; round <= pace.rounds; round++) {
    for (const { row, loads, idle } of runs) {
      const step = `round ${round}/${pace.rounds}  ${row.name}`;
      await withServer(await row.start(await bench.directory(row.letter)), async (server) => {
        for (const [nth, { connections, windows }] of rotated(loads, round - 1).entries()) {
          const warmUpSeconds = nth === 0 ? pace.warmUpSeconds : 0;
          const window = await loadWindow(server, generator, { warmUpSeconds, seconds: pace.seconds, connections });
          windows.push(window);
          bench.progress(`${step}, ${connections} connections: ${describe(window, row)}`);
        }
        if (!row.processes) return;
        await sleep(restMilliseconds);
        const latencies = await idleLatencies(server, pace.idleOrders);
        idle.push(...latencies);
        bench.progress(`${step}: idle p50 ${percentile(latencies, 0.5).toFixed(2)} ms`);
      });
    }
  }
  return runs.map(({ row, loads, idle }) => ({
    row,
    loads: loads.map(({ connections, windows }) => ({
      connections,
      windows,
      completedPerSecond: median(windows.map(({ completedPerSecond }) => completedPerSecond)),
    })),
    idleP50Milliseconds: percentile(idle, 0.5),
    idleP99Milliseconds: percentile(idle, 0.99),
    faults: loads.flatMap(({ connections, windows }) =>
      windows.flatMap((window) => {
        // A peer that takes in more than it processes gives no rate. The bounds judge Cauce for the same.
        const fault = row.letter === "c" ? faultOf(window) : window.fault;
        return fault === undefined ? [] : [`${row.name}, ${connections} connections: ${fault}`];
      }),
    ),
  }));
}

/** Begins at another item each time, so that no number of connections always meets the emptiest store. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** The figures that compare the rows. A row that did not run gives none. */
export function rowFigures(results: readonly RowResult[]): Figure[] {
  const of = (letter: RowLetter) => results.find(({ row }) => row.letter === letter);
  const [bare, cauce, bullmq, base] = [of("a"), of("b"), of("c"), of("d")];
  const first = cauce?.loads[0];
  if (cauce === undefined || first === undefined) return [];
  const beside = (name: FigureName, row: RowResult | undefined): Figure[] => {
    const other = row?.loads[0];
    return other === undefined ? [] : [ratio(name, ratesOf(first), ratesOf(other))];
  };
  const idle = (name: FigureName, row: RowResult | undefined): Figure[] =>
    row === undefined ? [] : [ratio(name, [cauce.idleP50Milliseconds], [row.idleP50Milliseconds], 2)];
  const best = Math.max(...cauce.loads.map(({ completedPerSecond }) => completedPerSecond));
  const [, at256, at1024] = cauce.loads.map(({ completedPerSecond }) => completedPerSecond);
  const unfinished = cauce.loads.map(({ windows }) => Math.max(...windows.map(unfinishedSeconds)));
  return [
    ...beside("ratioToBareFront", bare),
    ...beside("ratioToBullmq", bullmq),
    ...beside("ratioToBase", base),
    ratio("ratioAt256", [at256 ?? Number.NaN], [best]),
    ratio("ratioAt1024", [at1024 ?? Number.NaN], [best]),
    {
      name: "unfinishedSeconds",
      value: Math.max(...unfinished),
      detail: cauce.loads
        .map(({ connections }, nth) => `${connections}: ${shown(unfinished[nth] ?? Number.NaN, 2)}`)
        .join(", "),
    },
    ...idle("idleRatioToBullmq", bullmq),
    ...idle("idleRatioToBase", base),
  ];
}

function ratesOf({ windows }: RowLoad): number[] {
  return windows.map(({ completedPerSecond }) => completedPerSecond);
}

export function describe(
  { completedPerSecond, unfinished, overloaded, fault }: Window,
  { processes } = { processes: true },
): string {
  const rate = `${Math.round(completedPerSecond).toLocaleString("en")} ${processes ? "completed" : "answered"}/s`;
  const refused = overloaded === 0 ? "" : `, ${overloaded} answered 503 overloaded`;
  const open = processes ? `, ${unfinished} unfinished` : "";
  return `${rate}${open}${refused}${fault === undefined ? "" : `  [${fault}]`}`;
}
