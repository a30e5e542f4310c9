import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "./bench.ts";
import { idleLatencies } from "./idle.ts";
import type { LoadGenerator } from "./load.ts";
import { loadWindow, type Window } from "./round.ts";
import type { Row } from "./rows.ts";
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
  readonly windows: readonly Window[];
  readonly completedPerSecond: number;
  readonly idleP50Milliseconds: number;
  readonly idleP99Milliseconds: number;
  readonly faults: readonly string[];
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
    .map((row) => ({ row, windows: [] as Window[], idle: [] as number[] }));
  for (let round = 1; round <= pace.rounds; round++) {
    for (const { row, windows, idle } of runs) {
      const step = `round ${round}/${pace.rounds}  ${row.name}`;
      await withServer(await row.start(await bench.directory(row.letter)), async (server) => {
        const window = await loadWindow(server, generator, pace);
        windows.push(window);
        bench.progress(`${step}: ${describe(window, row)}`);
        if (!row.processes) return;
        await sleep(restMilliseconds);
        const latencies = await idleLatencies(server, pace.idleOrders);
        idle.push(...latencies);
        bench.progress(`${step}: idle p50 ${percentile(latencies, 0.5).toFixed(2)} ms`);
      });
    }
  }
  return runs.map(({ row, windows, idle }) => ({
    row,
    windows,
    completedPerSecond: median(windows.map((window) => window.completedPerSecond)),
    idleP50Milliseconds: percentile(idle, 0.5),
    idleP99Milliseconds: percentile(idle, 0.99),
    faults: windows.flatMap(({ fault }) => (fault === undefined ? [] : [`${row.name}: ${fault}`])),
  }));
}

export function describe(
  { completedPerSecond, unfinished, fault }: Window,
  { processes } = { processes: true },
): string {
  const rate = `${Math.round(completedPerSecond).toLocaleString("en")} ${processes ? "completed" : "answered"}/s`;
  return `${rate}${processes ? `, ${unfinished} unfinished` : ""}${fault === undefined ? "" : `  [${fault}]`}`;
}
