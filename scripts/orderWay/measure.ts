import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { appFile, ordersMeasured, ordersWarming, orderText } from "./example.ts";
import type { Placing } from "./library.ts";
import { addCalls, type Called, usualCalls } from "./passed.ts";

const settleMilliseconds = 300;

interface Recorded {
  readonly child: ChildProcess;
  /** Resolves when the process has ended. */
  readonly ended: Promise<unknown>;
  /** The last 10,000 characters that it printed. */
  output(): string;
}

/** Starts Node in a checkout, with the recorder in each of its threads. */
function startRecorded(checkout: string, words: readonly string[]): Recorded {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS = "", ...env } = process.env;
  const child = spawn(process.execPath, ["--conditions=source", ...words], {
    cwd: checkout,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: {
      ...env,
      NODE_OPTIONS: `${NODE_OPTIONS} --import=${new URL("record.ts", import.meta.url).href}`,
      ORDER_WAY_SOURCE: pathToFileURL(join(checkout, "src/")).href,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (part: string) => {
      output = (output + part).slice(-10_000);
    });
  }
  return { child, ended: once(child, "exit"), output: () => output };
}

/** Follows placings through `fetch` of the library, without a server and without processing. */
export async function measureLibrary(checkout: string, backend: "sqlite" | "aws"): Promise<Placing> {
  const library = fileURLToPath(new URL("library.ts", import.meta.url));
  const { child, ended, output } = startRecorded(checkout, [library, checkout, backend]);
  let placings: Placing[] | undefined;
  child.once("message", (message: Placing[]) => {
    placings = message;
  });
  await ended;
  if (placings === undefined) throw new Error(`the measured process ended: ${output()}`);
  return {
    whole: usualCalls(placings.map(({ whole }) => whole)),
    port: usualCalls(placings.map(({ port }) => port)),
  };
}

export interface ServerWay {
  /** From `POST` to the answer of an order whose status is paused: nothing but its placing happens. */
  readonly placing: Called[];
  /** From `POST` to the order's final status. */
  readonly order: Called[];
}

/** Follows orders through `cauce start` on SQLite. */
export async function measureServer(checkout: string): Promise<ServerWay> {
  const data = mkdtempSync(join(tmpdir(), "cauce-order-way-"));
  const recorded = startRecorded(checkout, ["bin/cauce.js", "start", appFile, "--port", "0", "--data", data]);
  try {
    const server = serverAt(recorded.child, await addressOf(recorded));
    for (let warmed = 0; warmed < ordersWarming; warmed++) await server.place();
    const order = await repeat(() => server.follow());
    await server.pause("received");
    for (let warmed = 0; warmed < ordersWarming; warmed++) await server.place();
    const placing = await repeat(() => server.followPlacing());
    return { placing: usualCalls(placing), order: usualCalls(order) };
  } finally {
    recorded.child.kill("SIGKILL");
    await recorded.ended;
    rmSync(data, { recursive: true, force: true });
  }
}

async function repeat(measure: () => Promise<Called[]>): Promise<Called[][]> {
  const measured: Called[][] = [];
  while (measured.length < ordersMeasured) measured.push(await measure());
  return measured;
}

/** Waits until the server says where it listens. Rejects when it ends before. */
async function addressOf({ child, ended, output }: Recorded): Promise<string> {
  while (child.exitCode === null && child.signalCode === null) {
    const [address] = /http:\/\/[\w.:[\]]+/.exec(output()) ?? [];
    if (address !== undefined) return address;
    await Promise.race([sleep(20), ended]);
  }
  throw new Error(`the server ended: ${output()}`);
}

function serverAt(child: ChildProcess, address: string) {
  const take = async (): Promise<Called[]> => {
    const taken = once(child, "message");
    child.send("take");
    const [calls] = await taken;
    return addCalls(...(calls as Called[][]));
  };
  const post = async (path: string, body?: string): Promise<{ readonly id: string }> => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${address}${path}`, {
      method: "POST",
      ...(body === undefined ? {} : { headers, body }),
    });
    if (!response.ok) throw new Error(`POST ${path} was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  const isFinal = async (id: string): Promise<boolean> => {
    const response = await fetch(`${address}/orders/${id}`);
    return ((await response.json()) as { status: string }).status === "shipped";
  };
  /** Begins when what was sent before has come to rest. */
  const begin = async () => {
    await sleep(settleMilliseconds);
    await take();
  };

  return {
    place: () => post("/orders", orderText),
    pause: (status: string) => post(`/orders/queues/${status}/pause`),
    async followPlacing(): Promise<Called[]> {
      await begin();
      await post("/orders", orderText);
      return take();
    },
    /** Asking for the order would be counted too, so it waits longer when the order had not ended. */
    async follow(milliseconds = settleMilliseconds): Promise<Called[]> {
      await begin();
      const { id } = await post("/orders", orderText);
      await sleep(milliseconds);
      const calls = await take();
      if (await isFinal(id)) return calls;
      if (milliseconds > 60_000) throw new Error(`the order ${id} is not shipped after ${milliseconds} ms`);
      return this.follow(milliseconds * 2);
    },
  };
}
