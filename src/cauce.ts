import { hostname } from "node:os";
import type { Backend, BackendFactory, DeliveryMode, Depth, FailureGroup, ListQuery } from "./backend/backend.ts";
import { type Clock, type Random, systemClock } from "./core/clock.ts";
import { CauceError } from "./core/errors.ts";
import type { App, Log } from "./core/handlers.ts";
import type { Actor, Order, StoredOrder } from "./core/order.ts";
import { createEngine } from "./engine/createEngine.ts";
import type { Engine, PlaceOptions, Refusal, RetryFilter, TransitionRequest } from "./engine/engine.ts";
import { standardErrorLog } from "./engine/log.ts";
import { refusalError } from "./engine/operate.ts";
import { orderOf } from "./engine/present.ts";
import { createApp, type HttpEnv } from "./http/app.ts";
import type { Auth } from "./http/auth.ts";

export interface CauceOptions {
  /** What `implement` returned, one or several with different workflow names. */
  readonly apps: App | readonly App[];
  /** Where orders are stored: `sqlite({ directory })` from `cauce/sqlite`, or `memory` from `cauce/testing`. */
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
}

/** Every call names the workflow first. Refusals are thrown as `CauceError` with the API's codes. */
export interface Cauce {
  /**
   * Answers a standard `Request`: the whole HTTP API. `env` is what `@hono/node-server` passes along: with it, bodies
   * are read without counting them again.
   */
  fetch(request: Request, env?: HttpEnv["Bindings"]): Response | Promise<Response>;
  /** Stores an order and only then resolves. `placed` is false for a repeat of an idempotency key. */
  place(workflow: string, data: unknown, options?: PlaceOptions): Promise<{ placed: boolean; order: Order }>;
  get(workflow: string, id: string): Promise<Order | undefined>;
  list(workflow: string, query?: Partial<ListQuery>): Promise<{ items: Order[]; nextCursor: string | null }>;
  transition(workflow: string, id: string, request: TransitionRequest, options?: PlaceOptions): Promise<Order>;
  retry(workflow: string, id: string, options?: PlaceOptions): Promise<Order>;
  retryMany(workflow: string, filter: RetryFilter): Promise<{ retried: number; nextCursor: string | null }>;
  failures(workflow: string): Promise<FailureGroup[]>;
  queues(workflow: string): Promise<Depth[]>;
  /** Starts processing. Until then orders are only taken in. */
  start(): Promise<void>;
  /** Stops processing: receives nothing more, and resolves when what is in hand has ended. Intake goes on until `close`. */
  drain(): Promise<void>;
  /** Drains, then closes the store. Nothing is left open. */
  close(): Promise<void>;
}

/**
 * Puts a Cauce together over an opened store. Reads no environment and touches no signal.
 * Rejects with `limit_exceeded`, `data_in_use`, `store_unreadable`, `store_corrupt`, `store_too_new`, `store_mismatch`.
 */
export async function createCauce(options: CauceOptions): Promise<Cauce> {
  const { clock = systemClock(), random = Math.random, log = standardErrorLog(), delivery = "standard" } = options;
  const actor = options.actor ?? { runtime: "node" as const, name: hostname() };
  const apps = [options.apps].flat() as readonly App[];
  refuseTwins(apps);
  const backends: Backend[] = [];
  const engines = new Map<string, Engine>();
  let state: "ready" | "draining" | "closed" = "ready";

  try {
    for (const app of apps) {
      const { name } = app.workflow;
      const backend = await options.backend({ workflow: name, delivery, clock });
      backends.push(backend);
      const { unknownStatuses = "refuse" } = options;
      engines.set(name, createEngine({ app, backend, clock, random, log, actor, unknownStatuses }));
    }
  } catch (error) {
    await Promise.all(backends.map((backend) => backend.close()));
    throw error;
  }

  const all = [...engines.values()];
  const engineOf = (workflow: string): Engine => {
    const engine = engines.get(workflow);
    if (engine !== undefined) return engine;
    throw new CauceError(
      "workflow_not_found",
      `no workflow "${workflow}" is served here; there is ${[...engines.keys()].join(", ")}`,
    );
  };
  const show = (workflow: string, order: StoredOrder) => orderOf(order, workflow);
  const drain = async () => {
    if (state === "ready") state = "draining";
    await Promise.all(all.map((engine) => engine.stop()));
  };
  const app = createApp({
    engines: all,
    auth: options.auth,
    basePath: options.basePath ?? "",
    bodyBytesMax: options.bodyBytesMax ?? 262_144,
    log,
    ready: () => state === "ready",
  });

  return {
    fetch: (request, env) => app.fetch(request, env),
    async place(workflow, data, placeOptions) {
      const result = accepted(await engineOf(workflow).place(data, placeOptions));
      return { placed: result.placed, order: show(workflow, result.order) };
    },
    async get(workflow, id) {
      const order = await engineOf(workflow).get(id);
      return order && show(workflow, order);
    },
    async list(workflow, query = {}) {
      const page = await engineOf(workflow).list({ limit: 50, ...query });
      return { items: page.items.map((order) => show(workflow, order)), nextCursor: page.nextCursor };
    },
    async transition(workflow, id, request, transitionOptions) {
      return show(workflow, accepted(await engineOf(workflow).transition(id, request, transitionOptions)).order);
    },
    async retry(workflow, id, retryOptions) {
      return show(workflow, accepted(await engineOf(workflow).retry(id, retryOptions)).order);
    },
    retryMany: async (workflow, filter) => engineOf(workflow).retryMany(filter),
    failures: async (workflow) => engineOf(workflow).failures(),
    queues: async (workflow) => engineOf(workflow).queues(),
    async start() {
      await Promise.all(all.map((engine) => engine.start()));
    },
    drain,
    async close() {
      if (state === "closed") return;
      await drain();
      state = "closed";
      await Promise.all(backends.map((backend) => backend.close()));
    },
  };
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

function accepted<T extends object>(result: T | Refusal): T {
  if ("refused" in result) throw refusalError(result);
  return result;
}
