/**
 * `npm run bench:init` measures how much processor time the functions take to start, and how large they are. With
 * `--against DIR` it also starts the functions of another checkout, which must be installed, in turn with this one's.
 * Flags: `--runs N` (25), `--json` for programs. Exit code 1: the request function takes too much, see `startFault`.
 */
import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../lib/statistics.ts";
import { bundles, functions } from "./bundle.ts";
import { ratioOf, type Start, startFault } from "./starts.ts";

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "25" },
  },
});
const runs = Number(values.runs);
const measured = ["clients", ...functions] as const;

const script = (path: string) => `
  const [began, before] = [performance.now(), process.cpuUsage()];
  await import(${JSON.stringify(pathToFileURL(path).href)});
  const [milliseconds, { user, system }] = [performance.now() - began, process.cpuUsage(before)];
  console.log(JSON.stringify({ milliseconds, processorMilliseconds: (user + system) / 1_000 }));
  process.exit();`;
const env = {
  PATH: process.env.PATH,
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  CAUCE_PUBLIC: "true",
};

/** Times the import of the module in a process of its own, without Node's own start. */
function initOnce(path: string): Start {
  const words = ["--input-type=module", "--eval", script(path)];
  return JSON.parse(execFileSync(process.execPath, words, { env, encoding: "utf8" }));
}

/** Bundles a checkout's functions with that checkout's own packages. */
async function bundledBy(name: string, bundle: typeof bundles) {
  return { name, ...(await bundle(measured)), starts: new Map(measured.map((entry) => [entry, [] as Start[]])) };
}

type Checkout = Awaited<ReturnType<typeof bundledBy>>;

const rowsOf = ({ of, starts }: Checkout) =>
  measured.map((entry) => {
    const [own, clients] = [starts.get(entry) ?? [], starts.get("clients") ?? []];
    const milliseconds = own.map((each) => each.milliseconds);
    return {
      entry,
      bytes: of.get(entry)?.bytes ?? 0,
      processorRatio: ratioOf(own, clients, "processorMilliseconds"),
      processorMilliseconds: Number(median(own.map((each) => each.processorMilliseconds)).toFixed(1)),
      ratio: ratioOf(own, clients, "milliseconds"),
      initMilliseconds: Number(median(milliseconds).toFixed(1)),
      fastestMilliseconds: Number(Math.min(...milliseconds).toFixed(1)),
    };
  });

function print(name: string, rows: ReturnType<typeof rowsOf>): void {
  console.log(`${name}: medians of ${runs} starts, Node ${process.version}`);
  console.log("             bundle  processor time         for information: time");
  console.log("function         kB      ms  / clients       ms  / clients  fastest");
  for (const each of rows) {
    const cells = [
      (each.bytes / 1_000).toFixed(0).padStart(6),
      each.processorMilliseconds.toFixed(0).padStart(7),
      each.processorRatio.toFixed(2).padStart(10),
      each.initMilliseconds.toFixed(0).padStart(8),
      each.ratio.toFixed(2).padStart(10),
      each.fastestMilliseconds.toFixed(0).padStart(8),
    ];
    console.log(`${each.entry.padEnd(12)} ${cells.join(" ")}`);
  }
}

const checkouts: Checkout[] = [];
try {
  if (values.against !== undefined) {
    const module = pathToFileURL(join(resolve(values.against), "bench/aws/bundle.ts")).href;
    const other = (await import(module)) as typeof import("./bundle.ts");
    checkouts.push(await bundledBy(values.against, other.bundles));
  }
  checkouts.push(await bundledBy("this checkout", bundles));
  // In turn, so that whatever else the machine does meets all of them.
  for (let run = 0; run <= runs; run++) {
    for (const entry of measured) {
      for (const { of, starts } of checkouts) {
        const start = initOnce(of.get(entry)?.path ?? "");
        // The first start fills the file cache and is not counted.
        if (run > 0) starts.get(entry)?.push(start);
      }
    }
  }
  const tables = checkouts.map((checkout) => ({ name: checkout.name, rows: rowsOf(checkout) }));
  const ratios = tables.map(({ rows }) => rows.find(({ entry }) => entry === "request")?.processorRatio ?? Number.NaN);
  const [own = Number.NaN, against] = ratios.toReversed();
  const difference = against === undefined ? undefined : Number((own - against).toFixed(3));
  if (values.json) {
    const [{ rows } = { rows: [] }, other] = tables.toReversed();
    console.log(JSON.stringify({ runs, node: process.version, rows, against: other?.rows, difference }));
  } else {
    for (const { name, rows } of tables) print(name, rows);
    if (difference !== undefined) {
      const which = difference > 0 ? "more" : "less";
      console.log(`request, processor time / clients: ${against} there, ${own} here: ${Math.abs(difference)} ${which}`);
    }
  }
  const fault = startFault(own, against);
  if (fault !== undefined) {
    console.error(fault);
    process.exitCode = 1;
  }
} finally {
  for (const { remove } of checkouts) remove();
}
