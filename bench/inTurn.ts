/** Measures Cauce of two checkouts in turn, and says whether one is slower. `--help` says how. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { compared, describeCompared, type Measured } from "./lib/inTurn.ts";

const help = `Usage: npm run bench:in-turn -- --against DIR [options]

Runs \`npm run bench -- --only b --quick\` of the checkout DIR (A) and of this one (B) in turn, A B A B …,
so that whatever else the machine does meets both. DIR must be installed (npm ci).

  --against DIR  the other checkout
  --rounds N     runs of each (default 3)
  --seconds N    length of each load window (default 4)
  --json         one last line of JSON
  --help         this text

B passes if each measure is at most 5 % worse by medians, or worse by less than the spread of A's own rounds.
Exit codes: 0 B passes, 1 B does not pass or a run failed, 2 wrong usage.
`;

const here = resolve(import.meta.dirname, "..");

interface Options {
  readonly against: string;
  readonly rounds: number;
  readonly seconds: string;
  readonly json: boolean;
}

function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      against: { type: "string" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
    },
  });
  if (values.help) return "help";
  if (values.against === undefined) throw new Error("--against names no checkout; give a directory");
  if (!/^[1-9]\d?$/.test(values.rounds)) {
    throw new Error(`--rounds is "${values.rounds}"; give a whole number from 1 to 99`);
  }
  const { seconds, json } = values;
  return { against: resolve(values.against), rounds: Number(values.rounds), seconds, json };
}

async function measure(directory: string, seconds: string): Promise<Measured> {
  const words = ["--conditions=source", "bench/run.ts", "--only", "b", "--quick", "--seconds", seconds, "--json"];
  const child = spawn(process.execPath, words, { cwd: directory, stdio: ["ignore", "pipe", "inherit"] });
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`the benchmark of ${directory} ended with ${code}: ${printed}`);
  return JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "");
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
  const { against, rounds, seconds, json } = options;
  const [a, b] = [[] as Measured[], [] as Measured[]];
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [directory, runs] of [[against, a] as const, [here, b] as const]) {
        console.error(`round ${round}/${rounds}: ${directory}`);
        runs.push(await measure(directory, seconds));
      }
    }
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  const results = compared(a, b);
  console.log(`A ${against}\nB ${here}\n${results.map(describeCompared).join("\n")}`);
  if (json) console.log(JSON.stringify(results));
  return results.every(({ holds }) => holds) ? 0 : 1;
}

process.exitCode = await main();
