import { join } from "node:path";
import { type Bench, repository } from "./bench.ts";
import { isInstalled } from "./rows.ts";

/** What a load generator saw of one window. */
export interface Load {
  /** Answers of 2xx. */
  readonly accepted: number;
  readonly seconds: number;
  /** Other answers, and connections that broke. */
  readonly refused: number;
  readonly p99Milliseconds: number;
}

export interface LoadGenerator {
  readonly name: "wrk" | "autocannon";
  /** POSTs varied orders for `seconds` over 64 connections. */
  run(url: string, seconds: number): Promise<Load>;
}

export const connections = 64;

export function loadGenerator(bench: Bench): LoadGenerator {
  return isInstalled("wrk") ? wrk(bench) : autocannon(bench);
}

function wrk(bench: Bench): LoadGenerator {
  const script = join(import.meta.dirname, "orders.lua");
  return {
    name: "wrk",
    async run(url, seconds) {
      const output = await bench.children.run("wrk", [
        ...["--threads", "2", "--connections", String(connections), "--duration", `${seconds}s`],
        ...["--timeout", "10s", "--script", script, `${url}/orders`],
      ]);
      const result = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Record<string, number>;
      const { requests = 0, microseconds = 0, refused = 0, broken = 0, p99Microseconds = 0 } = result;
      return {
        accepted: requests - refused,
        seconds: microseconds / 1_000_000,
        refused: refused + broken,
        p99Milliseconds: p99Microseconds / 1_000,
      };
    },
  };
}

function autocannon(bench: Bench): LoadGenerator {
  const script = join(repository, "bench/autocannonLoad.ts");
  return {
    name: "autocannon",
    async run(url, seconds) {
      const args = [script, `${url}/orders`, String(seconds), String(connections)];
      return JSON.parse(await bench.children.run(process.execPath, args)) as Load;
    },
  };
}
