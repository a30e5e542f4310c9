import { hostname } from "node:os";
import { aroundsOf, type BoundWorkflow, bindOperations } from "./api/around.ts";
import { createLibrary, type Library } from "./api/library.ts";
import type { Operation } from "./api/operation.ts";
import { operations as allOperations } from "./api/operations.ts";
import type { Orders } from "./api/orders.ts";
import type { CallOptions, FailedFilter, KeyedOptions, PageQuery, Transition, WorkflowOf } from "./api/types.ts";
import type { Backend, BackendFactory, DeliveryMode, Depth, FailureGroup } from "./backend/port.ts";
import { type Clock, type Random, systemClock } from "./core/clock.ts";
import { CauceError } from "./core/errors.ts";
import type { App, Log } from "./core/handlers.ts";
import type { Actor, Order } from "./core/order.ts";
import { type AnyWorkflow, leasesOf } from "./core/workflow.ts";
import { createEngine } from "./engine/createEngine.ts";
import type { Engine, StartOptions } from "./engine/engine.ts";
import { standardErrorLog } from "./engine/log.ts";
import { checkStartOptions, polledStatuses } from "./engine/poll.ts";
import { createObservation } from "./engine/telemetry/observation.ts";
import { createApp } from "./http/app.ts";
import type { Auth } from "./http/auth.ts";
import { noTelemetryRoutes } from "./http/routes.ts";
import { telemetryRoutes } from "./http/telemetry.ts";

export interface CauceOptions {
  /** What `implement` returned, one or several with different workflow names. */
  readonly apps: App | readonly App[];
  /**
   * Where orders are stored: `sqlite({ directory })` from `cauce/sqlite`, `aws({ stage })` from `cauce/aws`, or `memory`
   * from `cauce/testing`.
   */
  readonly backend: BackendFactory;
  /** `fifo` keeps the order of each group, one at a time within a status. Default `standard`. */
  readonly delivery?: DeliveryMode | undefined;
  /** API keys. Default: everything is open, which suits only a server that nobody else can reach. */
  readonly auth?: Auth | undefined;
  /** A path before every route, such as `/shop`. Default none. */
  readonly basePath?: string | undefined;
  /** The largest body that the API takes, in bytes. Default 262,144 (256 KiB). */
  readonly bodyBytesMax?: number | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
  /** Default: `Math.random`. */
  readonly random?: Random | undefined;
  /** Default: warnings and errors as JSON lines on standard error. */
  readonly log?: Log | undefined;
  /** Who the history says moved an order. Default: runtime `node` and the host's name. */
  readonly actor?: Pick<Actor, "runtime" | "name"> | undefined;
  /**
   * What `start` does when orders stand in statuses that the definition no longer has. `refuse` (default) throws
   * `orders_stranded`; `fail` marks them failed with `unknown_status`, for an operator to move.
   */
  readonly unknownStatuses?: "refuse" | "fail" | undefined;
  /**
   * Orders in a final status are removed that many days after their last change: at start and then every hour. A whole
   * number from 1 to 36,500. Default: they stay.
   */
  readonly retentionDays?: number | undefined;
}

/**
 * `workflow` gives one workflow's operations, typed by its definition. The other calls name the workflow first and take
 * what the API's route takes. Refusals are thrown as `CauceError` with the API's codes.
 */
export interface Cauce {
  /**
   * Answers a standard `Request`: the whole HTTP API. `env` is what the server passes along, and may be left out: a
   * `readBody` in it is a shorter way to a body's bytes, and a `takeTime` takes the time limit from a batch's body.
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
  /** Erases a final order, with its data, history and idempotency key. Rejects with `order_not_found`, `order_not_final`. */
  remove(workflow: string, id: string, options?: CallOptions): Promise<void>;
  failures(workflow: string): Promise<FailureGroup[]>;
  queues(workflow: string): Promise<Depth[]>;
  /** Stops a handled status, over restarts too, until `resume`: what is in hand ends, and nothing of it begins. */
  pause(workflow: string, status: string): Promise<Depth>;
  resume(workflow: string, status: string): Promise<Depth>;
  /**
   * Starts processing; until then no handler runs. Harmless when called again. When it rejects (`orders_stranded`,
   * `app_invalid`; `resources_failed`, whose `cause` is what the app threw), nothing processes and every resource that
   * was opened is closed; it may be called anew. Rejects with `closed` after `drain` or `close`.
   *
   * Several processes over one store (`cauce/aws`) may share the work: `statuses` are the only ones polled here, and a
   * workflow that handles none of them stays untouched (one that nobody handles: `status_not_found`,
   * `status_not_handled`); with `sweeps` false another process sweeps, and removes what `retentionDays` lets go.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Stops processing for good: receives nothing more, and resolves when what is in hand has ended and the resources are
   * closed. Intake goes on until `close`. Harmless when called again.
   */
  drain(): Promise<void>;
  /** Drains, then closes the store. Nothing is left open. Harmless when called again. */
  close(): Promise<void>;
}

/**
 * Puts a Cauce together over an opened store. Reads no environment and touches no signal.
 * Rejects with `app_invalid`, `setting_invalid`, `limit_exceeded`, `keys_invalid`, `data_in_use`, `store_unreadable`,
 * `store_corrupt`, `store_too_new`, `store_mismatch`.
 */
export async function createCauce(options: CauceOptions): Promise<Cauce> {
  return openCauce(options, watch);
}

/** What looks on while orders move, and the routes that tell of it. */
const watch = { createObservation, telemetryRoutes };

/**
 * As `createCauce`, which brings a watch. A function sees one request and has none, nor its bundle anything of one:
 * `/events`, `/stats` and `/metrics` answer 501. Routes, their description and the library's calls follow from `operations`.
 */
export async function openCauce(
  options: CauceOptions,
  watching?: typeof watch,
  operations: readonly Operation[] = allOperations,
): Promise<Cauce> {
  checkOptions(options);
  const { clock = systemClock(), random = Math.random, log = standardErrorLog(), delivery = "standard" } = options;
  const actor = options.actor ?? { runtime: "node" as const, name: hostname() };
  const apps = [options.apps].flat() as readonly App[];
  refuseTwins(apps);
  const observation = watching?.createObservation({ clock, stream: Date.now().toString(36) });
  const backends: Backend[] = [];
  const libraries = new Map<string, Library>();
  const bound: BoundWorkflow[] = [];
  const all: Engine[] = [];
  let state: "ready" | "draining" | "closed" = "ready";
  let starting: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let app: ReturnType<typeof createApp>;

  try {
    for (const app of apps) {
      const { name } = app.workflow;
      const onBatch = observation?.onBatchOf(name);
      const leaseSeconds = leasesOf(app.workflow);
      const backend = await options.backend({ workflow: name, delivery, clock, onBatch, leaseSeconds });
      backends.push(backend);
      const { unknownStatuses, retentionDays } = options;
      const observer = observation?.observerOf(name, (await backend.counts({ depths: true })).depths);
      const context = { backend, clock, random, log, actor, observer, unknownStatuses, retentionDays };
      const engine = createEngine({ app, ...context });
      const own = bindOperations(engine, operations, aroundsOf({ log }));
      libraries.set(name, createLibrary(own));
      bound.push(own);
      all.push(engine);
    }
    app = createApp({
      bound,
      auth: options.auth,
      basePath: options.basePath,
      bodyBytesMax: options.bodyBytesMax,
      log,
      telemetry: observation && watching ? watching.telemetryRoutes(all, observation, clock) : noTelemetryRoutes(),
      ready: () => state === "ready",
    });
  } catch (error) {
    await Promise.allSettled(backends.map((backend) => backend.close()));
    throw error;
  }

  const libraryOf = (which: string | AnyWorkflow | App): Library => {
    const name = typeof which === "string" ? which : "workflow" in which ? which.workflow.name : which.name;
    const library = libraries.get(name);
    if (library !== undefined) return library;
    throw new CauceError(
      "workflow_not_found",
      `no workflow "${name}" is served here; there is ${[...libraries.keys()].join(", ")}`,
    );
  };
  const ordersOf = (workflow: string): Orders => libraryOf(workflow).orders;
  const start = async ({ statuses, sweeps = true }: StartOptions) => {
    try {
      const workflows = all.map(({ workflow }) => workflow);
      const polled = polledStatuses(workflows, statuses);
      // Where nothing is polled and nothing swept, no resource has to be opened.
      const starting = all.map((engine, index) => [engine, polled[index] ?? []] as const);
      const wanted = starting.filter(([, own]) => sweeps || own.length > 0);
      await ended(wanted.map(([engine, own]) => engine.start({ statuses: own, sweeps })));
    } catch (error) {
      // All or none: half of the workflows at work would be neither a start nor a failure.
      await ended(all.map((engine) => engine.stop()));
      starting = undefined;
      throw error;
    }
  };
  const drain = async () => {
    if (state === "ready") state = "draining";
    await ended(all.map((engine) => engine.stop()));
    observation?.events.end();
  };
  const close = async () => {
    try {
      await drain();
    } finally {
      state = "closed";
      observation?.close();
      await ended(backends.map((backend) => backend.close()));
    }
  };

  return {
    fetch: (request, env) => app.fetch(request, env),
    // The types outside are all that knows which workflow it is.
    workflow: (which) => libraryOf(which as string | AnyWorkflow | App).orders as never,
    place: async (workflow, data, placeOptions) => ordersOf(workflow).place(data, placeOptions),
    get: async (workflow, id) => ordersOf(workflow).get(id),
    async list(workflow, query) {
      const { items, nextCursor } = await ordersOf(workflow).list(query);
      return { items: [...items], nextCursor };
    },
    transition: async (workflow, id, request, transitionOptions) =>
      ordersOf(workflow).transition(id, request, transitionOptions),
    retry: async (workflow, id, retryOptions) => ordersOf(workflow).retry(id, retryOptions),
    retryMany: async (workflow, filter) => ordersOf(workflow).retryMany(filter),
    remove: async (workflow, id, removeOptions) => ordersOf(workflow).remove(id, removeOptions),
    // These give the engine's rows, whose times are milliseconds; `workflow(name)` gives the API's.
    failures: async (workflow) => (await libraryOf(workflow).run("failures")) as FailureGroup[],
    queues: async (workflow) => (await libraryOf(workflow).run("queues")) as Depth[],
    pause: async (workflow, status) => (await libraryOf(workflow).run("pause", { status })) as Depth,
    resume: async (workflow, status) => (await libraryOf(workflow).run("resume", { status })) as Depth,
    async start(startOptions = {}) {
      checkStartOptions(startOptions);
      if (state !== "ready") throw new CauceError("closed", "drain or close was called; create a new Cauce to start");
      await (starting ??= start(startOptions));
    },
    drain,
    close: () => (closing ??= close()),
  };
}

/** Waits for all of it, also when a part fails, so that nothing is under way any more when it rejects. */
async function ended(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

const known: readonly string[] = [
  "apps",
  "backend",
  "delivery",
  "auth",
  "basePath",
  "bodyBytesMax",
  "clock",
  "random",
  "log",
  "actor",
  "unknownStatuses",
  "retentionDays",
] satisfies (keyof CauceOptions)[];

/** For users of plain JavaScript: a misspelt option must not be left out in silence. */
function checkOptions(options: CauceOptions): void {
  const refuse = (what: string): never => {
    throw new CauceError("setting_invalid", `createCauce: ${what}`);
  };
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) refuse(`there is no option "${key}"; it takes ${known.join(", ")}`);
  }
  const { backend, delivery = "standard", unknownStatuses = "refuse" } = options;
  if (typeof backend !== "function") refuse("backend must be what sqlite({ directory }) returned, or memory");
  if (delivery !== "standard" && delivery !== "fifo") refuse(`delivery is "${delivery}"; use "standard" or "fifo"`);
  if (unknownStatuses !== "refuse" && unknownStatuses !== "fail") {
    refuse(`unknownStatuses is "${unknownStatuses}"; use "refuse" or "fail"`);
  }
  const { retentionDays = 1 } = options;
  if (!(Number.isInteger(retentionDays) && retentionDays >= 1 && retentionDays <= 36_500)) {
    refuse(`retentionDays is ${retentionDays}; it must be a whole number from 1 to 36,500, or be left out`);
  }
}

function refuseTwins(apps: readonly App[]): void {
  if (apps.length === 0) throw new CauceError("app_invalid", "apps is empty; give what implement returned");
  const names = apps.map((app) => app?.workflow?.name);
  for (const [index, name] of names.entries()) {
    if (name === undefined) throw new CauceError("app_invalid", "apps must hold what implement returned");
    if (names.indexOf(name) !== index)
      throw new CauceError("app_invalid", `two apps have the workflow name "${name}"; give each its own`);
  }
}
