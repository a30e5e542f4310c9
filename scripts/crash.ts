/** Kills a running server again and again, and shows that nothing acknowledged is lost. `--help` says how. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { type CrashReport, crash } from "./crash/run.ts";
import { traceSyncs } from "./crash/strace.ts";

const help = `Usage: npm run crash -- [options]

Clients place orders while the server is killed with SIGKILL at random moments and
started again on the same data. At the end every acknowledged order must be found
and finished, and no visit may have two committed transitions.

  --kills N           how often the server is killed (default 20; 0 for --strace alone)
  --delivery MODE     standard (default) or fifo, which also checks each group's order
  --seed N            the kill moments and orders of an earlier run (default: a new one,
                      which is printed; the machine decides what runs in between)
  --strace            also shows that no 202 leaves before its batch is synced, if
                      tracing is allowed
  --json              one last line of JSON
  --help              this text

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage.

Examples:
  npm run crash
  npm run crash -- --kills 50 --delivery fifo --json
  npm run crash -- --kills 0 --strace
`;

interface Options {
  readonly kills: number;
  readonly delivery: "standard" | "fifo";
  readonly seed: number;
  readonly strace: boolean;
  readonly json: boolean;
}

function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      strace: { type: "boolean", default: false },
      kills: { type: "string", default: "20" },
      delivery: { type: "string", default: "standard" },
      seed: { type: "string", default: String(randomInt(1, 1_000_000_000)) },
    },
  });
  if (values.help) return "help";
  const { delivery, strace, json } = values;
  if (delivery !== "standard" && delivery !== "fifo") {
    throw new Error(`--delivery is "${delivery}"; give standard or fifo`);
  }
  const [kills, seed] = [wholeNumber("--kills", values.kills), wholeNumber("--seed", values.seed)];
  return { kills, delivery, seed, strace, json };
}

function wholeNumber(flag: string, value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new Error(`${flag} is "${value}"; give a whole number from 0 to 999999999`);
}

const faultsShown = 20;

function describe({ seed, delivery }: Options, report: CrashReport): string {
  const { kills, acknowledged, stored, unanswered, lost, appliedTwice, handlerRepeats, repeatsAfterDeath } = report;
  const lines = [
    `${kills} kills: ${acknowledged} orders acknowledged, ${lost} lost, ${appliedTwice} applied twice`,
    `${delivery} delivery, seed ${seed}; ${stored} stored (${unanswered} without a key had no answer)`,
    `${handlerRepeats} handler repeats, ${repeatsAfterDeath} of them in handlers that never throw`,
  ];
  if (delivery === "fifo" && report.faults.length === 0) lines.push("each group's orders passed every status in order");
  const { faults } = report;
  lines.push(...faults.slice(0, faultsShown).map((fault) => `WRONG: ${fault}`));
  if (faults.length > faultsShown) lines.push(`and ${faults.length - faultsShown} more`);
  if (faults.length > 0) lines.push(`the data is kept in ${report.directory}`);
  return lines.join("\n");
}

async function run(options: Options): Promise<number> {
  const progress = (line: string) => console.error(line);
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
    }
  });
  interrupted.catch(() => {});
  progress(`seed ${options.seed}`);
  const report = await crash({ ...options, progress, interrupted });
  console.log(describe(options, report));
  let wrong = report.faults.length > 0;
  if (options.strace) {
    const trace = await traceSyncs({ seed: options.seed, progress, interrupted });
    console.log(trace.line);
    wrong ||= trace.wrong;
  }
  if (options.json) {
    const { kills, acknowledged, lost, appliedTwice, handlerRepeats } = report;
    console.log(JSON.stringify({ kills, acknowledged, lost, appliedTwice, handlerRepeats }));
  }
  return wrong ? 1 : 0;
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
  try {
    return await run(options);
  } catch (error) {
    console.error(`the crash run stopped: ${(error as Error).message}`);
    return 1;
  }
}

// The clients' connections must not keep the process alive.
process.exit(await main());
