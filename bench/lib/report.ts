import { readFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { resolve } from "node:path";
import { boundRows, type Figure } from "./bounds.ts";
import type { Pace, RowResult } from "./compare.ts";
import type { LoadGenerator } from "./load.ts";
import type { Row } from "./rows.ts";
import { median } from "./statistics.ts";
import { table } from "./table.ts";

export interface Run {
  readonly rows: readonly Row[];
  readonly results: readonly RowResult[];
  readonly figures: readonly Figure[];
  readonly faults: readonly string[];
  readonly generator: LoadGenerator;
  readonly pace: Pace;
  readonly root: string;
}

/** Renders a run as Markdown, ready for the README: the rows, then each figure with its bound. */
export function report({ rows, results, figures, faults, generator, pace, root }: Run): string {
  return [
    machine(generator, pace, root),
    ...(rows.length === 0 ? [] : [rowTable(rows, results)]),
    ...(figures.length === 0
      ? []
      : [table(["figure", "value", "bound", "aim", "", "how"], boundRows(figures), [0, 5])]),
    ...(faults.length === 0 ? [] : [faults.map((fault) => `- does not count: ${fault}`).join("\n")]),
  ].join("\n\n");
}

const header = ["", "connections", "completed/s", "rounds", "intake/s", "unfinished at most", "503 overloaded"];
const latencies = ["POST p99 ms", "idle p50 ms", "idle p99 ms"];

function rowTable(rows: readonly Row[], results: readonly RowResult[]): string {
  const lines = rows.flatMap((row) => {
    const result = results.find((each) => each.row === row);
    const label = `(${row.letter}) ${row.name}`;
    if (result === undefined) return [[label, row.missing ?? "not run"]];
    const { loads, idleP50Milliseconds, idleP99Milliseconds, faults } = result;
    const idle = (value: number, nth: number) => (row.processes && nth === 0 ? value.toFixed(2) : "–");
    return loads.map(({ connections, windows, completedPerSecond }, nth) => [
      `${label}${faults.length > 0 ? " **does not count, see below**" : ""}`,
      whole(connections),
      whole(completedPerSecond),
      windows.map((window) => whole(window.completedPerSecond)).join(" "),
      whole(median(windows.map(({ acceptedPerSecond }) => acceptedPerSecond))),
      row.processes ? whole(Math.max(...windows.map(({ unfinished }) => unfinished))) : "–",
      whole(windows.reduce((sum, { overloaded }) => sum + overloaded, 0)),
      median(windows.map(({ p99Milliseconds }) => p99Milliseconds)).toFixed(1),
      idle(idleP50Milliseconds, nth),
      idle(idleP99Milliseconds, nth),
    ]);
  });
  return table([...header, ...latencies], lines);
}

function machine(generator: LoadGenerator, pace: Pace, root: string): string {
  const [cpu] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8")) as {
    version: string;
  };
  return [
    `${new Date().toISOString().slice(0, 16)}Z, Cauce ${version}: ${cpu?.model ?? "unknown processor"}, ${cpus().length} cores,`,
    `${gigabytes} GiB, ${platform()} ${release()} ${arch()}, Node ${process.version};`,
    `${generator.name}, medians of ${pace.rounds} rounds of ${pace.seconds} s, data in ${root}.`,
  ].join(" ");
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}
