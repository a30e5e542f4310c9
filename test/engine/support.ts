import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { z } from "zod";
import { memory } from "../../src/backend/memory/memory.ts";
import type { DeliveryMode, LocatedBackend } from "../../src/backend/port.ts";
import type { Random } from "../../src/core/clock.ts";
import type { Change } from "../../src/core/decide.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { CauceError, type ErrorCode } from "../../src/core/errors.ts";
import { type AnyHandler, type App, implement, type LazyHandler, type Log } from "../../src/core/handlers.ts";
import type { Order, StoredOrder } from "../../src/core/order.ts";
import { type AnyWorkflow, final, type StatusDefinition } from "../../src/core/workflow.ts";
import type { EngineContext } from "../../src/engine/context.ts";
import { noObserver } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import type { Engine, Call as EngineCall, Refusal } from "../../src/engine/engine.ts";
import { createIntake } from "../../src/engine/intake.ts";
import { type FakeClock, fakeClock } from "../../src/testing/fakeClock.ts";
import { openSqlite, temporaryDirectory } from "../backend/sqlite/support.ts";

const endings = new WeakMap<TestContext, (() => unknown)[]>();

/** Calls `close` when the test ends, the last registered first; `t.after` calls the first first. */
export function atEnd(t: TestContext, close: () => unknown): void {
  const known = endings.get(t);
  if (known !== undefined) {
    known.push(close);
    return;
  }
  const closes = [close];
  endings.set(t, closes);
  t.after(async () => {
    for (const each of closes.reverse()) await each();
  });
}

export const actor = { runtime: "node", name: "test" } as const;

export interface Line {
  readonly level: "info" | "warn" | "error";
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** Makes a log that keeps its lines. */
export function keptLog() {
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  const write = (level: Line["level"]) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, fields, message });
    for (const look of waiting) look();
  };
  const log: Log = { info: write("info"), warn: write("warn"), error: write("error") };
  return {
    log,
    lines,
    of: (message: string) => lines.filter((line) => line.message === message),
    /** Resolves with the `number`-th line of this message, counted from 1, as soon as it is written. */
    logged(message: string, number = 1): Promise<Line> {
      return new Promise((resolve) => {
        const look = () => {
          const line = lines.filter((each) => each.message === message)[number - 1];
          if (line === undefined) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

export interface Call {
  readonly order: Order;
  readonly context: Parameters<AnyHandler>[1];
  answer(value: unknown): void;
  fail(error: unknown): void;
}

/** Makes a handler whose calls the test answers one by one. */
export function controlled() {
  const calls: Call[] = [];
  const waiting = new Set<() => void>();
  const handler: AnyHandler = (order, context) =>
    new Promise((answer, fail) => {
      calls.push({ order, context, answer, fail });
      for (const look of waiting) look();
    });
  return {
    handler,
    calls,
    /** Resolves with the `number`-th call, counted from 1, as soon as it is made. */
    call(number: number): Promise<Call> {
      return new Promise((resolve) => {
        const look = () => {
          const call = calls[number - 1];
          if (call === undefined) return;
          waiting.delete(look);
          resolve(call);
        };
        waiting.add(look);
        look();
      });
    },
  };
}

type WorkflowParts = Partial<Pick<AnyWorkflow, "name" | "data" | "results" | "group" | "visitsMax">>;

/** Defines a workflow that takes any data and starts in the first of the statuses. */
export function workflowOf(statuses: Readonly<Record<string, StatusDefinition>>, parts: WorkflowParts = {}) {
  const [initial] = Object.keys(statuses);
  const options = { name: "orders", data: z.looseObject({}), initial, statuses, ...parts };
  return defineWorkflow(options as unknown as Parameters<typeof defineWorkflow>[0]) as AnyWorkflow;
}

export type AppParts = { readonly resources?: () => unknown; readonly release?: (resources: object) => unknown };

/** What the parts of an engine share, over a backend and a clock. */
export function contextOf(parts: Partial<EngineContext> & Pick<EngineContext, "backend" | "clock">): EngineContext {
  return {
    workflow: workflowOf({ received: { to: ["done"] }, done: final }),
    random: () => 0.5,
    log: keptLog().log,
    actor: { ...actor, requestId: null, messageId: null },
    observer: noObserver,
    commitRetrySeconds: Number.POSITIVE_INFINITY,
    intake: createIntake({ clock: parts.clock }),
    ...parts,
  };
}

/** Joins any handlers to a workflow, also handlers that only plain JavaScript can pass. */
export function appOf(
  workflow: AnyWorkflow,
  handlers: Readonly<Record<string, AnyHandler | LazyHandler<AnyHandler>>> = {},
  parts: AppParts = {},
): App {
  return implement(workflow, { handlers: handlers as never, ...(parts as object) });
}

export interface Options {
  /** Default: a clock that stands still and must have no timer left at the end. */
  readonly clock?: FakeClock;
  readonly random?: Random;
  readonly delivery?: DeliveryMode;
  readonly unknownStatuses?: "refuse" | "fail";
  /** An opened backend, which stays open. Default: a memory backend of its own, closed at the end. */
  readonly backend?: LocatedBackend;
  /** Wraps the backend. */
  readonly around?: (backend: LocatedBackend) => LocatedBackend;
}

/** Opens a store on a clock that stands still, and closes the store when the test ends, with no timer left. */
export async function openStore(t: TestContext, store: "memory" | "sqlite" = "memory", delivery?: DeliveryMode) {
  const clock = fakeClock();
  const { directory, remove } = temporaryDirectory();
  atEnd(t, remove);
  const options = { clock, delivery: delivery ?? "standard" };
  const backend = store === "memory" ? memory(options) : await openSqlite(directory, options);
  atEnd(t, async () => {
    await backend.close();
    assert.equal(clock.timers, 0, "timers left on the clock");
  });
  return { clock, backend };
}

/** Makes an engine over a backend, and stops it when the test ends. */
export function engineOf(t: TestContext, app: App, options: Options = {}) {
  const {
    clock = fakeClock(),
    random = () => 0.5,
    unknownStatuses = "refuse",
    around = (backend) => backend,
  } = options;
  const kept = keptLog();
  const own = options.backend === undefined ? memory({ clock, delivery: options.delivery }) : undefined;
  const changes: Change[] = [];
  const watching = new Set<() => void>();
  const inner = around(own ?? (options.backend as LocatedBackend));
  const backend: LocatedBackend = {
    ...inner,
    async commit(change, delivery) {
      const committed = await inner.commit(change, delivery);
      if (committed === "committed") {
        changes.push(change);
        for (const look of watching) look();
      }
      return committed;
    },
  };
  const engine = createEngine({ app, backend, clock, random, log: kept.log, actor, unknownStatuses });
  atEnd(t, async () => {
    await engine.stop();
    if (own === undefined) return;
    await own.close();
    assert.equal(clock.timers, 0, "timers left on the clock");
  });

  const get = async (id: string): Promise<StoredOrder> => {
    const order = await engine.get(id);
    assert.ok(order, `order ${id} is not there`);
    return order;
  };

  return {
    ...kept,
    clock,
    engine,
    backend,
    /** Every committed change, in the order of the commits. */
    changes,
    get,
    /** Places an order, and fails the test where the engine refuses it. */
    async place(data: unknown = {}, placeOptions?: Partial<EngineCall>): Promise<StoredOrder> {
      return taken(await engine.place(data, placeOptions)).order;
    },
    /** Resolves with the order as soon as `isSo` is true of it. */
    async until(id: string, isSo: (order: StoredOrder) => boolean): Promise<StoredOrder> {
      for (;;) {
        const changed = new Promise<void>((resolve) => {
          const look = () => {
            watching.delete(look);
            resolve();
          };
          watching.add(look);
        });
        const order = await get(id);
        if (isSo(order)) return order;
        await changed;
      }
    },
  };
}

export type Running = ReturnType<typeof engineOf>;

/** Asserts that an engine did not refuse, and returns its result. */
export function taken<T extends object>(result: T | Refusal): T {
  if ("refused" in result) assert.fail(`refused with ${result.refused}: ${result.message}`);
  return result;
}

/** Asserts that an engine refused with this code and a message of one line, and returns the refusal. */
export function refused(result: object | Refusal, code: ErrorCode): Refusal {
  if (!("refused" in result)) assert.fail(`not refused with ${code}`);
  assert.equal(result.refused, code, result.message);
  assert.match(result.message, /^[^\n]+$/);
  return result;
}

/** Makes the check of a `CauceError` with this code, for `assert.throws` and `assert.rejects`. */
export function cauceError(code: ErrorCode, message = /^[^\n]+$/) {
  return (error: unknown): true => {
    assert.ok(error instanceof CauceError, `no CauceError: ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** Lets everything happen that needs no time to pass, so that a test can show that nothing happened. */
export async function quiet(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await turn();
}

/** Gives the statuses of an order's visits, oldest first. */
export function pathOf(order: StoredOrder): string[] {
  return [...order.past.map(({ status }) => status), order.status];
}

export function resultsOf(order: StoredOrder): unknown {
  return JSON.parse(order.resultsJson);
}

export const isFailed = (order: StoredOrder): boolean => order.failure !== null;
export const isIn = (status: string) => (order: StoredOrder) => order.status === status;

export type { Engine };
