import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Depth, Order } from "cauce";
import { describeEnd, type Ended, type Server, type ServerOptions, startServer } from "../../scripts/crash/server.ts";

export const ordersApp = fileURLToPath(new URL("../../examples/orders/orders.app.ts", import.meta.url));

export function appFile(name: string): string {
  return fileURLToPath(new URL(`apps/${name}.ts`, import.meta.url));
}

/** An empty directory that goes when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-failures-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts a server that is killed when the test ends, if it still runs. */
export function serve(t: TestContext, options: ServerOptions): Server {
  const server = startServer(options);
  t.after(async () => {
    server.kill("SIGKILL");
    await server.ended;
  });
  return server;
}

/** Starts a server anew each time that it ends, as whoever runs servers does, until one lives on. Gives how each ended. */
export async function superviseUntil(
  t: TestContext,
  options: ServerOptions,
  wanted: (url: string) => Promise<unknown>,
): Promise<{ server: Server; url: string; ends: readonly Ended[] }> {
  const ends: Ended[] = [];
  for (;;) {
    const server = serve(t, options);
    const outcome = await Promise.race([
      server.address.then(async (url) => {
        await wanted(url);
        return url;
      }),
      server.ended,
    ]).catch((error: unknown) => {
      // A request to a server that ended meanwhile, or one that ended before it listened.
      if (error instanceof assert.AssertionError) throw error;
      return server.ended;
    });
    if (typeof outcome === "string") return { server, url: outcome, ends };
    ends.push(outcome);
  }
}

/** Has a server drain, and holds it to an exit code of 0. */
export async function stop(server: Server): Promise<Ended> {
  server.kill("SIGTERM");
  const end = await server.ended;
  assert.equal(end.code, 0, describeEnd(end));
  return end;
}

export interface Gate {
  /** Answers only once the gate is open. */
  readonly url: string;
  /** Resolves when it has been asked that often. */
  asked(times: number): Promise<void>;
  open(): void;
}

/** A URL for which a handler waits, for as long as the test likes. */
export async function gate(t: TestContext): Promise<Gate> {
  const held: ServerResponse[] = [];
  let opened = false;
  let requests = 0;
  const heard = new EventEmitter();
  const server = createServer((_, response) => {
    requests++;
    heard.emit("request");
    if (opened) response.end("go on");
    else held.push(response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async asked(times) {
      while (requests < times) await once(heard, "request");
    },
    open() {
      opened = true;
      for (const response of held.splice(0)) response.end("go on");
    },
  };
}

/** Follows an order until it is as wanted; the test's own time limit ends it otherwise. */
export async function waitFor(url: string, path: string, wanted: (order: Order) => boolean): Promise<Order> {
  for (;;) {
    const order = await getOrder(url, path);
    if (wanted(order)) return order;
    await delay(10);
  }
}

/** Follows the queues of a workflow until each is as wanted. */
export async function waitForQueues(url: string, workflow: string, wanted: (depth: Depth) => boolean): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/queues`);
    const body = await response.text();
    assert.equal(response.status, 200, body);
    const { workflows } = JSON.parse(body) as { workflows: { workflow: string; queues: Depth[] }[] };
    const queues = workflows.find((one) => one.workflow === workflow)?.queues;
    assert.ok(queues !== undefined && queues.length > 0, body);
    if (queues.every(wanted)) return;
    await delay(10);
  }
}

/** Places an order that must be taken, and gives its URL. */
export async function place(url: string, workflow: string, data: unknown): Promise<string> {
  const response = await fetch(`${url}/${workflow}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(data),
  });
  const body = await response.text();
  assert.equal(response.status, 202, body);
  return `/${workflow}/${(JSON.parse(body) as Order).id}`;
}

export async function getOrder(url: string, path: string): Promise<Order> {
  const response = await fetch(url + path);
  const body = await response.text();
  assert.equal(response.status, 200, body);
  return JSON.parse(body) as Order;
}
