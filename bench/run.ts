/** Measures Cauce beside a bare front and BullMQ, in one run on one machine. `--help` says how. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureBatch } from "./lib/batch.ts";
import { type Bench, openBench, repository } from "./lib/bench.ts";
import { compareRows, type Pace } from "./lib/compare.ts";
import { measureGrowth } from "./lib/growth.ts";
import { loadGenerator } from "./lib/load.ts";
import { measureObserved } from "./lib/observed.ts";
import { report, summarize } from "./lib/report.ts";
import { rowsOf } from "./lib/rows.ts";

const help = `Usage: npm run bench -- [options]

Rows: (a) a bare front that stores nothing, (b) Cauce, (c) BullMQ on Redis.

  --quick        short rounds: under 120 s in all
  --seconds N    length of each round's load window (default 10, with --quick 4)
  --only a,b,c   only these rows
  --stored N     also measure Cauce with N orders stored, and with N queued (such as 1000000)
  --observed     also measure what counting, logging, scraping and reading events cost
  --json         one last line of JSON
  --help         this text

Examples:
  npm run bench -- --quick
  npm run bench -- --json --stored 1000000
`;

interface Options {
  readonly json: boolean;
  readonly only: readonly string[];
  readonly stored: number | undefined;
  readonly observed: boolean;
  readonly pace: Pace;
}

function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      observed: { type: "boolean", default: false },
      only: { type: "string", default: "a,b,c" },
      seconds: { type: "string" },
      stored: { type: "string" },
    },
  });
  if (values.help) return "help";
  const only = values.only.split(",");
  const unknown = only.find((letter) => !["a", "b", "c"].includes(letter));
  if (unknown !== undefined) throw new Error(`--only names the row "${unknown}"; give some of a,b,c`);
  const seconds = wholeNumber("--seconds", values.seconds) ?? (values.quick ? 4 : 10);
  return {
    json: values.json,
    only,
    stored: wholeNumber("--stored", values.stored),
    observed: values.observed,
    pace: { rounds: 3, seconds, warmUpSeconds: values.quick ? 2 : 4, idleOrders: values.quick ? 70 : 200 },
  };
}

function wholeNumber(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new Error(`${flag} is "${value}"; give a whole number from 1`);
}

/** Installs the peers, which live in a package of their own, so that `npm ci` does not install them. */
async function installPeers(bench: Bench): Promise<void> {
  // npm writes this file last.
  if (existsSync(join(repository, "bench/node_modules/.package-lock.json"))) return;
  bench.progress("installing what Cauce is compared with (npm --prefix bench install) …");
  await bench.children.run("npm", [
    "--prefix",
    join(repository, "bench"),
    "install",
    "--no-save",
    "--no-audit",
    "--no-fund",
  ]);
}

async function measure(bench: Bench, { json, only, stored, observed: isObserved, pace }: Options): Promise<number> {
  await installPeers(bench);
  const generator = loadGenerator(bench);
  bench.progress(`load by ${generator.name}; data in ${bench.root}`);
  const rows = rowsOf(bench).filter(({ letter }) => only.includes(letter));
  for (const { name, missing } of rows) if (missing !== undefined) bench.progress(`${name}: ${missing}`);
  const results = await compareRows(bench, generator, rows, pace);
  const batch = only.includes("b")
    ? await measureBatch(bench, { rounds: pace.rounds, lines: pace.seconds * 40_000 })
    : undefined;
  const observed = isObserved ? await measureObserved(bench, generator, pace) : undefined;
  const growth = stored === undefined ? undefined : await measureGrowth(bench, generator, stored, pace);
  console.log(`\n${report({ rows, results, batch, growth, observed, generator, pace, root: bench.root })}\n`);
  if (json) console.log(JSON.stringify(summarize(results, batch, growth, observed)));
  const faults = [...results.flatMap((result) => result.faults), ...(growth?.faults ?? [])];
  return faults.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  let options: Options | "help";
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    return 2;
  }
  if (options === "help") {
    console.log(help);
    return 0;
  }
  const bench = await openBench();
  const interrupted = new Promise<number>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve(130));
  });
  try {
    return await Promise.race([measure(bench, options), interrupted]);
  } catch (error) {
    console.error(`the benchmark stopped: ${(error as Error).message}`);
    return 1;
  } finally {
    await bench.close();
  }
}

// An interrupted measurement may still wait for something, and that must not keep the process alive.
process.exit(await main());
