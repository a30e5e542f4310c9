import { aroundsOf, type BoundWorkflow, bindOperations } from "./api/around.ts";
import { createLibrary, type Library } from "./api/library.ts";
import type { Operation } from "./api/operation.ts";
import { operations as allOperations } from "./api/operations.ts";
import type { Orders } from "./api/orders.ts";
import type { CallOptions, FailedFilter, KeyedOptions, PageQuery, Transition, WorkflowOf } from "./api/types.ts";
import type { BackendFactory, DeliveryMode, Depth, FailureGroup, LocatedBackend } from "./backend/port.ts";
import { type Clock, type Random, systemClock } from "./core/clock.ts";
import { CauceError } from "./core/errors.ts";
import { type App, isApp, type Log } from "./core/handlers.ts";
import type { Actor, Order } from "./core/order.ts";
import type { AnyWorkflow } from "./core/workflow.ts";
import { refuseInside, takeRejection } from "./engine/appCode.ts";
import { logFault } from "./engine/callbacks.ts";
import type { Engine, StartOptions } from "./engine/engine.ts";
import { standardErrorLog } from "./engine/log.ts";
import { ended, type OpenWorkflows, openWorkflows } from "./engine/open.ts";
import { checkStartOptions, polledStatuses } from "./engine/poll.ts";
import { createTelemetry, type Telemetry } from "./engine/telemetry/telemetry.ts";
import { createApp } from "./http/app.ts";
import type { Auth } from "./http/auth.ts";
import { noTelemetryRoutes } from "./http/routes.ts";
import { telemetryRoutes } from "./http/telemetry.ts";
import { checkOption } from "./node/readSettings.ts";
import { type NameOf, rowsOf } from "./node/settings.ts";

export interface CauceOptions {
  /** What `implement` returned, one or several with different workflow names. */
  readonly apps: App | readonly App[];
  /**
   * Where orders are stored: `sqlite({ directory })` from `cauce/sqlite`, `aws({ stage })` from `cauce/aws`, or
   * `memory` from `cauce/testing`.
   */
  readonly backend: BackendFactory;
  /**
   * `fifo` keeps the order of each group, one at a time within a status. Default: the delivery that the store has;
   * `standard` for a new store, on AWS and in memory.
   */
  readonly delivery?: DeliveryMode | undefined;
  /** API keys. Default: everything is open, which suits only a server that no other machine can reach. */
  readonly auth?: Auth | undefined;
  /** A path before every route, such as `/shop`. Default none. */
  readonly basePath?: string | undefined;
  /** The largest body that the API takes, in bytes. Default 262,144 (256 KiB). */
  readonly bodyBytesMax?: number | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default: `Math.random`. */
  readonly random?: Random | undefined;
  /**
   * Default: warnings and errors as JSON lines on standard error. A log that throws, or whose promise rejects, fails no
   * order: its failures are counted in `/metrics`, and the first is told on standard error. A log may count the lines that
   * it could not write: what its `dropped` gives is `cauce_lines_dropped_total` in `/metrics`.
   */
  readonly log?: (Log & { dropped?(): number }) | undefined;
  /** Names this process in the history of orders. Default: runtime `node` and the host's name. */
  readonly actor?: Pick<Actor, "runtime" | "name"> | undefined;
  /**
   * What `start` does when orders stand in statuses that the definition no longer has. `refuse` (default) throws
   * `orders_stranded`; `fail` marks them failed with `unknown_status`, for an operator to move.
   */
  readonly unknownStatuses?: "refuse" | "fail" | undefined;
  /**
   * How many days after their last change orders in a final status are removed, at start and then every hour. A whole
   * number from 1 to 36,500. Default: they stay.
   */
  readonly retentionDays?: number | undefined;
  /**
   * How long the resources of the apps may take to open at `start`, in seconds. A whole number from 1 to 86,400. Default
   * 60.
   */
  readonly startSeconds?: number | undefined;
}

/**
 * `workflow` gives one workflow's operations, typed by its definition. The other calls take the workflow's name first,
 * and then what the API's route takes. They throw refusals as `CauceError` with the API's codes.
 */
export interface Cauce {
  /**
   * Answers a standard `Request`: the whole HTTP API. `env` is what the server passes along, and may be left out: a
   * `readBody` in it is a shorter way to a body's bytes, and a `disableTimeout` takes the time limit from a batch's body.
   */
  fetch(request: Request, env?: object): Response | Promise<Response>;
  /**
   * The operations of one workflow, typed by what `defineWorkflow` or `implement` returned: a status or a field that it
   * does not have does not compile. A name gives them untyped. Throws `workflow_not_found`.
   */
  // biome-ignore lint/suspicious/noExplicitAny: an app of any workflow; its type is invariant in it.
  workflow<T extends AnyWorkflow | App<any> = AnyWorkflow>(which: T | string): Orders<WorkflowOf<T>>;
  /** Stores an order and only then resolves. `placed` is false for a repeat of an idempotency key. */
  place(workflow: string, data: unknown, options?: KeyedOptions): Promise<{ placed: boolean; order: Order }>;
  get(workflow: string, id: string): Promise<Order | undefined>;
  list(workflow: string, query?: PageQuery<AnyWorkflow>): Promise<{ items: Order[]; nextCursor: string | null }>;
  transition(workflow: string, id: string, request: Transition<AnyWorkflow>, options?: KeyedOptions): Promise<Order>;
  retry(workflow: string, id: string, options?: CallOptions): Promise<Order>;
  retryMany(
    workflow: string,
    filter: FailedFilter<AnyWorkflow>,
  ): Promise<{ retried: number; nextCursor: string | null }>;
  /**
   * Erases a final order, with its data, history and idempotency key. Rejects with `order_not_found`,
   * `order_not_final`.
   */
  remove(workflow: string, id: string, options?: CallOptions): Promise<void>;
  failures(workflow: string): Promise<FailureGroup[]>;
  queues(workflow: string): Promise<Depth[]>;
  /** Pauses a handled status until `resume`, over restarts too. Handlers under way finish; no other handler begins. */
  pause(workflow: string, status: string): Promise<Depth>;
  resume(workflow: string, status: string): Promise<Depth>;
  /**
   * Starts processing. Until then no handler runs. Harmless when called again. Rejects with `orders_stranded`,
   * `app_invalid`, or `resources_failed`, whose `cause` is what the app threw. Then nothing processes, every resource
   * that was opened is closed, and it may be called again. Rejects with `closed` after `drain` or `close`, and with
   * `waits_for_itself` in `resources`, for which it would wait. From the first call until processing has begun,
   * `/readyz` answers 503, and orders are taken.
   *
   * Several processes over one store (`cauce/aws`) may share the work. This process polls `statuses` alone, and leaves
   * a workflow alone that handles none of them. A status that no workflow handles gives `status_not_found` or
   * `status_not_handled`. With `sweeps` false another process sweeps, and removes what `retentionDays` lets go.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Ends processing: receives nothing more, and resolves when the attempts under way have ended and the resources are
   * closed. Resources that do not close within 10 s are given up, and those that still open are closed when they have
   * opened. The log says what is waited for. Placing goes on until `close`. Harmless when called again. Rejects with
   * `waits_for_itself` in a handler, in `resources` and in `release`, for which it would wait.
   */
  drain(): Promise<void>;
  /**
   * Takes a rejection that nothing handled, for a listener of `unhandledRejection`: Cauce listens to nothing of its host.
   * Where a handler left it, it is logged and counted, an attempt that still runs fails with `handler_failed`, and this
   * returns true. Any other is only counted, and what becomes of it is left to the host.
   */
  takeRejection(reason: unknown): boolean;
  /** Drains, then closes the store. Nothing is left open. Harmless when called again. Rejects as `drain` does. */
  close(): Promise<void>;
}

/**
 * Opens the stores of the apps, and makes a Cauce over them. Reads no environment and touches no signal.
 * Rejects with `app_invalid`, `setting_invalid`, `limit_exceeded`, `keys_invalid`, `data_in_use`, `store_unreadable`,
 * `store_corrupt`, `store_too_new`, `store_mismatch`, `store_log_foreign`, `writer_missing`.
 */
export async function createCauce(options: CauceOptions): Promise<Cauce> {
  checkOptions(options);
  return openCauce(options, telemetryParts);
}

/** What looks on while orders move, and the routes that serve it. */
const telemetryParts = { createTelemetry, telemetryRoutes };

/**
 * Does what `createCauce` does, which passes `parts` for the telemetry. A Lambda function sees one request at a time: it
 * has no telemetry, and neither has its bundle, so `/events`, `/stats` and `/metrics` answer 501. Routes, their
 * description and the library's calls follow from `operations`.
 */
export async function openCauce(
  options: CauceOptions,
  parts?: typeof telemetryParts,
  operations: readonly Operation[] = allOperations,
): Promise<Cauce> {
  const { clock = systemClock() } = options;
  const given: NonNullable<CauceOptions["log"]> = options.log ?? standardErrorLog();
  const { auth, basePath, bodyBytesMax } = options;
  const linesDropped = given.dropped && (() => given.dropped?.() ?? 0);
  const telemetry = parts?.createTelemetry({ clock, stream: Date.now().toString(36), linesDropped });
  const opened = await openWorkflows({
    ...options,
    clock,
    log: given,
    onFailedCallback: telemetry?.callbackFailed,
    onBatchOf: telemetry?.onBatchOf,
    observerOf:
      telemetry &&
      (async (workflow, store) => telemetry.observerOf(workflow, (await store.counts({ depths: true })).depths)),
  });
  const { log } = opened;
  const engines = opened.workflows.map(({ engine }) => engine);
  const bound = engines.map((engine) => bindOperations(engine, operations, aroundsOf({ log })));
  const { isReady, ...lifecycle } = createLifecycle(engines, telemetry, opened);
  try {
    const routes =
      telemetry && parts ? parts.telemetryRoutes(engines, telemetry, clock, opened.intake) : noTelemetryRoutes();
    const { fetch } = createApp({ bound, auth, basePath, bodyBytesMax, log, telemetry: routes, ready: isReady });
    return { fetch, ...createCalls(bound), ...lifecycle };
  } catch (error) {
    await opened.close().catch(() => {});
    throw error;
  }
}

/** Makes the calls of the library from the operations of each workflow. */
function createCalls(bound: readonly BoundWorkflow[]): Omit<Cauce, "fetch" | keyof Lifecycle> {
  const libraries = new Map(bound.map((own) => [own.engine.workflow.name, createLibrary(own)]));
  const libraryOf = (which: string | AnyWorkflow | App): Library => {
    const name = typeof which === "string" ? which : isApp(which) ? which.workflow.name : which.name;
    const library = libraries.get(name);
    if (library !== undefined) return library;
    const names = [...libraries.keys()].join(", ");
    throw new CauceError("workflow_not_found", `no workflow "${name}" is served here; there is ${names}`);
  };
  const ordersOf = (workflow: string): Orders => libraryOf(workflow).orders;
  return {
    // Only the caller's types know which workflow it is.
    workflow: (which) => libraryOf(which as string | AnyWorkflow | App).orders as never,
    place: async (workflow, data, options) => ordersOf(workflow).place(data, options),
    get: async (workflow, id) => ordersOf(workflow).get(id),
    async list(workflow, query) {
      const { items, nextCursor } = await ordersOf(workflow).list(query);
      return { items: [...items], nextCursor };
    },
    transition: async (workflow, id, request, options) => ordersOf(workflow).transition(id, request, options),
    retry: async (workflow, id, options) => ordersOf(workflow).retry(id, options),
    retryMany: async (workflow, filter) => ordersOf(workflow).retryMany(filter),
    remove: async (workflow, id, options) => ordersOf(workflow).remove(id, options),
    // These give the engine's rows, whose times are milliseconds. `workflow(name)` gives the API's.
    failures: async (workflow) => (await libraryOf(workflow).run("failures")) as FailureGroup[],
    queues: async (workflow) => (await libraryOf(workflow).run("queues")) as Depth[],
    pause: async (workflow, status) => (await libraryOf(workflow).run("pause", { status })) as Depth,
    resume: async (workflow, status) => (await libraryOf(workflow).run("resume", { status })) as Depth,
  };
}

type Lifecycle = Pick<Cauce, "start" | "drain" | "close" | "takeRejection">;

/** Makes what starts and ends all engines together. */
function createLifecycle(
  engines: readonly Engine[],
  telemetry: Telemetry | undefined,
  { appCode, close: closeStores }: Pick<OpenWorkflows<LocatedBackend>, "appCode" | "close">,
): Lifecycle & { isReady(): boolean } {
  let state: "open" | "draining" | "closed" = "open";
  // A Cauce that is never asked to process only takes orders, and is ready for that.
  let processing: "not asked for" | "asked for" | "begun" = "not asked for";
  let starting: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const startAll = async ({ statuses, sweeps = true }: StartOptions): Promise<void> => {
    try {
      const workflows = engines.map(({ workflow }) => workflow);
      const polled = polledStatuses(workflows, statuses);
      // An engine that neither polls nor sweeps has to open no resource.
      const wanted = engines.flatMap((engine, index) => {
        const own = polled[index] ?? [];
        return sweeps || own.length > 0 ? [engine.start({ statuses: own, sweeps })] : [];
      });
      await ended(wanted);
      processing = "begun";
    } catch (error) {
      // All workflows start, or none does.
      await stopAll();
      starting = undefined;
      throw error;
    }
  };
  const stopAll = () => ended(engines.map((engine) => engine.stop()));
  const drain = async (): Promise<void> => {
    if (state === "open") state = "draining";
    await stopAll();
    telemetry?.events.end();
  };
  const closeAll = async (): Promise<void> => {
    try {
      await drain();
    } finally {
      state = "closed";
      telemetry?.close();
      await closeStores();
    }
  };

  return {
    isReady: () => state === "open" && processing !== "asked for",
    async start(options = {}) {
      checkStartOptions(options);
      refuseInside(appCode, "start");
      if (state !== "open") throw new CauceError("closed", "drain or close was called; create a new Cauce to start");
      if (starting === undefined) processing = "asked for";
      await (starting ??= startAll(options));
    },
    async drain() {
      refuseInside(appCode, "drain");
      await drain();
    },
    async close() {
      refuseInside(appCode, "close");
      await (closing ??= closeAll());
    },
    takeRejection(reason) {
      const taken = takeRejection(appCode, reason);
      if (!taken) telemetry?.rejected();
      return taken;
    },
  };
}

/** Checks the options, for users of plain JavaScript: a misspelt option must not be ignored. */
function checkOptions(options: CauceOptions): void {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", `createCauce: ${what}`);
  };
  const ofSettings = Object.keys(rowsOf("createCauce")) as NameOf<"createCauce">[];
  const known: readonly string[] = ["apps", "backend", ...ofSettings, "auth", "clock", "random", "log", "actor"];
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) refuse(`there is no option "${key}"; it takes ${known.join(", ")}`);
  }
  if (typeof options.backend !== "function") {
    refuse("backend must be what sqlite({ directory }) returned, or memory");
  }
  const fault = logFault(options.log);
  if (fault !== undefined) refuse(fault);
  for (const name of ofSettings) {
    // An empty base path is none.
    if (name !== "basePath" || options.basePath !== "") checkOption("createCauce", name, options[name]);
  }
}
