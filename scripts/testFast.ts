/** Runs the tests that need nothing besides Node and take little time. `--help` says how. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ended, startTests } from "./npmTest.ts";
import { findTestFiles, type Need, needs } from "./testFiles.ts";

const needNames = Object.keys(needs) as Need[];

const help = `Usage: npm run test:fast -- [--list]

Runs the test files in under 90 s, without those that need one of these. What each
file leads to says what it needs. Prints each file that is left out, why, and the way
that leads there.

${needNames.map((need) => `  ${need.padEnd(10)}${needs[need]}`).join("\n")}

  --list    only prints which files are run and which are left out
  --help    this text

Exit codes: 0 the tests passed, 1 one failed or was stopped, 2 wrong usage.
`;

const root = fileURLToPath(new URL("..", import.meta.url));

async function run(list: boolean): Promise<number> {
  const { kept, leftOut } = findTestFiles(root, needNames);
  if (list) for (const file of kept) console.log(file);
  console.log(`left out: ${leftOut.length} of ${kept.length + leftOut.length} files`);
  for (const need of needNames) {
    const files = leftOut.filter((each) => each.need === need);
    console.log(`${files.length}, since each ${needs[need]}`);
    for (const { way } of files) console.log(`  ${way.join(" → ")}`);
  }
  if (list) return 0;
  const begun = performance.now();
  const code = await ended(startTests(root, kept));
  const seconds = Math.round((performance.now() - begun) / 1_000);
  console.log(`${kept.length} files ${code === 0 ? "passed" : "FAILED"} in ${seconds} s`);
  return code === 0 ? 0 : 1;
}

function readOptions(args: string[]): { list: boolean; help: boolean } {
  const { list, help } = parseArgs({
    args,
    options: { help: { type: "boolean", default: false }, list: { type: "boolean", default: false } },
  }).values;
  return { list, help };
}

let options: ReturnType<typeof readOptions>;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`);
  process.exit(2);
}
if (options.help) console.log(help);
else process.exitCode = await run(options.list);
