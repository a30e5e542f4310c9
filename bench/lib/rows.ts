import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { startCauce } from "../cauce.ts";
import { type Bench, freePort, repository } from "./bench.ts";
import { getJson, openClient } from "./client.ts";
import { ready, type Server } from "./server.ts";

export interface Row {
  readonly letter: "a" | "b" | "c";
  readonly name: string;
  /** Whether the server stores and processes the orders that it takes in. */
  readonly processes: boolean;
  /** Why the row cannot run on this machine. */
  readonly missing: string | undefined;
  start(directory: string): Promise<Server>;
}

export function rowsOf(bench: Bench): Row[] {
  return [
    {
      letter: "a",
      name: "bare front (stores nothing)",
      processes: false,
      missing: undefined,
      start: () => startBareFront(bench),
    },
    {
      letter: "b",
      name: "Cauce",
      processes: true,
      missing: undefined,
      start: (directory) => startCauce(bench, { directory }),
    },
    {
      letter: "c",
      name: "BullMQ on Redis (appendfsync always)",
      processes: true,
      missing: isInstalled("redis-server")
        ? undefined
        : "redis-server is not installed (Debian: apt-get install redis-server)",
      start: (directory) => startBullmq(bench, directory),
    },
  ];
}

export function isInstalled(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).error === undefined;
}

async function startBareFront(bench: Bench): Promise<Server> {
  const { child, url, startMilliseconds } = await startScript(bench, "bareFront.ts", []);
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

async function startScript(bench: Bench, script: string, args: readonly string[]) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const spawnedAt = performance.now();
  const path = join(repository, "bench", script);
  const child = await bench.children.start(process.execPath, ["--conditions=source", path, String(port), ...args]);
  return { child, url, startMilliseconds: await ready(child, url, spawnedAt) };
}
