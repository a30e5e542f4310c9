/**
 * Imports a million lines into a server of its own, and says how long it took and how much memory. `--help` says how.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";

const help = `Usage: npm run import-million -- [options]

Writes lines to a temporary directory, serves examples/orders on it, imports the
lines and checks that the store has every order. The last line is JSON; the
memory is the peak of each process, and needs Linux.

  --lines N   how many (default 1000000)
  --help      this text

Exit codes: 0 every order is there, 1 not, 2 wrong usage.
`;

const bin = join(import.meta.dirname, "../bin/cauce.js");
const app = join(import.meta.dirname, "../examples/orders/orders.app.ts");
// The same flags as npm start and the installed command use.
const flags = ["--conditions=source", "--max-semi-space-size=16"];
const sampleMilliseconds = 200;

function cauce(args: readonly string[]): ChildProcess {
  // The CAUCE_* variables of this process are for another server.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CAUCE_")));
  return spawn(process.execPath, [...flags, bin, ...args], { env, stdio: ["ignore", "pipe", "inherit"] });
}

/** Collects what the process writes to standard output, and its exit code. */
async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string }> {
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout };
}

async function addressOf(server: ChildProcess): Promise<string> {
  let written = "";
  for await (const text of server.stdout?.setEncoding("utf8").iterator({ destroyOnReturn: false }) ?? []) {
    written += text;
    const address = /listens on (http:\S+)\n/.exec(written)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error("the server did not start");
}

/** Reads the peak resident memory so far. 0 if the system does not give it. */
function peakMegabytes({ pid }: ChildProcess): number {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Math.round(Number(kilobytes ?? 0) / 1_024);
  } catch {
    return 0;
  }
}

function* sampleLines(count: number): Generator<string> {
  for (let from = 0; from < count; from += 1_000) {
    let text = "";
    for (let at = from; at < Math.min(from + 1_000, count); at++) {
      text += `{"customerId":"c-${at % 5_000}","currency":"EUR","items":[{"sku":"TEA-${at}","quantity":2,"unitPrice":4.5}]}\n`;
    }
    yield text;
  }
}

async function run(lines: number): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), "cauce-import-"));
  const data = join(directory, "data");
  const file = join(directory, "orders.ndjson");
  let server: ChildProcess | undefined;
  try {
    await pipeline(sampleLines(lines), createWriteStream(file));
    server = cauce(["start", app, "--port", "0", "--data", data]);
    const serverEnded = once(server, "exit");
    const address = await addressOf(server);
    server.stdout?.resume();
    const importing = cauce(["import", file, "--url", address, "--json"]);
    let importRssMegabytes = 0;
    const sampling = setInterval(() => {
      importRssMegabytes = Math.max(importRssMegabytes, peakMegabytes(importing));
    }, sampleMilliseconds);
    const { code, stdout } = await ended(importing);
    clearInterval(sampling);
    const serverRssMegabytes = peakMegabytes(server);
    server.kill("SIGTERM");
    await serverEnded;
    if (code !== 0) throw new Error(`cauce import ended with ${code}: ${stdout}`);
    const { seconds } = JSON.parse(stdout) as { seconds: number };
    const store = new DatabaseSync(join(data, "orders.db"), { readOnly: true });
    const stored = Number(store.prepare("SELECT count(*) AS stored FROM orders").get()?.stored);
    store.close();
    if (stored !== lines) console.error(`${lines} lines were imported and ${stored} orders are stored`);
    const perSecond = Math.round(lines / seconds);
    console.log(JSON.stringify({ lines, seconds, perSecond, serverRssMegabytes, importRssMegabytes }));
    return stored === lines;
  } finally {
    server?.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
}

async function main(): Promise<number> {
  let lines: number;
  try {
    const { values } = parseArgs({
      options: { help: { type: "boolean" }, lines: { type: "string", default: "1000000" } },
    });
    if (values.help) {
      console.log(help);
      return 0;
    }
    if (!/^[1-9]\d{0,8}$/.test(values.lines))
      throw new Error(`--lines is "${values.lines}"; give a whole number from 1`);
    lines = Number(values.lines);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${help}`);
    return 2;
  }
  return (await run(lines)) ? 0 : 1;
}

process.exit(await main());
