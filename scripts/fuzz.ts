/** Fuzzes what travels between the two threads of the embedded backend. `--help` says how. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { channelProperty } from "./fuzz/channel.ts";
import { storeProperty } from "./fuzz/store.ts";

const help = `Usage: npm run fuzz -- [options]

Sends random operations through the channel and the codec of the embedded backend, with
small batches, and lets any operation fail at any point. What was written arrives equal,
once and in order; what failed leaves nothing, and its neighbours as they are.

  --runs N     how many random runs (default 1000); one of ten goes through a real store
  --seed N     repeats the runs of an earlier seed (default: a new one, which is printed)
  --help       this text

Exit codes: 0 no fault, 1 a fault, whose smallest form is printed, 2 wrong usage.

Examples:
  npm run fuzz
  npm run fuzz -- --runs 20000 --seed 42
`;

function readOptions(args: string[]): { readonly runs: number; readonly seed: number } | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      runs: { type: "string", default: "1000" },
      seed: { type: "string", default: String(randomInt(1, 1_000_000_000)) },
    },
  });
  if (values.help) return "help";
  for (const [flag, value] of [
    ["--runs", values.runs],
    ["--seed", values.seed],
  ] as const) {
    if (!/^[1-9]\d{0,8}$/.test(value))
      throw new Error(`${flag} is "${value}"; give a whole number from 1 to 999999999`);
  }
  return { runs: Number(values.runs), seed: Number(values.seed) };
}

/** Gives the report of the smallest case that fails. */
async function findFault<T>(
  property: fc.IAsyncProperty<T>,
  numRuns: number,
  seed: number,
): Promise<string | undefined> {
  return (await fc.asyncDefaultReportMessage(await fc.check(property, { numRuns, seed }))) as string | undefined;
}

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
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
  const { runs, seed } = options;
  console.error(`seed ${seed}`);
  const storeRuns = Math.ceil(runs / 10);
  const faults = [
    await findFault(channelProperty, runs - storeRuns, seed),
    await findFault(storeProperty, storeRuns, seed),
  ].filter((fault) => fault !== undefined);
  for (const fault of faults) console.log(fault);
  console.log(`fuzz: ${runs} runs, ${faults.length} faults`);
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
