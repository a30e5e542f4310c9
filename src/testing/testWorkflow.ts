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
import type { App, Log } from "../core/handlers.ts";
import type { Order } from "../core/order.ts";
import {
  type AnyWorkflow,
  type HandledStatus,
  handledStatuses,
  type StatusName,
  statusOf,
  timeoutSecondsOf,
} from "../core/workflow.ts";
import { createEngine } from "../engine/createEngine.ts";
import { createAtRest } from "./atRest.ts";
import { type FakeClock, fakeClock } from "./fakeClock.ts";

export interface TestWorkflowOptions<Resources extends object = object> {
  /**
   * What the handlers get instead of what the app's `resources` would open: nothing real is opened. They are the
   * test's own and are not closed. Default: the app's own, opened now and closed by `close`.
   */
  readonly resources?: Resources | undefined;
  /** Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
  /** When the test's time begins. Default: 24 November 2026, 00:00 UTC. */
  readonly startAt?: Date | undefined;
  /** Draws the jitter of retries. Default `() => 0.5`: each delay is half of its ceiling. */
  readonly random?: Random | undefined;
  /**
   * How many seconds of real time a handler may take before it counts as waiting for time to pass. `place`,
   * `transition` and `retry` then reject with `not_at_rest`; `advance` lets time pass, to its `timeoutSeconds` at the
   * latest. Default 5.
   */
  readonly patienceSeconds?: number | undefined;
  /** What the engine and the handlers log. Default: nothing is written. */
  readonly log?: Log | undefined;
}

/** A workflow at work on a clock that stands still. Every call ends when nothing more happens without time passing. */
export interface WorkflowTest<W extends AnyWorkflow = AnyWorkflow> extends AsyncDisposable {
  /**
   * Everything that can be done to orders, as the typed client and `cauce.workflow` have it: each call ends as it does
   * there, and not only once everything is at rest.
   */
  readonly orders: Orders<W>;
  /** The test's time: for fakes that need it, and for a check that `timers` is 0 after `close`. */
  readonly clock: Pick<FakeClock, "now" | "at" | "timers">;
  /**
   * Places an order and resolves with it as it stands once everything is at rest. A repeat of an idempotency key gives
   * the order that is there. Rejects with `invalid_data`, `idempotency_conflict`, `limit_exceeded`, `not_at_rest`,
   * `closed`.
   */
  place(data: z.input<W["data"]>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /** The order as it stands. Rejects with `order_not_found`, `closed`. */
  get(id: string): Promise<OrderOf<W>>;
  /**
   * Moves a waiting or failed order, as the API does, and resolves with it once everything is at rest. Rejects with
   * `order_not_found`, `transition_not_allowed`, `being_handled`, `stale`, `invalid_results`, `idempotency_conflict`,
   * `invalid_request`, `not_at_rest`, `closed`.
   */
  transition(id: string, request: Transition<W>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /**
   * Starts a failed order again, and resolves with it once everything is at rest. Rejects with `order_not_found`,
   * `not_failed`, `transition_not_allowed`, `not_at_rest`, `closed`.
   */
  retry(id: string): Promise<OrderOf<W>>;
  /**
   * Lets `seconds` (0 or more) pass: delays, retries, expiries and timeouts come in their order, each at its own time,
   * and what they set off is at rest before time moves on. Resolves when the last of it is. A handler that still runs
   * after `patienceSeconds` of real time is passed by. Rejects with `closed`, and with a `RangeError` for other seconds.
   */
  advance(time: { readonly seconds: number }): Promise<void>;
  /** The attempts of an order that have ended, oldest first. */
  attempts(id: string): readonly Attempt<StatusName<W>>[];
  /** Ends everything; a handler that does not end is timed out. Harmless when called again. */
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
 * Runs an app's workflow for a test: the real engine over the memory backend, on a clock that stands still until
 * `advance`. Days pass in milliseconds.
 *
 * ```ts
 * await using shop = await testWorkflow(app, { resources: { gateway } });
 * const order = await shop.place({ customerId: "c-1", items: [] });
 * assert.equal(order.status, "shipped");
 * ```
 *
 * Rejects with `setting_invalid`, `app_invalid`, `limit_exceeded`, and `resources_failed` where the app's `resources` throws.
 */
export async function testWorkflow<W extends AnyWorkflow, Resources extends object>(
  app: App<W, Resources>,
  testOptions: TestWorkflowOptions<NoInfer<Resources>> = {},
): Promise<WorkflowTest<W>> {
  checkOptions(testOptions);
  if (typeof app?.workflow?.name !== "string") {
    throw new CauceError("app_invalid", "testWorkflow: the first argument must be what implement returned");
  }
  const { resources, delivery, startAt, random = () => 0.5, patienceSeconds = 5, log = silent } = testOptions;
  const { workflow } = app;
  const clock = fakeClock(startAt?.getTime());
  const store = memory({ clock, delivery });
  const attempts = new Map<string, Attempt[]>();
  const atRest = createAtRest({
    backend: {
      ...store,
      async commit(change, delivery) {
        const committed = await store.commit(change, delivery);
        const attempt = committed === "committed" ? attemptOf(change) : undefined;
        if (attempt !== undefined) attempts.set(change.before.id, [...(attempts.get(change.before.id) ?? []), attempt]);
        return committed;
      },
    },
    clock,
    concurrencies: new Map(
      handledStatuses(workflow).map((name) => {
        const { concurrency } = statusOf(workflow, name) as HandledStatus;
        return [name, concurrency ?? store.limits.concurrency.default];
      }),
    ),
    patienceSeconds,
  });
  const engine = createEngine({
    app: resources === undefined ? app : { ...app, resources: () => resources, release: () => {} },
    backend: atRest.backend,
    clock: atRest.clock,
    random,
    log,
    actor: { runtime: "node", name: "test" },
  });
  let advancing: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  try {
    await engine.start();
  } catch (error) {
    await store.close();
    throw error;
  }

  const { orders } = createLibrary(bindOperations(engine, operations, aroundsOf({ log })));
  const get = async (id: string) => (await orders.call("get", { id })) as OrderOf<W>;
  /** The order that a call was about, once everything that it set off is at rest. */
  const settled = async (id: string): Promise<OrderOf<W>> => {
    do {
      await atRest.rest();
      await advancing;
    } while (advancing !== undefined);
    for (const { delivery, isStuck } of atRest.inHand) {
      if (isStuck && delivery.orderId === id) throw notAtRest(workflow, await get(id), patienceSeconds);
    }
    return get(id);
  };

  const advance = async (end: number): Promise<void> => {
    for (;;) {
      await atRest.rest();
      const now = clock.now();
      if (now >= end) return;
      // In whole milliseconds, so that a moment between two is passed and not waited for again and again.
      clock.advance(Math.min(end - now, Math.ceil((clock.nextAt ?? end) - now)) / 1_000);
    }
  };

  /** A handler in hand keeps its time, and no time passes but here. */
  const close = async () => {
    const stopping = engine.stop();
    await atRest.handsAtRest();
    while (atRest.inHand.size > 0 && clock.nextAt !== null) {
      clock.advance(Math.max(0, Math.ceil(clock.nextAt - clock.now())) / 1_000);
      await atRest.handsAtRest();
    }
    await stopping;
    atRest.end(new CauceError("closed", "the test of this workflow is closed; make a new one with testWorkflow"));
    await store.close();
  };

  const test: WorkflowTest<W> = {
    // The types outside are all that knows which workflow it is.
    orders: orders as unknown as Orders<W>,
    clock,
    async place(data, placeOptions) {
      return settled((await orders.place(data, placeOptions)).order.id);
    },
    get,
    async transition(id, request, transitionOptions) {
      return settled((await orders.transition(id, request, transitionOptions)).id);
    },
    async retry(id) {
      return settled((await orders.retry(id)).id);
    },
    async advance({ seconds }) {
      if (!(seconds >= 0) || !Number.isFinite(seconds)) {
        throw new RangeError(`advance: seconds must be 0 or more, and is ${seconds}`);
      }
      const before = advancing;
      const mine = (async () => {
        await before?.catch(() => {});
        await advance(clock.now() + Math.round(seconds * 1_000));
      })();
      advancing = mine;
      try {
        await mine;
      } finally {
        if (advancing === mine) advancing = undefined;
      }
    },
    attempts: (id) => (attempts.get(id) ?? []) as unknown as readonly Attempt<StatusName<W>>[],
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => test.close(),
  };
  return test;
}

function notAtRest(workflow: AnyWorkflow, { id, status }: Order, patienceSeconds: number): CauceError {
  const seconds = timeoutSecondsOf(statusOf(workflow, status) as HandledStatus);
  return new CauceError(
    "not_at_rest",
    `order ${id}: the handler of "${status}" has not ended within ${patienceSeconds} s of real time; let what it waits ` +
      `for answer, raise patienceSeconds, or to see it time out call advance({ seconds: ${seconds} }) without awaiting this first`,
  );
}

/** For users of plain JavaScript: a misspelt option must not be left out in silence. */
function checkOptions({ startAt, patienceSeconds, ...rest }: TestWorkflowOptions): void {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", `testWorkflow: ${what}`);
  };
  const unknown = Object.keys(rest).find((key) => !options.includes(key));
  if (unknown !== undefined) refuse(`there is no option "${unknown}"; it takes ${options.join(", ")}`);
  if (startAt !== undefined && !(startAt instanceof Date && Number.isFinite(startAt.getTime()))) {
    refuse("startAt must be a Date");
  }
  if (patienceSeconds !== undefined && !(patienceSeconds > 0 && patienceSeconds <= 86_400)) {
    refuse("patienceSeconds must be a number above 0, up to 86400");
  }
}

/** What one attempt came to. */
export interface Attempt<Status extends string = string> {
  readonly status: Status;
  readonly visit: number;
  /** Which try of the handler it was, from 1. */
  readonly attempt: number;
  /** When it ended, in ISO 8601. */
  readonly at: string;
  /**
   * `moved`: the handler gave the next status. `retried`: it failed and comes again at `notBefore`. `failed`: it failed
   * and was the last; the order went to the status of `exhausted`, or is marked failed.
   */
  readonly outcome: "moved" | "retried" | "failed";
  /** The status that the order went to; null where it stayed. */
  readonly to: Status | null;
  readonly error: string | null;
  /** When the next attempt may begin, in ISO 8601; null where there is none. */
  readonly notBefore: string | null;
}

/** The attempt that a change ended; undefined for the changes of operators and of the sweep. */
export function attemptOf({ before, after, ended, delivery }: Change): Attempt | undefined {
  // Nobody but its attempt moves a handled order that has not failed; `keep` only notes that one begins.
  if (before.kind !== "handled" || before.failure !== null || delivery === "keep") return undefined;
  const facts = {
    status: before.status,
    visit: before.visit,
    attempt: before.attempting ? before.attempts : before.attempts + 1,
    at: new Date(after.updatedAt).toISOString(),
    to: ended === null ? null : after.status,
    notBefore: after.notBefore === null ? null : new Date(after.notBefore).toISOString(),
  };
  if (after.failure !== null) return { ...facts, outcome: "failed", error: after.failure.message };
  if (ended === null) return { ...facts, outcome: "retried", error: after.entry.error };
  // A handler gives no reason; `exhausted` is one.
  if (after.entry.reason !== null) return { ...facts, outcome: "failed", error: ended.error };
  return { ...facts, outcome: "moved", error: null };
}
