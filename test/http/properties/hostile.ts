import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import { sqlite } from "../../../src/backend/sqlite/index.ts";
import { createCauce } from "../../../src/cauce.ts";
import { defineWorkflow } from "../../../src/core/defineWorkflow.ts";
import { implement } from "../../../src/core/handlers.ts";
import { final } from "../../../src/core/workflow.ts";
import { httpStatusOf } from "../../../src/http/problem.ts";
import { listen } from "../../../src/node/server.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";

/** Any text that JavaScript can hold, with halves of surrogate pairs and keys that pollute prototypes. */
export const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }).map((codes) => String.fromCharCode(...codes)),
  fc.constantFrom("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "\u2028", "\0", ""),
);

/** The text of any JSON value. Keys may come twice, numbers may be huge, and texts may be no Unicode. */
export const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("null", "true", "false", "-0", "1e999", "-1E+400", "1e-999", "9".repeat(400), "0.1e0400"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    hostileText.map((text) => JSON.stringify(text)),
    fc.array(tie("value"), { maxLength: 4 }).map((values) => `[${values.join(",")}]`),
    fc
      .array(fc.tuple(hostileText, tie("value")), { maxLength: 4 })
      .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`),
  ),
})).value;

/** The text of a JSON value with 1 to 60,000 levels of nesting. */
export const nestedText = fc
  .tuple(fc.constantFrom(1, 100, 254, 255, 256, 257, 5_000, 60_000), fc.boolean())
  .map(([depth, lists]) =>
    lists ? `${"[".repeat(depth)}${"]".repeat(depth)}` : `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
  );

/** The text of data that the schema takes where the value of `extra` can be stored. */
export const dataText = fc
  .tuple(fc.oneof({ weight: 4, arbitrary: jsonText }, nestedText), hostileText)
  .map(([extra, key]) => `{"customerId":"c-1","extra":${extra},${JSON.stringify(key)}:1}`);

const withoutLineEnds = (text: string) => text.replaceAll("\n", " ");

const line = fc.oneof(
  { weight: 3, arbitrary: dataText.map((data) => `{"data":${data}}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom("k-1", "k-2").map((key) => `{"data":{"customerId":"c"},"idempotencyKey":"${key}"}`),
  },
  fc.tuple(jsonText, jsonText).map(([data, key]) => `{"data":${data},"idempotencyKey":${key}}`),
  fc
    .tuple(hostileText, jsonText)
    .map(([name, value]) => `{"data":{"customerId":"c"},${JSON.stringify(name)}:${value}}`),
  nestedText,
  hostileText.map(withoutLineEnds),
  fc.constantFrom("", " ", "\r", "\uFEFF", "{", `{"data":{"customerId":"${"x".repeat(3_000)}"}}`),
);
/** The bytes of a batch's line, which may be no JSON. */
export const lineBytes = fc.oneof(
  { weight: 5, arbitrary: line.map((text) => Buffer.from(text)) },
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x0a ? 0xff : byte)))),
);

export function assertUnpolluted(): void {
  const keys: string[] = [];
  for (const key in {}) keys.push(key);
  assert.deepEqual(keys, []);
  assert.equal(({} as { admin?: unknown }).admin, undefined);
}

/** Asserts that an answer is no server error, and that a refusal is a problem with a known code. Returns its text. */
export async function fairText(response: Response): Promise<string> {
  const text = await response.text();
  assertFair(response.status, response.headers.get("content-type") ?? "", text);
  return text;
}

export function assertFair(status: number, type: string, text: string): void {
  assert.ok(status >= 200 && status < 500, `${status}: ${text}`);
  if (status < 400) return;
  assert.equal(type, "application/problem+json");
  const problem = JSON.parse(text) as { status: number; code: keyof typeof httpStatusOf; detail: string };
  assert.equal(problem.status, status);
  assert.equal(httpStatusOf[problem.code], status, problem.code);
  assert.match(problem.detail, /^[^\p{Cc}\u2028\u2029]+$/u);
}

const orders = implement(
  defineWorkflow({
    name: "orders",
    data: z.looseObject({ customerId: z.string() }),
    initial: "received",
    statuses: { received: { to: ["shipped"], waits: true }, shipped: final },
  }),
  { handlers: {} },
);

/** Starts a server on loopback over a store on disk, whose clock stands still. Closes it when the test ends. */
export async function serving(t: TestContext, limits: { headersSeconds?: number; bodySeconds?: number } = {}) {
  const directory = await mkdtemp(join(tmpdir(), "cauce-hostile-"));
  const clock = fakeClock();
  const errors: string[] = [];
  const note = (_fields: object, message: string) => void errors.push(message);
  const cauce = await createCauce({
    apps: orders,
    backend: sqlite({ directory }),
    clock,
    log: { info: () => {}, warn: note, error: note },
  });
  const server = await listen((request, server) => cauce.fetch(request, server), {
    host: "127.0.0.1",
    port: 0,
    ...limits,
  });
  const sockets = new Set<Socket>();
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    for (const socket of sockets) socket.destroy();
    const ended = server.close();
    server.abort();
    await ended;
    await cauce.close();
    await rm(directory, { recursive: true });
    assert.equal(clock.timers, 0);
    assert.deepEqual(errors, []);
  };
  t.after(close);
  const { port } = server;
  return {
    cauce,
    clock,
    close,
    origin: `http://127.0.0.1:${port}`,
    /** Opens a connection that is destroyed at the end. */
    open(): Socket {
      const socket = connect(port, "127.0.0.1");
      sockets.add(socket);
      // The server hangs up on a client that misbehaves, with data still under way.
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
      return socket;
    },
    async assertServes(): Promise<void> {
      const response = await fetch(`http://127.0.0.1:${port}/healthz`);
      assert.equal(await response.text(), '{"status":"ok"}');
    },
  };
}
