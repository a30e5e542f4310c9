/** `npm run bench:init`: how long the functions take to start, and how large they are. */
import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../lib/statistics.ts";
import { bundles, functions } from "./bundle.ts";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, runs: { type: "string", default: "25" } },
});
const runs = Number(values.runs);
const ratioMost = 1.25;

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

interface Start {
  readonly milliseconds: number;
  /** What the process itself took of it: where others use the machine too, the steadier of the two. */
  readonly processorMilliseconds: number;
}

/** From asking for the module to having it, in a process of its own; Node's own start is not in it. */
function initOnce(path: string): Start {
  const words = ["--input-type=module", "--eval", script(path)];
  return JSON.parse(execFileSync(process.execPath, words, { env, encoding: "utf8" }));
}

const measured = ["clients", ...functions] as const;
const { of, remove } = await bundles(measured);
try {
  const times = new Map(measured.map((entry) => [entry, [] as Start[]]));
  // In turn, so that whatever else the machine does meets all of them.
  for (let run = 0; run <= runs; run++) {
    for (const [entry, all] of times) {
      const start = initOnce(of.get(entry)?.path ?? "");
      // The first is what fills the file cache.
      if (run > 0) all.push(start);
    }
  }
  const valuesOf = (entry: (typeof measured)[number], of: keyof Start) =>
    (times.get(entry) ?? []).map((each) => each[of]);
  // Runs of one turn side by side: a machine that is slow for a while is slow for both.
  const ratioOf = (entry: (typeof measured)[number], part: keyof Start) => {
    const alone = valuesOf("clients", part);
    return Number(median(valuesOf(entry, part).map((each, n) => each / (alone[n] ?? Number.NaN))).toFixed(2));
  };
  const rows = measured.map((entry) => ({
    entry,
    bytes: of.get(entry)?.bytes ?? 0,
    initMilliseconds: Number(median(valuesOf(entry, "milliseconds")).toFixed(1)),
    fastestMilliseconds: Number(Math.min(...valuesOf(entry, "milliseconds")).toFixed(1)),
    ratio: ratioOf(entry, "milliseconds"),
    processorRatio: ratioOf(entry, "processorMilliseconds"),
  }));
  if (values.json) console.log(JSON.stringify({ runs, node: process.version, rows }));
  else {
    console.log(
      `function     bundle kB   init ms   fastest   beside the clients alone: time, processor time   (medians of ${runs}, Node ${process.version})`,
    );
    for (const { entry, bytes, initMilliseconds, fastestMilliseconds, ratio, processorRatio } of rows) {
      const cells = [
        (bytes / 1_000).toFixed(0).padStart(9),
        initMilliseconds.toFixed(0).padStart(9),
        fastestMilliseconds.toFixed(0).padStart(9),
        ratio.toFixed(2).padStart(10),
        processorRatio.toFixed(2).padStart(10),
      ];
      console.log(`${entry.padEnd(12)} ${cells.join(" ")}`);
    }
  }
  const request = rows.find(({ entry }) => entry === "request");
  if (request !== undefined && request.ratio > ratioMost) {
    console.error(
      `the request function takes ${request.ratio} times as long to start as the clients alone; the bound is ${ratioMost}`,
    );
    process.exitCode = 1;
  }
} finally {
  remove();
}
