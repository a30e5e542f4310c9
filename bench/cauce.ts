/**
 * Starts Cauce as shipped, by the README's command line with `synchronous=FULL`, and counts through the public API
 * alone.
 */
import { join } from "node:path";
import { type Bench, freePort, repository } from "./lib/bench.ts";
import { getJson, openClient } from "./lib/client.ts";
import { ready, type Server } from "./lib/server.ts";

interface Queues {
  readonly workflows: readonly {
    readonly queues: readonly { waiting: number; inFlight: number; delayed: number; failed: number }[];
  }[];
}

export interface CauceServerOptions {
  readonly directory: string;
  /** The app's module, from the repository's root. Default: the example. */
  readonly app?: string;
  readonly delivery?: "standard" | "fifo";
  /** Default `info`, as shipped. */
  readonly logLevel?: "info" | "silent";
}

export async function startCauce(bench: Bench, options: CauceServerOptions): Promise<Server> {
  const { directory, app = "examples/orders/orders.app.ts", delivery = "standard", logLevel = "info" } = options;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const spawnedAt = performance.now();
  const child = await bench.children.start(
    process.execPath,
    [
      "--conditions=source",
      "--max-semi-space-size=16",
      join(repository, "bin/cauce.js"),
      "start",
      join(repository, app),
      ...["--port", String(port), "--data", directory, "--delivery", delivery, "--log-level", logLevel],
    ],
    { log: `${directory}.log` },
  );
  const startMilliseconds = await ready(child, url, spawnedAt);
  const client = openClient(url);
  return {
    url,
    pid: child.pid,
    startMilliseconds,
    client,
    async open() {
      const { workflows } = await getJson<Queues>(client, "/queues");
      return workflows
        .flatMap(({ queues }) => queues)
        .reduce((sum, { waiting, inFlight, delayed, failed }) => sum + waiting + inFlight + delayed + failed, 0);
    },
    async stop() {
      client.close();
      await child.stop();
    },
  };
}
