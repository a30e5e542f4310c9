import { spawnSync } from "node:child_process";
import { createReadStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { handlerLogVariable } from "./app.ts";
import { createKeeper, type Keeper } from "./keeper.ts";
import { startLoad } from "./load.ts";
import { crashApp, describeEnd } from "./server.ts";
import { type Call, proveSynced, readCalls } from "./traceLog.ts";

export interface TraceOptions {
  readonly seed: number;
  readonly progress: (line: string) => void;
  readonly interrupted: Promise<never>;
}

const ordersPlaced = 300;
const clients = 12;
// Long enough for a page of the write-ahead log in full, 4,096 bytes, and for every answer.
const textBytes = 4_200;

/** Traces a server under load and says in a line whether any 202 left before its batch was synced. */
export async function traceSyncs(options: TraceOptions): Promise<{ line: string; wrong: boolean }> {
  const why = whyNoTrace();
  if (why !== undefined) return { line: `strace: not shown here, ${why}`, wrong: false };
  const directory = mkdtempSync(join(tmpdir(), "cauce-strace-"));
  const keeper = createKeeper();
  try {
    return await Promise.race([traceOne(directory, keeper, options), keeper.failed, options.interrupted]);
  } finally {
    await keeper.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function whyNoTrace(): string | undefined {
  const { error, status, stderr } = spawnSync("strace", ["-D", "-f", "-y", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error !== undefined) return "strace is not installed";
  return status === 0 ? undefined : `tracing is not allowed (${stderr.trim().split("\n")[0]})`;
}

async function traceOne(directory: string, keeper: Keeper, { seed, progress }: TraceOptions) {
  const file = join(directory, "trace");
  const data = join(directory, "data");
  mkdirSync(data);
  keeper.start({
    app: crashApp,
    directory: data,
    env: { [handlerLogVariable]: join(directory, "handlers.log") },
    // With -D strace becomes the grandchild, so that signals reach the server.
    through: [
      ...["strace", "-D", "-f", "-y", "-s", String(textBytes), "-o", file],
      ...["-e", "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"],
    ],
  });
  progress(`tracing a server under ${clients} clients`);
  const load = startLoad({ address: keeper.address, seed, clients });
  await load.more(ordersPlaced);
  await load.stop();
  const end = await keeper.end("SIGTERM");
  const { answered, syncs, faults } = proveSynced(await readTrace(file));
  const all = [...load.faults, ...faults];
  if (end.code !== 0) all.push(`the traced server did not drain: ${describeEnd(end)}`);
  for (const id of new Set(load.acknowledgements.map((each) => each.id))) {
    if (!answered.has(id)) all.push(`order ${id} was acknowledged and the trace does not hold its 202`);
  }
  if (all.length > 0) return { line: `strace: WRONG, ${all.length} times; first: ${all[0]}`, wrong: true };
  const line = `strace: ${answered.size} orders answered with 202 under ${clients} clients, none before the sync of its batch had returned (${syncs} syncs of the log)`;
  return { line, wrong: false };
}

async function readTrace(file: string): Promise<Call[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file, "latin1") })) lines.push(line);
  return [...readCalls(lines)];
}
