import { join } from "node:path";
import { startCauce } from "../cauce.ts";
import { type Bench, freePort, repository } from "./bench.ts";
import { type Checkout, here } from "./checkout.ts";
import { isInstalled } from "./children.ts";
import { getJson, openClient } from "./client.ts";
import { connections } from "./load.ts";
import { ready, type Server } from "./server.ts";

/** A bare front, this checkout, BullMQ, and another checkout. */
export type RowLetter = "a" | "b" | "c" | "d";

export interface Row {
  readonly letter: RowLetter;
  readonly name: string;
  /** The numbers of connections at which the row is measured. */
  readonly connections: readonly number[];
  /** Whether the server stores and processes the orders that it takes in. */
  readonly processes: boolean;
  /** Why the row cannot run on this machine. */
  readonly missing: string | undefined;
  start(directory: string): Promise<Server>;
}

const cauceConnections = [connections, 256, 1_024];

/** Gives the rows in the order in which they run. `base` is the checkout to measure beside this one. */
export function rowsOf(bench: Bench, base: Checkout | undefined): Row[] {
  const cauce = (letter: RowLetter, checkout: Checkout): Row => ({
    letter,
    name: checkout.name,
    connections: cauceConnections,
    processes: true,
    missing: undefined,
    start: (directory) => startCauce(bench, { directory, checkout }),
  });
  return [
    {
      letter: "a",
      name: "bare front (stores nothing)",
      connections: [connections],
      processes: false,
      missing: undefined,
      start: () => startBareFront(bench),
    },
    cauce("b", here),
    ...(base === undefined ? [] : [cauce("d", base)]),
    {
      letter: "c",
      name: "BullMQ on Redis (appendfsync always)",
      connections: [connections],
      processes: true,
      missing: isInstalled("redis-server")
        ? undefined
        : "redis-server is not installed (Debian: apt-get install redis-server)",
      start: (directory) => startBullmq(bench, directory),
    },
  ];
}

type Env = Readonly<Record<string, string>>;

export async function startBareFront(bench: Bench, env: Env = {}): Promise<Server> {
  const { child, url, startMilliseconds } = await startScript(bench, "bareFront.ts", [], env);
  const client = openClient(url);
  return {
    url,
    pid: child.pid,
    startMilliseconds,
    client,
    open: async () => 0,
    async stop() {
      client.close();
      await child.stop();
    },
  };
}

async function startBullmq(bench: Bench, directory: string): Promise<Server> {
  const redisPort = await freePort();
  const redis = await bench.children.start("redis-server", [
    ...["--port", String(redisPort), "--bind", "127.0.0.1", "--dir", directory],
    ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
    // A rewrite of the log in the middle of a round would cost the row a core.
    ...["--auto-aof-rewrite-percentage", "0", "--loglevel", "warning"],
  ]);
  const { child, url, startMilliseconds } = await startScript(bench, "bullmq.ts", [String(redisPort)]);
  const client = openClient(url);
  return {
    url,
    pid: child.pid,
    startMilliseconds,
    client,
    open: async () => (await getJson<{ open: number }>(client, "/open")).open,
    async stop() {
      client.close();
      await child.stop();
      await redis.stop();
    },
  };
}

async function startScript(bench: Bench, script: string, args: readonly string[], env: Env = {}) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const spawnedAt = performance.now();
  const path = join(repository, "bench", script);
  const words = ["--conditions=source", path, String(port), ...args];
  const child = await bench.children.start(process.execPath, words, { env });
  return { child, url, startMilliseconds: await ready(child, url, spawnedAt) };
}
