import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createSocketServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { z } from "zod";
import { memory } from "../../src/backend/memory/memory.ts";
import { type Cauce, createCauce } from "../../src/cauce.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { PermanentError } from "../../src/core/errors.ts";
import { type App, implement } from "../../src/core/handlers.ts";
import { final } from "../../src/core/workflow.ts";
import type { Auth } from "../../src/http/auth.ts";
import { listen } from "../../src/node/server.ts";

export const parcels = defineWorkflow({
  name: "parcels",
  data: z.object({ to: z.string(), kilograms: z.number().default(1) }),
  results: z.object({ label: z.string(), weighed: z.boolean() }).partial(),
  group: ({ to }) => to,
  initial: "received",
  statuses: {
    received: { to: ["held", "returned"], retry: { attempts: 1 } },
    held: { to: ["sent", "returned"], waits: true },
    sent: final,
    returned: final,
  },
});

/** An app that returns a parcel to `nowhere`, fails for one to `BAD…`, and holds any other. */
export const parcelsApp = implement(parcels, {
  handlers: {
    received: ({ data }) => {
      if (data.to.startsWith("BAD")) throw new PermanentError(`no street ${data.to}`);
      return data.to === "nowhere" ? "returned" : { to: "held", results: { label: `L-${data.to}` } };
    },
  },
});

const log = { info: () => {}, warn: () => {}, error: () => {} };

export interface Served {
  readonly cauce: Cauce;
  readonly port: number;
  /** The server's address. */
  readonly url: string;
}

/** Starts a real server on loopback, over the memory backend, on the machine's clock. Closes it when the test ends. */
export async function served(
  t: TestContext,
  options: { apps?: App | readonly App[]; basePath?: string; auth?: Auth } = {},
): Promise<Served> {
  const { apps = parcelsApp, basePath = "", auth } = options;
  const cauce = await createCauce({ apps, backend: memory, basePath, auth, log });
  const listener = await listen(cauce.fetch, { host: "127.0.0.1", port: 0 });
  t.after(async () => {
    listener.abort();
    await listener.close();
    await cauce.close();
  });
  await cauce.start();
  return { cauce, port: listener.port, url: `http://127.0.0.1:${listener.port}${basePath}` };
}

/**
 * Starts a proxy to a server that loses the first `count` answers. The request reaches the server, which answers, and
 * the caller's connection ends without a byte of the answer. Gives the proxy's port.
 */
export async function losingAnswers(t: TestContext, port: number, count: number) {
  const sockets = new Set<Socket>();
  let lost = 0;
  const proxy = createSocketServer((caller) => {
    const server = connect(port, "127.0.0.1");
    for (const socket of [caller, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    caller.pipe(server);
    server.on("data", (bytes) => {
      if (lost >= count) return void caller.write(bytes);
      lost++;
      caller.destroy();
      server.destroy();
    });
    caller.on("close", () => server.destroy());
    server.on("close", () => caller.end());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
  return {
    port: (proxy.address() as AddressInfo).port,
    get lost() {
      return lost;
    },
  };
}

/** Starts a server that answers with `answer`, and keeps each request as `METHOD /path`. */
export async function stub(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const asked: { line: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(status, { "content-type": type, ...headers }).end(JSON.stringify(body));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  json(response, status, { type: "about:blank", title: "No", status, detail: `no: ${code}`, code }, headers);
}
