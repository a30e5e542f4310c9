/** Measures Cauce beside a bare front, BullMQ and another checkout, in one run on one machine. `--help` says how. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureBatch } from "./lib/batch.ts";
import { type Bench, openBench, repository } from "./lib/bench.ts";
import { bounds, type Figure, holds } from "./lib/bounds.ts";
import { installed, openCheckout } from "./lib/checkout.ts";
import { isInstalled } from "./lib/children.ts";
import { compareRows, type Pace, rowFigures } from "./lib/compare.ts";
import { measureQueues, measureStored } from "./lib/growth.ts";
import { loadGenerator } from "./lib/load.ts";
import { measureObserved } from "./lib/observed.ts";
import { missing, part } from "./lib/part.ts";
import { measureProcessorTime } from "./lib/processorTime.ts";
import { measureProfile } from "./lib/profile.ts";
import { report } from "./lib/report.ts";
import { measureRestart } from "./lib/restart.ts";
import { rowsOf } from "./lib/rows.ts";

const help = `Usage: npm run bench -- [options]

Rows: (a) a bare front that stores nothing, (b) Cauce, (c) BullMQ on Redis. At the end a table
has each figure with its bound. The exit code is 1 if a figure lies outside its bound.

  --against WHAT  also measure another Cauce in turn with this one: a commit of this repository, of
                  which a worktree is made and installed once, or the directory of a checkout
  --quick         short rounds: under 120 s in all, without --against
  --seconds N     length of each load window (default 10, with --quick 3)
  --only a,b,c    only these rows, with b also batches; none for no row
  --stored N      also measure Cauce with N orders stored (such as 1000000), and with up to a
                  million queued; may be given twice; from 10000000 on this checkout alone
  --crashed       also measure how a server goes on that was killed with 10,000 orders in hand
  --observed      also measure what counting, logging, scraping and reading events cost
  --pairs N       also measure the processor time of an order and of a batch's line, in N pairs of
                  fresh servers of both checkouts (9 is a good number); needs --against
  --all           --crashed, --observed, --stored 1000000 and --stored 10000000
  --profile       also print where the time of an order and of a batch's line goes, by function
  --json          one last line of JSON: the figures with their bounds
  --help          this text

Examples:
  npm run bench -- --quick
  npm run bench -- --against b025ead
  npm run bench -- --against b025ead --all --json
  npm run bench -- --only none --against 9e42a57 --pairs 9
`;

const restarted = { inHand: 10_000, handlerMilliseconds: 300, freshSeconds: 10 };
const letters = ["a", "b", "c"];

interface Options {
  readonly json: boolean;
  readonly against: string | undefined;
  readonly only: readonly string[];
  readonly stored: readonly number[];
  readonly observed: boolean;
  readonly crashed: boolean;
  readonly profile: boolean;
  /** 0: the processor time is not measured. */
  readonly pairs: number;
  readonly pace: Pace;
  readonly batchLines: number;
}

function readOptions(args: string[]): Options | "help" {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      help: flag,
      json: flag,
      quick: flag,
      observed: flag,
      crashed: flag,
      profile: flag,
      all: flag,
      against: { type: "string" },
      only: { type: "string", default: letters.join() },
      seconds: { type: "string" },
      pairs: { type: "string" },
      stored: { type: "string", multiple: true, default: [] },
    },
  });
  if (values.help) return "help";
  const { json, against, quick, all, profile } = values;
  const only = values.only === "none" ? [] : values.only.split(",");
  const unknown = only.find((letter) => !letters.includes(letter));
  if (unknown !== undefined) throw new Error(`--only names the row "${unknown}"; give some of ${letters}, or none`);
  if (values.pairs !== undefined && against === undefined) throw new Error("--pairs needs --against");
  const seconds = values.seconds === undefined ? (quick ? 3 : 10) : wholeNumber("--seconds", values.seconds);
  return {
    json,
    against,
    only,
    stored: all ? [1_000_000, 10_000_000] : values.stored.map((value) => wholeNumber("--stored", value)),
    observed: values.observed || all,
    crashed: values.crashed || all,
    profile,
    pairs: values.pairs === undefined ? 0 : wholeNumber("--pairs", values.pairs),
    pace: { rounds: quick ? 2 : 3, seconds, warmUpSeconds: quick ? 2 : 4, idleOrders: quick ? 70 : 200 },
    batchLines: seconds * 20_000,
  };
}

function wholeNumber(flag: string, value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new Error(`${flag} is "${value}"; give a whole number from 1 to 999999999`);
}

/** Installs the peers, which live in a package of their own, so that `npm ci` does not install them. */
async function installPeers(bench: Bench, only: readonly string[]): Promise<void> {
  if ((!only.includes("c") && isInstalled("wrk")) || installed(join(repository, "bench"))) return;
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

async function measure(bench: Bench, options: Options): Promise<number> {
  const { only, pace, json, stored } = options;
  const base = options.against === undefined ? undefined : await openCheckout(bench, options.against);
  await installPeers(bench, only);
  const generator = loadGenerator(bench);
  bench.progress(`load by ${generator.name}; data in ${bench.root}`);
  const rows = rowsOf(bench, base).filter(({ letter }) => only.includes(letter === "d" ? "b" : letter));
  for (const { name, missing } of rows) if (missing !== undefined) bench.progress(`${name}: ${missing}`);
  const results = await compareRows(bench, generator, rows, pace);

  const faults = results.flatMap((result) => result.faults);
  const parts = { bench, faults };
  const figures: Figure[] = rowFigures(results);
  if (only.includes("b")) {
    const batches = { rounds: pace.rounds, lines: options.batchLines, base };
    figures.push(...((await part(parts, "batches", () => measureBatch(bench, batches))) ?? missing("batchPerSecond")));
  }
  if (options.observed) figures.push(...(await measureObserved(bench, generator, pace)));
  const growth = { ...parts, generator, pace, base };
  for (const orders of stored) figures.push(...(await measureStored(growth, orders)));
  if (stored.length > 0) figures.push(...(await measureQueues(growth, Math.max(...stored))));
  if (options.crashed) {
    const restart = await part(parts, "a restart", () => measureRestart(bench, restarted));
    figures.push(...(restart ?? missing("freshAfterKillSeconds", "allAfterKillSeconds")));
  }
  if (options.pairs > 0 && base !== undefined) {
    const pairs = { pairs: options.pairs, base };
    const times = await part(parts, "processor time", () => measureProcessorTime(bench, generator, pairs));
    figures.push(...(times ?? missing("postProcessorRatioToBase", "lineProcessorRatioToBase")));
  }
  const profile = options.profile
    ? await part(parts, "a profile", () => measureProfile(bench, generator, pace))
    : undefined;

  if (profile !== undefined) console.log(`\n${profile}`);
  console.log(`\n${report({ rows, results, figures, faults, generator, pace, root: bench.root })}\n`);
  const judged = figures.map((figure) => ({ ...figure, ...bounds[figure.name], holds: holds(figure) }));
  if (json) console.log(JSON.stringify(judged));
  return faults.length === 0 && judged.every(({ holds }) => holds) ? 0 : 1;
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
