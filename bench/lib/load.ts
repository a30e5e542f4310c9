import { join } from "node:path";
import { type Bench, repository } from "./bench.ts";
import { isInstalled } from "./children.ts";

/** What a load generator saw of one window. */
export interface Load {
  /** Answers of 2xx. */
  readonly accepted: number;
  readonly seconds: number;
  /** Answers 503 with the code `overloaded`, which a server may give. */
  readonly overloaded: number;
  /** Other answers, and connections that broke. */
  readonly broken: number;
  readonly p99Milliseconds: number;
}

export interface LoadOptions {
  readonly seconds: number;
  readonly connections: number;
  /** Orders a second. Undefined: as many as the server takes. */
  readonly perSecond?: number | undefined;
}

export interface LoadGenerator {
  readonly name: "wrk" | "autocannon";
  /** POSTs varied orders. */
  run(url: string, options: LoadOptions): Promise<Load>;
}

/** The number of connections of a window, unless the window says another. */
export const connections = 64;

export function loadGenerator(bench: Bench): LoadGenerator {
  return isInstalled("wrk") ? wrk(bench) : autocannon(bench);
}

function wrk(bench: Bench): LoadGenerator {
  const script = join(import.meta.dirname, "orders.lua");
  return {
    name: "wrk",
    async run(url, { seconds, connections, perSecond }) {
      const output = await bench.children.run("wrk", [
        // The script shares the orders a second among two threads.
        ...["--threads", "2", "--connections", String(connections), "--duration", `${seconds}s`],
        ...["--timeout", "10s", "--script", script, `${url}/orders`],
        ...(perSecond === undefined ? [] : [String(perSecond)]),
      ]);
      const result = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Record<string, number>;
      const { requests = 0, microseconds = 0, failed = 0, overloaded = 0, broken = 0, p99Microseconds = 0 } = result;
      return {
        accepted: requests - failed,
        seconds: microseconds / 1_000_000,
        overloaded,
        broken: failed - overloaded + broken,
        p99Milliseconds: p99Microseconds / 1_000,
      };
    },
  };
}

function autocannon(bench: Bench): LoadGenerator {
  const script = join(repository, "bench/autocannonLoad.ts");
  return {
    name: "autocannon",
    async run(url, { seconds, connections, perSecond }) {
      const args = [script, `${url}/orders`, seconds, connections, ...(perSecond === undefined ? [] : [perSecond])];
      return JSON.parse(await bench.children.run(process.execPath, args.map(String))) as Load;
    },
  };
}
