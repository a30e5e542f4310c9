import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "./children.ts";
import { type Client, openClient } from "./client.ts";

/** A server under test. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from spawning the server to its first ready answer. */
  readonly startMilliseconds: number;
  readonly client: Client;
  /** Accepted orders that are not final. */
  open(): Promise<number>;
  stop(): Promise<void>;
}

const readyWithinMilliseconds = 60_000;
const askAgainMilliseconds = 2;

/** Waits until a server that was just spawned answers that it is ready. Rejects with what it wrote if it ends first. */
export async function ready(child: Child, url: string, spawnedAt: number): Promise<number> {
  const client = openClient(url);
  try {
    for (;;) {
      const answer = await client.get("/readyz").catch(() => undefined);
      const passed = performance.now() - spawnedAt;
      if (answer?.status === 200) return passed;
      if (child.hasEnded()) throw new Error(`the server at ${url} ended: ${child.lastOutput()}`);
      if (passed > readyWithinMilliseconds) throw new Error(`the server at ${url} is not ready: ${child.lastOutput()}`);
      await sleep(askAgainMilliseconds);
    }
  } finally {
    client.close();
  }
}

/** Runs `use` with a server, and stops the server in every case. */
export async function withServer<T>(server: Server, use: (server: Server) => Promise<T>): Promise<T> {
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Waits until no more than `left` orders are open. */
export async function drained(server: Server, left = 0, withinSeconds = 60): Promise<void> {
  const end = performance.now() + withinSeconds * 1_000;
  for (;;) {
    const open = await server.open();
    if (open <= left) return;
    if (performance.now() > end) throw new Error(`${open - left} orders are still open after ${withinSeconds} s`);
    await sleep(20);
  }
}
