import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startCauce } from "../cauce.ts";
import { createChunks, pause, sendBatch } from "./batch.ts";
import type { Bench } from "./bench.ts";
import type { Pace } from "./compare.ts";
import { connections, type LoadGenerator } from "./load.ts";
import { type CpuProfile, type Digest, digest, idle, type Span } from "./profileDigest.ts";
import { loadWindow } from "./round.ts";
import { startBareFront } from "./rows.ts";
import { drained, type Server, withServer } from "./server.ts";
import { table } from "./table.ts";

/** What each thread of a server did, the main thread first, and how many orders it did it for. */
interface Profiled {
  readonly orders: number;
  readonly threads: readonly Digest[];
}

const functionsShown = 25;
const chunksSent = 200;

/**
 * Profiles the bare front and Cauce under full load, and Cauce's batch intake with a key a line, each in one window.
 * Gives the tables as text: microseconds an order of each group, and the functions with the most time of their own.
 */
export async function measureProfile(bench: Bench, generator: LoadGenerator, pace: Pace): Promise<string> {
  const load = async (server: Server): Promise<Work> => {
    await generator.run(server.url, { seconds: pace.warmUpSeconds, connections });
    await drained(server);
    return async () => {
      const window = await loadWindow(server, generator, { ...pace, warmUpSeconds: 0, drain: false });
      return window.completedPerSecond * pace.seconds;
    };
  };
  const batch = async (server: Server): Promise<Work> => {
    await pause(server);
    const chunks = createChunks(true);
    await sendBatch(server, chunks, chunksSent / 4);
    return () => sendBatch(server, chunks, chunksSent);
  };
  const cauce = async (env: Readonly<Record<string, string>>) =>
    startCauce(bench, { directory: await bench.directory("profile"), env });
  const bareFront = await profiled(bench, (env) => startBareFront(bench, env), load);
  const cauceFront = await profiled(bench, cauce, load);
  const intake = await profiled(bench, cauce, batch);
  return [
    "What stands between Cauce and the bare front: microseconds of the main thread for an order, by group.",
    groupTable([
      ["bare front", bareFront, 0],
      ["Cauce", cauceFront, 0],
    ]),
    "Cauce's main thread, by function:",
    functionTable(cauceFront, 0),
    "Batch intake with a key a line: microseconds for a line, by group.",
    groupTable(intake.threads.map((_, thread) => [threadName(thread), intake, thread] as const)),
    ...intake.threads.flatMap((_, thread) => [
      `Batch intake, ${threadName(thread)}, by function:`,
      functionTable(intake, thread),
    ]),
  ].join("\n\n");
}

const threadName = (thread: number) => (thread === 0 ? "main thread" : `thread ${thread} (writes the store)`);

/** What is profiled, after the warm-up. Resolves to the number of orders. */
type Work = () => Promise<number>;

async function profiled(
  bench: Bench,
  start: (env: Readonly<Record<string, string>>) => Promise<Server>,
  warmUp: (server: Server) => Promise<Work>,
): Promise<Profiled> {
  const directory = await bench.directory("cpuprofiles");
  // A thread takes these options from the environment, and not from the command line.
  const env = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir="${directory}"` };
  const { orders, span } = await withServer(await start(env), async (server) => {
    const work = await warmUp(server);
    const from = monotonicMicroseconds();
    const orders = await work();
    return { orders, span: { from, to: monotonicMicroseconds() } };
  });
  bench.progress(`profiled ${Math.round(orders).toLocaleString("en")} orders`);
  return { orders, threads: readProfiles(directory).map((profile) => digest(profile, span)) };
}

/** Reads the clock whose time V8 writes into a profile. */
function monotonicMicroseconds(): Span["from"] {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** Node names a profile `CPU.DATE.TIME.PID.THREAD.NUMBER.cpuprofile`. The main thread is thread 0. */
function readProfiles(directory: string): CpuProfile[] {
  const threadOf = (name: string) => Number(name.split(".")[4]);
  return readdirSync(directory)
    .toSorted((a, b) => threadOf(a) - threadOf(b))
    .map((name) => JSON.parse(readFileSync(join(directory, name), "utf8")) as CpuProfile);
}

function groupTable(columns: readonly (readonly [name: string, profiled: Profiled, thread: number])[]): string {
  const each = columns.map(([, { orders, threads }, thread]) => ({ orders, groups: threads[thread]?.groups }));
  const of = (group: string) => each.map(({ orders, groups }) => (groups?.get(group) ?? 0) / orders);
  const groups = [...new Set(each.flatMap(({ groups }) => [...(groups?.keys() ?? [])]))];
  const most = (group: string) => Math.max(...of(group));
  const sorted = groups.toSorted((a, b) => Number(a === idle) - Number(b === idle) || most(b) - most(a));
  const rows = sorted.map((group) => [group, ...of(group).map((microseconds) => microseconds.toFixed(1))]);
  return table(["", ...columns.map(([name]) => name)], rows);
}

function functionTable({ orders, threads }: Profiled, thread: number): string {
  const functions = threads[thread]?.functions.slice(0, functionsShown) ?? [];
  return table(
    ["function", "group", "µs"],
    functions.map(({ name, group, microseconds }) => [name, group, (microseconds / orders).toFixed(2)]),
  );
}
