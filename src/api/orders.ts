/**
 * The operations as their callers see them: each has a line on the wire and a method. The typed client loads this file
 * and nothing of the server: no schema, no engine.
 */
import type { ErrorCode } from "../core/errors.ts";
import type { AnyWorkflow, StatusName } from "../core/workflow.ts";
import type { Role } from "../engine/engine.ts";
import type {
  CallOptions,
  FailedFilter,
  Failures,
  InputOf,
  KeyedOptions,
  OrderOf,
  PageQuery,
  Queue,
  Stored,
  Transition,
} from "./types.ts";

/** How one operation travels over HTTP. */
export interface Wire {
  readonly method: "GET" | "POST" | "DELETE";
  /** The path below `/{workflow}`, or below the base path for the scope `server`. A name in braces is a field of the input. */
  readonly path: string;
  /**
   * `server`: one request answers for every workflow, with `{ workflows: [{ workflow, <operation's name>: … }] }`.
   * Default: the path begins with the workflow's name.
   */
  readonly scope?: "server";
  /** The role that a key needs. A key of the role `operate` may do everything. */
  readonly role: Role;
  /** The body is the workflow's data itself, not an object of fields. */
  readonly takes?: "data";
  /** The response is an order. If a try's response was lost, the client reads the order again. */
  readonly gives?: "order";
  /** The operation takes an `Idempotency-Key`. */
  readonly keyed?: true;
  /** `always`: doing it twice has the effect of doing it once. `refused`: repeat it only after a response that nothing was done. */
  readonly repeat: "always" | "refused";
  /** The code of a refusal which, after a try whose response was lost, proves that the try was carried out. */
  readonly doneOnceRefusedWith?: ErrorCode;
}

/** Every operation's line on the wire. */
export const wire = {
  place: { method: "POST", path: "", role: "intake", takes: "data", keyed: true, repeat: "always" },
  list: { method: "GET", path: "", role: "read", repeat: "always" },
  failures: { method: "GET", path: "/failures", role: "read", repeat: "always" },
  // A repeat would not count the orders that the first try has started again.
  retryMany: { method: "POST", path: "/retry", role: "operate", repeat: "refused" },
  get: { method: "GET", path: "/{id}", role: "read", gives: "order", repeat: "always" },
  stored: { method: "GET", path: "/{id}/stored", role: "operate", repeat: "always" },
  remove: {
    method: "DELETE",
    path: "/{id}",
    role: "operate",
    repeat: "always",
    doneOnceRefusedWith: "order_not_found",
  },
  transition: {
    method: "POST",
    path: "/{id}/transitions",
    role: "operate",
    keyed: true,
    gives: "order",
    repeat: "always",
  },
  retry: {
    method: "POST",
    path: "/{id}/retry",
    role: "operate",
    gives: "order",
    repeat: "always",
    doneOnceRefusedWith: "not_failed",
  },
  pause: { method: "POST", path: "/queues/{status}/pause", role: "operate", repeat: "always" },
  resume: { method: "POST", path: "/queues/{status}/resume", role: "operate", repeat: "always" },
  queues: { method: "GET", path: "/queues", scope: "server", role: "read", repeat: "always" },
} as const satisfies Wires;

/** The batch. It is no operation: request and response are streams of lines, so its route is written by hand. */
export const batchWire = { method: "POST", path: "/batch", role: "intake" } as const satisfies Omit<Wire, "repeat">;

/** Operations by name. */
export type Wires = Readonly<Record<string, Wire>>;
export type OperationName = keyof typeof wire;

/** Finds the name of the field in a path: `id` of `/{id}/retry`. */
export function pathFieldOf({ path }: Pick<Wire, "path">): string | undefined {
  return /\{(\w+)\}/.exec(path)?.[1];
}

/** Finds the fixed words of paths that stand where an order's id would. No order can have such an id. */
export function reservedIdsOf(wires: Wires): ReadonlySet<string> {
  const own = Object.values(wires).filter(({ scope }) => scope === undefined);
  const words = [...own, batchWire].map(({ path }) => path.slice(1));
  return new Set(words.filter((word) => /^\w+$/.test(word)));
}

/**
 * Everything that can be done to the orders of one workflow. The typed client has it over HTTP, `cauce.workflow(orders)`
 * in the process, and `shop.orders` in a test of a workflow. Refusals reject with the code that the HTTP API gives: as
 * `CauceError` in the library and in tests, as `ClientError` in the client.
 */
export interface Orders<W extends AnyWorkflow = AnyWorkflow> {
  /**
   * Places an order. The order is stored once this resolves. `placed` is false for a repeat of an idempotency key. Rejects
   * with `invalid_data`, `idempotency_conflict`, `limit_exceeded`, `body_too_large`, `overloaded`, `store_full`,
   * `store_unavailable`.
   */
  place(data: InputOf<W>, options?: KeyedOptions): Promise<{ placed: boolean; order: OrderOf<W> }>;
  /** Reads an order. Undefined: no order has this id. */
  get(id: string, options?: CallOptions): Promise<OrderOf<W> | undefined>;
  /** Reads a page of orders, the newest first. Rejects with `invalid_cursor`. */
  list(
    query?: PageQuery<W>,
    options?: CallOptions,
  ): Promise<{ items: readonly OrderOf<W>[]; nextCursor: string | null }>;
  /**
   * Moves a waiting or failed order. Rejects with `order_not_found`, `transition_not_allowed`, `being_handled`,
   * `stale`, `invalid_results`, `idempotency_conflict`.
   */
  transition(id: string, transition: Transition<W>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /** Starts a failed order again. Rejects with `order_not_found`, `not_failed`, `stale`, `transition_not_allowed`. */
  retry(id: string, options?: CallOptions): Promise<OrderOf<W>>;
  /** Tells where an order is stored. It needs a key of the role `operate`. Rejects with `order_not_found`. */
  stored(id: string, options?: CallOptions): Promise<Stored>;
  /** Starts failed orders again, at most `limit` in one call. Go on with `nextCursor`. Rejects with `invalid_cursor`. */
  retryMany(filter?: FailedFilter<W>, options?: CallOptions): Promise<{ retried: number; nextCursor: string | null }>;
  /** Groups the failed orders by status and fingerprint, the largest group first. */
  failures(options?: CallOptions): Promise<readonly Failures<W>[]>;
  /** Reads one row for each status that is handled or waiting. */
  queues(options?: CallOptions): Promise<readonly Queue<StatusName<W>>[]>;
  /** Stops the handling of a status until `resume`. Rejects with `status_not_found`, `status_not_handled`. */
  pause(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
  /** Takes the handling of a status up again. Rejects with `status_not_found`, `status_not_handled`. */
  resume(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
  /** Erases a final order. Rejects with `order_not_found`, `order_not_final`. */
  remove(id: string, options?: CallOptions): Promise<void>;
  /**
   * Calls any operation by its name. `input` holds the fields of path, query or body; `place` takes the data. Resolves to
   * the JSON of the response, or undefined if it has none. `place` resolves to `{ placed, order }`, and `queues` to the
   * rows of this workflow. Rejects as the methods above do, and with `invalid_request` for an unknown name.
   */
  call(name: string, input?: unknown, options?: KeyedOptions): Promise<unknown>;
}

/** Makes the methods from `call`. Only the types of its callers know the workflow. */
export function ordersOver(call: Orders["call"]): Orders {
  const get: Orders["get"] = async (id, options) => {
    try {
      return (await call("get", { id }, options)) as OrderOf<AnyWorkflow>;
    } catch (error) {
      if ((error as { code?: unknown }).code === "order_not_found") return undefined;
      throw error;
    }
  };
  const as =
    <T>(name: OperationName) =>
    (input: unknown, options: KeyedOptions | undefined) =>
      call(name, input, options) as Promise<T>;
  return {
    place: as("place"),
    get,
    list: (query = {}, options) => as<Awaited<ReturnType<Orders["list"]>>>("list")(query, options),
    transition: (id, wanted, options) => as<OrderOf<AnyWorkflow>>("transition")({ ...wanted, id }, options),
    retry: (id, options) => as<OrderOf<AnyWorkflow>>("retry")({ id }, options),
    stored: (id, options) => as<Stored>("stored")({ id }, options),
    retryMany: (filter = {}, options) => as<Awaited<ReturnType<Orders["retryMany"]>>>("retryMany")(filter, options),
    failures: async (options) => (await as<{ items: Failures<AnyWorkflow>[] }>("failures")({}, options)).items,
    queues: (options) => as<Queue[]>("queues")({}, options),
    pause: (status, options) => as<Queue>("pause")({ status }, options),
    resume: (status, options) => as<Queue>("resume")({ status }, options),
    remove: (id, options) => as<void>("remove")({ id }, options),
    call,
  };
}
