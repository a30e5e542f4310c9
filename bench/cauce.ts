/**
 * Starts Cauce as shipped, by the README's command line with `synchronous=FULL`, and counts through the public API
 * alone.
 */
import { join } from "node:path";
import { type Bench, freePort } from "./lib/bench.ts";
import { type Checkout, here } from "./lib/checkout.ts";
import { getJson, openClient } from "./lib/client.ts";
import { ready, type Server } from "./lib/server.ts";

interface Queues {
  readonly workflows: readonly {
    readonly queues: readonly { waiting: number; inFlight: number; delayed: number; failed: number }[];
  }[];
}

export interface CauceServerOptions {
  readonly directory: string;
  /** The checkout whose server runs. Default: this one. */
  readonly checkout?: Checkout;
  /** The app's module, from the checkout's root. Default: the example. */
  readonly app?: string;
  readonly delivery?: "standard" | "fifo";
  /** Default `info`, as shipped. */
  readonly logLevel?: "info" | "silent";
  readonly env?: Readonly<Record<string, string>>;
}

export interface CauceServer extends Server {
  /** Kills the server with SIGKILL. */
  kill(): Promise<void>;
}

export async function startCauce(bench: Bench, options: CauceServerOptions): Promise<CauceServer> {
  const { directory, delivery = "standard", logLevel = "info", env } = options;
  const { checkout = here, app = "examples/orders/orders.app.ts" } = options;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const spawnedAt = performance.now();
  const child = await bench.children.start(
    process.execPath,
    [
      "--conditions=source",
      "--max-semi-space-size=16",
      join(checkout.directory, "bin/cauce.js"),
      "start",
      join(checkout.directory, app),
      ...["--port", String(port), "--data", directory, "--delivery", delivery, "--log-level", logLevel],
    ],
    { log: `${directory}.log`, env },
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
    async kill() {
      client.close();
      await child.kill();
    },
    async stop() {
      client.close();
      await child.stop();
    },
  };
}
