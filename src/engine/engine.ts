/** What one running workflow offers to the floors above: the HTTP API and the library. */
import type { Depth, FailureGroup, ListQuery, OrderPage, Whereabouts } from "../backend/port.ts";
import type { ErrorCode, Fault } from "../core/errors.ts";
import type { StoredOrder } from "../core/order.ts";
import type { AnyWorkflow, ResultsOf, StatusName } from "../core/workflow.ts";
import type { Attempt } from "./attempt.ts";
import type { Maintained } from "./maintenance/maintenance.ts";

/** An expected "no", returned and not thrown. */
export interface Refusal {
  readonly refused: ErrorCode;
  readonly message: string;
  readonly faults?: readonly Fault[];
}

export interface Transition<W extends AnyWorkflow> {
  readonly to: StatusName<W>;
  /** At most 500 characters, kept in the history. */
  readonly reason?: string | undefined;
  readonly results?: Partial<ResultsOf<W>> | undefined;
  /** Refused with `stale` unless the order has this version. */
  readonly expectedVersion?: number | undefined;
}

/** The failed orders to start again. Without any field: all of them. */
export interface FailedFilter<W extends AnyWorkflow> {
  readonly status?: StatusName<W> | undefined;
  readonly fingerprint?: string | undefined;
  /** 1 to 1,000 ids. */
  readonly ids?: readonly string[] | undefined;
  /** The most orders that one call starts again, 1 to 1,000. Default 1,000. */
  readonly limit?: number | undefined;
  /** The `nextCursor` of the call before. */
  readonly cursor?: string | undefined;
}

export interface StartOptions {
  /** The handled statuses to poll. Default: all. */
  readonly statuses?: readonly string[] | undefined;
  /** Whether to sweep, and to remove what the retention lets go. Default true. */
  readonly sweeps?: boolean | undefined;
}

export interface Engine extends Maintained {
  readonly workflow: AnyWorkflow;
  /** Refuses with `invalid_data`, `idempotency_conflict`, `limit_exceeded`. Rejects with `store_full`, `store_unavailable`, `closed`. */
  place(
    data: unknown,
    call?: Partial<Call>,
  ): Promise<{ readonly placed: boolean; readonly order: StoredOrder } | Refusal>;
  get(id: string): Promise<StoredOrder | undefined>;
  /** Where the store keeps the order of an id. */
  where(id: string): Whereabouts;
  list(query: ListQuery): Promise<OrderPage>;
  /**
   * Moves a waiting or failed order. `moved` is false for a repeat of a request with the same idempotency key.
   * Refuses with `order_not_found`, `transition_not_allowed`, `being_handled`, `stale`, `invalid_results`,
   * `idempotency_conflict`.
   */
  transition(
    id: string,
    request: Transition<AnyWorkflow>,
    call?: Partial<Call>,
  ): Promise<{ readonly moved: boolean; readonly order: StoredOrder } | Refusal>;
  /** Starts one failed order again. Refuses with `order_not_found`, `not_failed`, `transition_not_allowed`, `stale`. */
  retry(id: string, call?: Partial<Call>): Promise<{ readonly order: StoredOrder } | Refusal>;
  /** Starts failed orders again, at most `limit` a call; go on with `nextCursor`. Rejects with `invalid_cursor`. */
  retryMany(
    filter: FailedFilter<AnyWorkflow>,
    call?: Partial<Call>,
  ): Promise<{ readonly retried: number; readonly nextCursor: string | null }>;
  /** Erases a final order. Undefined when it is gone; refuses with `order_not_found`, `order_not_final`. */
  remove(id: string, call?: Partial<Call>): Promise<Refusal | undefined>;
  failures(): Promise<FailureGroup[]>;
  /**
   * Stops a handled status, or lets it go on: no handler of it begins while it is paused, over restarts too. Resolves to
   * its row of `queues`. Refuses with `status_not_found`, `status_not_handled`.
   */
  setPaused(status: string, paused: boolean): Promise<Depth | Refusal>;
  /** One row for each status that is handled or waiting, in the definition's order, then any that the workflow does not know. */
  queues(): Promise<Depth[]>;
  /** False from the first write that the store refused until one succeeds; asks the store itself meanwhile, unless `probes` is false. Never rejects. */
  takesWrites(how?: { readonly probes: boolean }): Promise<boolean>;
  /**
   * Opens resources, refuses stranded orders with `orders_stranded`, starts the poll loops and the sweep. Harmless when
   * called again. When it rejects, what it opened is closed, and it may be called anew. Rejects with `status_not_found`,
   * `status_not_handled` for a status to poll that is none.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Opens resources, and gives what tries one delivery: for whoever is handed deliveries, as a Lambda function is.
   * Nothing polls and nothing sweeps. `stop` closes the resources.
   */
  openAttempts(): Promise<Attempt>;
  /**
   * Stops receiving, waits for what is in hand (each handler keeps its time), closes the resources. The backend stays
   * open. Harmless when called again.
   */
  stop(): Promise<void>;
}

/** Who asks for something to be done to an order, and how the request is told apart from others. */

/** What a key may do. `intake`: place orders, nothing else. `read`: every GET. `operate`: everything. */
export const roles = ["intake", "read", "operate"] as const;
export type Role = (typeof roles)[number];

/** The caller: an API key, the process that uses the library, or anyone where the server asks for no keys. */
export type Who =
  | { readonly kind: "key"; readonly name: string; readonly role: Role }
  | { readonly kind: "process" }
  | { readonly kind: "open" };

/** One call of an operation, as each door (HTTP, library, test) tells it. */
export interface Call {
  readonly who: Who;
  /** The caller's request id, kept in the history. */
  readonly requestId?: string | null | undefined;
  /** 1 to 255 characters. The same key and content give the same order, for as long as the order lives. */
  readonly idempotencyKey?: string | undefined;
}
