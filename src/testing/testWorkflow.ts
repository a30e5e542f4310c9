import { isDate } from "node:util/types";
import type { z } from "zod";
import { aroundsOf, bindOperations } from "../api/around.ts";
import { createLibrary } from "../api/library.ts";
import { operations } from "../api/operations.ts";
import type { Orders } from "../api/orders.ts";
import type { KeyedOptions, OrderOf, Transition } from "../api/types.ts";
import { memory } from "../backend/memory/memory.ts";
import type { DeliveryMode } from "../backend/port.ts";
import type { Random } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import { type App, isApp, type Log } from "../core/handlers.ts";
import { attemptNumber, type Order } from "../core/order.ts";
import { type AnyWorkflow, handledStatus, type StatusName, timeoutSecondsOf } from "../core/workflow.ts";
import { logFault } from "../engine/callbacks.ts";
import { type EndedAttempt, noObserver, type Observer } from "../engine/context.ts";
import { openWorkflows } from "../engine/open.ts";
import { type AtRest, createAtRest } from "./atRest.ts";
import { type FakeClock, fakeClock } from "./fakeClock.ts";

export interface TestWorkflowOptions<Resources extends object = object> {
  /**
   * What the handlers get in place of the app's `resources`, which are then not opened. The test keeps them: they are
   * not closed. Default: the app's own, opened now and closed by `close`.
   */
  readonly resources?: Resources | undefined;
  /** Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
  /** When the test's time begins. Default: 24 November 2026, 00:00 UTC. */
  readonly startAt?: Date | undefined;
  /** Draws the jitter of retries. Default `() => 0.5`: each delay is half of its ceiling. */
  readonly random?: Random | undefined;
  /**
   * How many seconds of real time a handler may take before it counts as waiting for time to pass. Then `place`,
   * `transition` and `retry` reject with `not_at_rest`, and `advance` lets time pass, at most to the handler's
   * `timeoutSeconds`. Default 5.
   */
  readonly patienceSeconds?: number | undefined;
  /** What the engine and the handlers log. Default: nothing is written. */
  readonly log?: Log | undefined;
}

/** A workflow at work on a clock that stands still. Every call ends once nothing more happens without time passing. */
export interface WorkflowTest<W extends AnyWorkflow = AnyWorkflow> extends AsyncDisposable {
  /**
   * Every operation on orders, as the typed client and `cauce.workflow` have it. These calls do not wait until
   * everything is at rest.
   */
  readonly orders: Orders<W>;
  /** The test's clock, for fakes that need the time, and for a check that `timers` is 0 after `close`. */
  readonly clock: Pick<FakeClock, "now" | "at" | "timers">;
  /**
   * Places an order, and resolves to it once everything is at rest. A repeat of an idempotency key gives the order that
   * was placed before. Rejects with `invalid_data`, `idempotency_conflict`, `limit_exceeded`, `not_at_rest`,
   * `closed`.
   */
  place(data: z.input<W["data"]>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /** The order as it stands. Rejects with `order_not_found`, `closed`. */
  get(id: string): Promise<OrderOf<W>>;
  /**
   * Moves a waiting or failed order, as the API does, and resolves to it once everything is at rest. Rejects with
   * `order_not_found`, `transition_not_allowed`, `being_handled`, `stale`, `invalid_results`, `idempotency_conflict`,
   * `invalid_request`, `not_at_rest`, `closed`.
   */
  transition(id: string, request: Transition<W>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /**
   * Starts a failed order again, and resolves to it once everything is at rest. Rejects with `order_not_found`,
   * `not_failed`, `transition_not_allowed`, `not_at_rest`, `closed`.
   */
  retry(id: string): Promise<OrderOf<W>>;
  /**
   * Lets `seconds` (0 or more) pass. Delays, retries, expiries and timeouts come in their order, each at its own time.
   * What each sets off is at rest before time moves on. Does not wait for a handler that runs longer than
   * `patienceSeconds` of real time. Rejects with `closed`, and with a `RangeError` for other seconds.
   */
  advance(time: { readonly seconds: number }): Promise<void>;
  /** The attempts of an order that have ended, oldest first. */
  attempts(id: string): readonly Attempt<StatusName<W>>[];
  /** Ends everything. A handler that does not end times out. Harmless when called again. */
  close(): Promise<void>;
}

const options: readonly string[] = [
  "resources",
  "delivery",
  "startAt",
  "random",
  "patienceSeconds",
  "log",
] satisfies (keyof TestWorkflowOptions)[];
const silent: Log = { info: () => {}, warn: () => {}, error: () => {} };

/**
 * Runs an app's workflow in a test: the real engine over the memory backend, on a clock that stands still until
 * `advance`. Days pass in milliseconds.
 *
 * ```ts
 * await using shop = await testWorkflow(app, { resources: { gateway } });
 * const order = await shop.place({ customerId: "c-1", items: [] });
 * assert.equal(order.status, "shipped");
 * ```
 *
 * Rejects with `setting_invalid`, `app_invalid`, `limit_exceeded`, and `resources_failed` where the app's `resources`
 * throws.
 */
export async function testWorkflow<W extends AnyWorkflow, Resources extends object>(
  app: App<W, Resources>,
  testOptions: TestWorkflowOptions<NoInfer<Resources>> = {},
): Promise<WorkflowTest<W>> {
  checkOptions(testOptions);
  if (!isApp(app)) {
    throw new CauceError("app_invalid", "testWorkflow: the first argument must be what implement returned");
  }
  const {
    resources,
    delivery = "standard",
    startAt,
    random = () => 0.5,
    patienceSeconds = 5,
    log = silent,
  } = testOptions;
  const { workflow } = app;
  const clock = fakeClock(startAt?.getTime());
  const atRest = createAtRest(workflow, memory({ clock, delivery }), clock, patienceSeconds);
  const attempts = new Map<string, Attempt[]>();
  const changed: Observer["changed"] = (change, ended) => {
    // `keep` only notes that an attempt begins.
    if (ended === undefined || change.delivery === "keep") return;
    const { id } = change.before;
    attempts.set(id, [...(attempts.get(id) ?? []), attemptOf(change, ended)]);
  };
  const opened = await openWorkflows({
    apps: (resources === undefined ? app : { ...app, resources: () => resources, release: () => {} }) as App,
    ...{ delivery, random, log, clock: atRest.clock, backend: () => atRest.backend },
    actor: { runtime: "node", name: "test" },
    observerOf: () => ({ ...noObserver, changed }),
  });
  const { engine } = opened.workflows[0] as (typeof opened.workflows)[number];
  try {
    await engine.start();
  } catch (error) {
    await opened.close();
    throw error;
  }
  const time = createTime(clock, atRest);
  const { orders } = createLibrary(bindOperations(engine, operations, aroundsOf(opened)));
  const get = async (id: string) => (await orders.call("get", { id })) as OrderOf<W>;
  /** Gives the order of a call, once everything that the call set off is at rest. */
  const settled = async (id: string): Promise<OrderOf<W>> => {
    await time.rest();
    for (const { delivery, isStuck } of atRest.leases.values()) {
      if (isStuck && delivery.orderId === id) throw notAtRest(workflow, await get(id), patienceSeconds);
    }
    return get(id);
  };
  const close = async () => {
    await time.passUntil(engine.stop());
    atRest.end(new CauceError("closed", "the test of this workflow is closed; make a new one with testWorkflow"));
    await opened.close();
  };
  let closing: Promise<void> | undefined;
  const test: WorkflowTest<W> = {
    // Only the caller's types know which workflow it is.
    orders: orders as unknown as Orders<W>,
    clock,
    place: async (data, options) => settled((await orders.place(data, options)).order.id),
    get,
    transition: async (id, request, options) => settled((await orders.transition(id, request, options)).id),
    retry: async (id) => settled((await orders.retry(id)).id),
    advance: ({ seconds }) => time.advance(seconds),
    attempts: (id) => (attempts.get(id) ?? []) as unknown as readonly Attempt<StatusName<W>>[],
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => test.close(),
  };
  return test;
}

/** Makes what lets the test's time pass, one `advance` after the other. */
function createTime(clock: FakeClock, atRest: AtRest) {
  let advancing: Promise<void> | undefined;

  const passTo = async (end: number): Promise<void> => {
    for (;;) {
      await atRest.rest();
      const now = clock.now();
      if (now >= end) return;
      // In whole milliseconds, rounded up: else a time between two milliseconds would never be reached.
      clock.advance(Math.min(end - now, Math.ceil((clock.nextAt ?? end) - now)) / 1_000);
    }
  };

  return {
    /** Resolves once nothing more happens and no `advance` is under way. */
    async rest(): Promise<void> {
      do {
        await atRest.rest();
        await advancing;
      } while (advancing !== undefined);
    },

    async advance(seconds: number): Promise<void> {
      if (!(seconds >= 0) || !Number.isFinite(seconds)) {
        throw new RangeError(`advance: seconds must be 0 or more, and is ${seconds}`);
      }
      const before = advancing;
      const mine = (async () => {
        await before?.catch(() => {});
        await passTo(clock.now() + Math.round(seconds * 1_000));
      })();
      advancing = mine;
      try {
        await mine;
      } finally {
        if (advancing === mine) advancing = undefined;
      }
    },

    /** Lets time pass until an engine has stopped: at most as long as its handlers may take. */
    async passUntil(stopping: Promise<void>): Promise<void> {
      await atRest.handlersAtRest();
      while (atRest.leases.size > 0 && clock.nextAt !== null) {
        clock.advance(Math.max(0, Math.ceil(clock.nextAt - clock.now())) / 1_000);
        await atRest.handlersAtRest();
      }
      await stopping;
    },
  };
}

function notAtRest(workflow: AnyWorkflow, { id, status }: Order, patienceSeconds: number): CauceError {
  const seconds = timeoutSecondsOf(handledStatus(workflow, status));
  return new CauceError(
    "not_at_rest",
    `order ${id}: the handler of "${status}" has not ended within ${patienceSeconds} s of real time; let what it waits ` +
      `for answer, raise patienceSeconds, or to see it time out call advance({ seconds: ${seconds} }) without awaiting this first`,
  );
}

/** Checks the options, for users of plain JavaScript: a misspelt option must not be ignored. */
function checkOptions({ startAt, patienceSeconds, log, ...rest }: TestWorkflowOptions): void {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", `testWorkflow: ${what}`);
  };
  const unknown = Object.keys(rest).find((key) => !options.includes(key));
  if (unknown !== undefined) refuse(`there is no option "${unknown}"; it takes ${options.join(", ")}`);
  const fault = logFault(log);
  if (fault !== undefined) refuse(fault);
  if (startAt !== undefined && !(isDate(startAt) && Number.isFinite(startAt.getTime()))) {
    refuse("startAt must be a Date");
  }
  if (patienceSeconds !== undefined && !(patienceSeconds > 0 && patienceSeconds <= 86_400)) {
    refuse("patienceSeconds must be a number above 0, up to 86400");
  }
}

/** How one attempt ended. */
export interface Attempt<Status extends string = string> {
  readonly status: Status;
  readonly visit: number;
  /** The number of the attempt within its visit, from 1. */
  readonly attempt: number;
  /** When it ended, in ISO 8601. */
  readonly at: string;
  /**
   * `moved`: the handler gave the next status. `retried`: the attempt failed, and the next one comes at `notBefore`.
   * `failed`: the last attempt failed, and the order went to the status of `exhausted` or is marked failed.
   */
  readonly outcome: "moved" | "retried" | "failed";
  /** The status that the order went to; null where it stayed. */
  readonly to: Status | null;
  readonly error: string | null;
  /** When the next attempt may begin, in ISO 8601; null where there is none. */
  readonly notBefore: string | null;
}

function attemptOf({ before, after, ended }: Change, { outcome }: EndedAttempt): Attempt {
  return {
    status: before.status,
    visit: before.visit,
    attempt: attemptNumber(before),
    at: new Date(after.updatedAt).toISOString(),
    outcome,
    to: ended === null ? null : after.status,
    error: outcome === "moved" ? null : (after.failure?.message ?? (ended ?? after.entry).error),
    notBefore: after.notBefore === null ? null : new Date(after.notBefore).toISOString(),
  };
}
