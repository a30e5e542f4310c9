import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type Cauce, type CauceOptions, createCauce, type Order } from "cauce";
import { memory } from "cauce/testing";
import { type ImportOptions, importFile } from "../../../src/cli/import/importFile.ts";
import { CauceError } from "../../../src/core/errors.ts";
import { listen } from "../../../src/node/server.ts";
import { atEnd, temporaryDirectory } from "../support.ts";
import parked from "./fixtures/parked.app.ts";

export const parkedApp = fileURLToPath(new URL("fixtures/parked.app.ts", import.meta.url));

export interface Serving {
  readonly base: string;
  /** The workflow's URL. */
  readonly url: string;
  readonly cauce: Cauce;
  orders(): Promise<Order[]>;
}

/** Starts a real server. `before` sees each request first, and may answer it or replace it. */
export async function serving(
  t: TestContext,
  options: { auth?: CauceOptions["auth"]; before?: (request: Request) => Promise<Request | Response> } = {},
): Promise<Serving> {
  const { before = async (request: Request) => request } = options;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const cauce = await createCauce({ apps: parked, backend: memory, log, auth: options.auth });
  const fetch = async (request: Request, help: object) => {
    const given = await before(request);
    return given instanceof Response ? given : cauce.fetch(given, given === request ? help : {});
  };
  const listener = await listen(fetch, { host: "127.0.0.1", port: 0 });
  atEnd(t, async () => {
    listener.abort();
    await listener.close();
    await cauce.close();
  });
  const base = `http://127.0.0.1:${listener.port}`;
  return { base, url: `${base}/parked`, cauce, orders: () => allOrders(`${base}/parked`) };
}

export async function allOrders(url: string): Promise<Order[]> {
  const orders: Order[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const response = await fetch(`${url}?limit=1000${cursor && `&cursor=${cursor}`}`);
    const page = (await response.json()) as { items: Order[]; nextCursor: string | null };
    orders.push(...page.items);
    cursor = page.nextCursor;
  }
  return orders;
}

/** Makes a gate that passes `lines` lines of all bodies, and holds the rest back until it is opened. */
export function gateAfter(lines: number) {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let left = lines;
  const hold = async function* (body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      const whole = chunk.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0);
      if (whole < left) {
        left -= whole;
        yield chunk;
        continue;
      }
      for (let from = 0; from < chunk.length; ) {
        if (left <= 0) {
          reached.resolve();
          await opened.promise;
          left = Number.POSITIVE_INFINITY;
        }
        const end = chunk.indexOf(0x0a, from);
        const to = end < 0 ? chunk.length : end + 1;
        yield chunk.subarray(from, to);
        left -= end < 0 ? 0 : 1;
        from = to;
      }
    }
  };
  return {
    reached: reached.promise,
    open: opened.resolve,
    async before(request: Request): Promise<Request> {
      if (request.body === null) return request;
      const { url, method, headers } = request;
      return new Request(url, { method, headers, body: ReadableStream.from(hold(request.body)), duplex: "half" });
    },
  };
}

/**
 * Starts a proxy to a server that holds a connection back after `bytes` bytes, until that server is killed. Later
 * connections pass.
 */
export async function wayHeldAfter(t: TestContext, serverPort: number, bytes: number) {
  const reached = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  let left = bytes;
  const proxy = createServer((caller) => {
    const server = connect(serverPort, "127.0.0.1");
    for (const [one, other] of [[caller, server] as const, [server, caller] as const]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    server.pipe(caller);
    caller.on("data", (chunk) => {
      server.write(chunk);
      left -= chunk.length;
      if (left > 0) return;
      caller.pause();
      left = Number.POSITIVE_INFINITY;
      reached.resolve();
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return { port: (proxy.address() as AddressInfo).port, reached: reached.promise };
}

export function file(t: TestContext, text: string | Buffer, name = "orders.ndjson"): string {
  const path = join(temporaryDirectory(t), name);
  writeFileSync(path, text);
  return path;
}

/** Makes `count` lines of data, each a different order. */
export function linesOf(count: number, first = 0): string {
  return Array.from({ length: count }, (_, at) => `{"customer":"c-${at % 7}","number":${first + at}}\n`).join("");
}

interface Counts {
  readonly placed: number;
  readonly repeated: number;
  readonly refused: number;
  readonly lines: number;
  readonly seconds: number;
}

export interface Imported {
  /** The code of the error that the import threw. */
  readonly code: string | undefined;
  readonly message: string;
  /** The counts of the lines. Undefined where the import printed none. */
  readonly counts: Omit<Counts, "seconds"> | undefined;
  readonly stderr: string;
}

export interface RunOptions extends Partial<Omit<ImportOptions, "file" | "target">> {
  readonly stop?: AbortSignal;
  readonly stdin?: Readable;
  readonly key?: string;
  readonly terminal?: NodeJS.WriteStream;
}

/** Runs an import in this process. */
export async function runImport(url: string, path: string, options: RunOptions = {}): Promise<Imported> {
  const { stop = new AbortController().signal, stdin = Readable.from([]), key, terminal, ...given } = options;
  let stdout = "";
  let stderr = "";
  const output = { out: (text: string) => (stdout += text), err: (text: string) => (stderr += text) };
  let error: unknown;
  try {
    await importFile(
      {
        file: path,
        target: { url, key },
        format: { kind: "data" },
        retrySeconds: 30,
        json: true,
        ...given,
      },
      { output, terminal, stdin, stop },
    );
  } catch (thrown) {
    if (!(thrown instanceof CauceError)) throw thrown;
    error = thrown;
  }
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  assert.match(stdout, /^(\{.*\}\n)?$/);
  const { seconds: _, ...counts } = stdout === "" ? ({} as Partial<Counts>) : (JSON.parse(stdout) as Counts);
  return {
    code,
    message: message ?? "",
    counts: stdout === "" ? undefined : (counts as Omit<Counts, "seconds">),
    stderr,
  };
}
