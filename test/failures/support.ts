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

/** Makes an empty directory, and removes it when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-failures-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Starts a server, and kills it when the test ends. */
export function serve(t: TestContext, options: ServerOptions): Server {
  const server = startServer(options);
  t.after(async () => {
    server.kill("SIGKILL");
    await server.ended;
  });
  return server;
}

/** Restarts a server each time it ends, as a supervisor does, until `wanted` resolves. Gives the ends of the others. */
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
      // The error is of a request to a server that ended meanwhile, or of a server that ended before it listened.
      if (error instanceof assert.AssertionError) throw error;
      return server.ended;
    });
    if (typeof outcome === "string") return { server, url: outcome, ends };
    ends.push(outcome);
  }
}

/** Has a server drain, and asserts that it exits with 0. */
export async function stop(server: Server): Promise<Ended> {
  server.kill("SIGTERM");
  const end = await server.ended;
  assert.equal(end.code, 0, describeEnd(end));
  return end;
}

export interface Gate {
  /** Answers only once the gate is open. */
  readonly url: string;
  /** Resolves when the URL has been requested that often. */
  asked(times: number): Promise<void>;
  open(): void;
}

/** Serves a URL whose answer a handler waits for until the test opens the gate. */
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

/** Reads an order until it is as wanted. The test's own time limit ends an endless wait. */
export async function waitFor(url: string, path: string, wanted: (order: Order) => boolean): Promise<Order> {
  for (;;) {
    const order = await getOrder(url, path);
    if (wanted(order)) return order;
    await delay(10);
  }
}

/** Reads a workflow's queues until each is as wanted. */
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

/** Places an order, and gives its URL. Fails the test where the order is refused. */
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
