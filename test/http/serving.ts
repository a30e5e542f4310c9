import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { z } from "zod";
import { type BoundWorkflow, bindOperations } from "../../src/api/around.ts";
import { operations } from "../../src/api/operations.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { PermanentError } from "../../src/core/errors.ts";
import { implement } from "../../src/core/handlers.ts";
import type { Order } from "../../src/core/order.ts";
import { final } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createIntake } from "../../src/engine/intake.ts";
import { createTelemetry } from "../../src/engine/telemetry/telemetry.ts";
import { createApp, type HttpAppOptions } from "../../src/http/app.ts";
import type { ServerBindings } from "../../src/http/body.ts";
import { telemetryRoutes } from "../../src/http/telemetry.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";

/** An app whose orders start in a handled status. An order of a customer `BAD…` fails permanently. */
const orders = implement(
  defineWorkflow({
    name: "orders",
    data: z.object({ customerId: z.string(), total: z.number().optional(), extra: z.unknown().optional() }),
    group: (data) => data.customerId,
    initial: "received",
    statuses: { received: { to: ["shipped", "cancelled"] }, shipped: final, cancelled: final },
  }),
  {
    handlers: {
      received: (order) => {
        if (order.data.customerId.startsWith("BAD")) throw new PermanentError("the customer is blocked");
        return "shipped";
      },
    },
  },
);

/** An app whose orders start in a waiting status. */
const claims = implement(
  defineWorkflow({
    name: "claims",
    data: z.strictObject({ text: z.string().min(1) }),
    results: z.object({ payout: z.number().max(1_000) }).partial(),
    initial: "filed",
    statuses: { filed: { to: ["paid", "refused"], waits: true }, paid: final, refused: final },
  }),
  { handlers: {} },
);

export interface Line {
  readonly level: "info" | "warn" | "error";
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

export interface RequestOptions {
  /** A body that is sent as JSON. */
  readonly json?: unknown;
  readonly body?: RequestInit["body"];
  readonly headers?: Record<string, string>;
  /** The environment that the server passes on. */
  readonly env?: ServerBindings;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly { path: string; message: string }[];
}

/** Binds every operation to the engines, without functions around them. */
export function boundOf(engines: readonly Engine[]): BoundWorkflow[] {
  return engines.map((engine) => bindOperations(engine, operations, []));
}

/** Makes the parts of an app that a test does not use. */
export function parts() {
  const clock = fakeClock();
  return { telemetry: telemetryRoutes([], createTelemetry({ clock, stream: "s" }), clock, createIntake({ clock })) };
}

/** Makes the HTTP app over two engines on memory backends, whose clock stands still. Closes them when the test ends. */
export async function serving(
  t: TestContext,
  options: Partial<Omit<HttpAppOptions, "bound" | "log" | "telemetry">> = {},
) {
  const clock = fakeClock();
  const lines: Line[] = [];
  const waiting: { message: string; resolve: () => void }[] = [];
  const write = (level: Line["level"]) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, fields, message });
    const index = waiting.findIndex((one) => one.message === message);
    if (index !== -1) waiting.splice(index, 1)[0]?.resolve();
  };
  const log = { info: write("info"), warn: write("warn"), error: write("error") };
  const backends = [orders, claims].map((app) => ({ app, backend: memory({ clock }) }));
  const telemetry = createTelemetry({ clock, stream: "s" });
  const intake = createIntake({ clock });
  const engines: Engine[] = backends.map(({ app, backend }) => {
    const observer = telemetry.observerOf(app.workflow.name, []);
    return createEngine({
      app,
      backend,
      clock,
      random: () => 0.5,
      log,
      actor: { runtime: "node", name: "test" },
      observer,
      intake,
    });
  });
  t.after(async () => {
    for (const engine of engines) await engine.stop();
    for (const { backend } of backends) await backend.close();
    assert.equal(clock.timers, 0);
  });
  const { basePath = "" } = options;
  const routes = telemetryRoutes(engines, telemetry, clock, intake);
  const app = createApp({
    auth: undefined,
    ready: () => true,
    ...options,
    bound: boundOf(engines),
    log,
    telemetry: routes,
  });

  const request = async (method: string, path: string, { json, body, headers, env }: RequestOptions = {}) => {
    const sent = json === undefined ? body : JSON.stringify(json);
    const type = json === undefined ? undefined : { "content-type": "application/json" };
    const init: RequestInit = { method, headers: { ...type, ...headers }, duplex: "half" };
    if (sent !== undefined && sent !== null) init.body = sent;
    return app.fetch(new Request(`http://localhost${basePath}${path}`, init), env);
  };

  return {
    app,
    clock,
    telemetry,
    engines,
    lines,
    request,
    /** Places an order and returns it. */
    async place(workflow: string, data: unknown, headers: Record<string, string> = {}): Promise<Order> {
      const response = await request("POST", `/${workflow}`, { json: data, headers });
      assert.equal(response.status, 202);
      return (await response.json()) as Order;
    },
    /** Resolves when the next line with this message is logged. */
    logged: (message: string) => new Promise<void>((resolve) => waiting.push({ message, resolve })),
    async start() {
      for (const engine of engines) await engine.start();
    },
  };
}

/** Checks that an answer is a problem document with this status and code, and returns it. */
export async function problemOf(response: Response, status: number, code: string): Promise<Problem> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = JSON.parse(text) as Problem;
  assert.deepEqual(
    { type: problem.type, status: problem.status, code: problem.code },
    { type: "about:blank", status, code },
  );
  assert.ok(problem.title.length > 0);
  assert.match(problem.detail, /^[^\n]+$/);
  return problem;
}

/** Gives the body of an answer that must be JSON with this status. */
export async function jsonOf<T = Record<string, unknown>>(response: Response, status = 200): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get("content-type"), "application/json");
  return JSON.parse(text) as T;
}
