/** Runs the tests that start no AWS emulator, with busy loops beside them if asked. `--help` says how. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ended, startTests } from "./npmTest.ts";
import { findTestFiles } from "./testFiles.ts";

const help = `Usage: npm run test:calm -- [options] [FILE...]

Runs all test files but those that start an AWS emulator. It finds these by the imports of each
file, and prints each with the way to the emulator. With FILE it chooses from these files alone.

  --busy N      runs beside N busy loops, which end with the run (default 0)
  --times N     runs N times, one after the other (default 1)
  --list        only prints which files it would run and which it leaves out
  --help        this text

Exit codes: 0 every run passed, 1 one failed or was stopped, 2 wrong usage.

Example:
  npm run test:calm -- --busy 4 --times 3
`;

const root = fileURLToPath(new URL("..", import.meta.url));

interface Options {
  readonly busy: number;
  readonly times: number;
  readonly list: boolean;
  readonly files: readonly string[];
}

function readOptions(args: string[]): Options | "help" {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      busy: { type: "string", default: "0" },
      times: { type: "string", default: "1" },
    },
  });
  if (values.help) return "help";
  const [busy, times] = [wholeNumber("--busy", values.busy, 0), wholeNumber("--times", values.times, 1)];
  return { busy, times, list: values.list, files: positionals };
}

function wholeNumber(flag: string, value: string, min: number): number {
  if (/^\d{1,3}$/.test(value) && Number(value) >= min) return Number(value);
  throw new Error(`${flag} is "${value}"; give a whole number from ${min} to 999`);
}

async function run({ busy, times, list, files }: Options): Promise<number> {
  const { kept: calm, leftOut } = findTestFiles(root, ["emulator"]);
  const chosen = files.length === 0 ? calm : calm.filter((file) => files.includes(file));
  const unknown = files.find((file) => !chosen.includes(file));
  if (unknown !== undefined) throw new Error(`${unknown} is no test file that starts no emulator; see --list`);
  if (list) for (const file of calm) console.log(file);
  console.log(`left out, since they start an AWS emulator: ${leftOut.length} of ${calm.length + leftOut.length} files`);
  for (const { way } of leftOut) console.log(`  ${way.join(" → ")}`);
  if (list) return 0;

  const loops = Array.from({ length: busy }, () =>
    spawn(process.execPath, [join(root, "scripts/testCalm/busyLoop.ts")], { stdio: ["pipe", "ignore", "inherit"] }),
  );
  let failed = 0;
  let tests: ChildProcess | undefined;
  let stopped = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      stopped = true;
      tests?.kill(signal);
    });
  }
  try {
    for (let time = 1; time <= times && !stopped; time++) {
      tests = startTests(root, chosen);
      const code = await ended(tests);
      if (code !== 0) failed++;
      const beside = busy === 0 ? "" : ` beside ${busy} busy loops`;
      console.log(`run ${time} of ${times}${beside}: ${chosen.length} files ${code === 0 ? "passed" : "FAILED"}`);
    }
  } finally {
    for (const loop of loops) loop.kill("SIGKILL");
    await Promise.all(loops.map(ended));
  }
  return failed === 0 && !stopped ? 0 : 1;
}

let options: Options | "help";
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`);
  process.exit(2);
}
if (options === "help") console.log(help);
else {
  try {
    process.exitCode = await run(options);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}
