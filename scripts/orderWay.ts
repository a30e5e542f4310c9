/** Prints the files and functions of `src` that one warm order passes. `--help` says how. */
import { existsSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { appFile, ordersMeasured, ordersWarming } from "./orderWay/example.ts";
import { measureLibrary, measureServer } from "./orderWay/measure.ts";
import { type Called, countWay } from "./orderWay/passed.ts";
import { groupDigits, plainTable } from "./plainTable.ts";

const wayNames = ["order", "placing", "port", "aws", "aws-port"] as const;
type WayName = (typeof wayNames)[number];

const ways: Readonly<Record<WayName, string>> = {
  order: "SQLite: an order, from POST to its final status",
  placing: "SQLite: a placing, from POST to its answer",
  port: "SQLite: of a placing, from the port's place to its answer",
  aws: "AWS: a placing through cauce.fetch, above the SDK",
  "aws-port": "AWS: of a placing, from the port's place to its answer",
};

const help = `Usage: npm run order-way -- [options]

Prints how many files and functions of src one warm order passes, and how many calls
of these functions it makes. V8's precise coverage counts them, in the main thread and
in the thread of SQLite's writer.

  --at DIR          another checkout, with its packages installed (default: this one)
  --only NAME       only this way; may be repeated:
${wayNames.map((name) => `                    ${name.padEnd(10)}${ways[name]}`).join("\n")}
  --files           also lists the files of each way, with their functions and calls
  --json            prints one line of JSON in place of the table
  --help            this text

The orders are those of ${appFile}: ${ordersWarming} before the first that
is measured, then ${ordersMeasured} measured apart. A function counts when most of the ${ordersMeasured} call it.
"order" and "placing" go through cauce start with its default settings; during
"placing" the first status is paused, so nothing is processed. The others go through
the library, which is not started. AWS is dynalite and fauxqs.

Exit codes: 0 printed, 1 a measurement failed, 2 wrong usage.

Examples:
  npm run order-way
  npm run order-way -- --at ../before --only order --only port
`;

interface Options {
  readonly at: string;
  readonly only: readonly WayName[];
  readonly files: boolean;
  readonly json: boolean;
}

function readOptions(args: string[]): Options | "help" {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: "boolean", default: false },
      files: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      at: { type: "string", default: fileURLToPath(new URL("..", import.meta.url)) },
      only: { type: "string", multiple: true, default: [...wayNames] },
    },
  });
  if (values.help) return "help";
  const at = resolve(values.at);
  if (!existsSync(join(at, appFile))) throw new Error(`--at is "${values.at}"; give a checkout, which has ${appFile}`);
  const unknown = values.only.find((name) => !wayNames.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`--only is "${unknown}"; give ${wayNames.join(", ")}`);
  const only = wayNames.filter((name) => values.only.includes(name));
  return { at: realpathSync(at), only, files: values.files, json: values.json };
}

/** Measures the ways, and starts only the processes that these ways need. */
async function measure({ at, only }: Options): Promise<Map<WayName, Called[]>> {
  const measured = new Map<WayName, Called[]>();
  if (only.includes("order") || only.includes("placing")) {
    const { order, placing } = await measureServer(at);
    measured.set("order", order).set("placing", placing);
  }
  if (only.includes("port")) measured.set("port", (await measureLibrary(at, "sqlite")).port);
  if (only.includes("aws") || only.includes("aws-port")) {
    const { whole, port } = await measureLibrary(at, "aws");
    measured.set("aws", whole).set("aws-port", port);
  }
  return measured;
}

function describeFiles(calls: readonly Called[]): string {
  const files = [...Map.groupBy(calls, ({ file }) => file)].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = files.map(([file, functions]) => {
    const named = functions.map(({ name, calls }) => `${name === "" ? "anonymous" : name} ${groupDigits(calls)}`);
    return [`  ${file}`, named.join(", ")];
  });
  return plainTable(["  file", "functions and their calls"], [], rows);
}

async function run(options: Options): Promise<void> {
  const measured = await measure(options);
  const counted = options.only.map((name) => ({ name, calls: measured.get(name) ?? [] }));
  if (options.json) {
    console.log(JSON.stringify(Object.fromEntries(counted.map(({ name, calls }) => [name, countWay(calls)]))));
    return;
  }
  const rows = counted.map(({ name, calls }) => {
    const { files, functions, calls: called } = countWay(calls);
    return [ways[name], ...[files, functions, called].map(groupDigits)];
  });
  console.log(plainTable(["way", "files", "functions", "calls"], [1, 2, 3], rows));
  if (!options.files) return;
  for (const { name, calls } of counted) console.log(`\n${ways[name]}\n${describeFiles(calls)}`);
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
    await run(options);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
