/** What the engine of one workflow offers to the rooms above: the API, the library and the functions. */
import type { Depth, FailureGroup, ListQuery, OrderPage, Whereabouts } from "../backend/port.ts";
import type { ErrorCode, Fault } from "../core/errors.ts";
import type { StoredOrder } from "../core/order.ts";
import type { AnyWorkflow, ResultsOf, StatusName } from "../core/workflow.ts";
import type { RunAttempt } from "./attempt.ts";
import type { Maintained } from "./maintenance/maintenance.ts";

/** A refusal that is expected: an operation returns it and does not throw. */
export interface Refusal {
  readonly refused: ErrorCode;
  readonly message: string;
  readonly faults?: readonly Fault[] | undefined;
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
  /** Whether to run the chores, such as the sweep and the retention. Default true. */
  readonly sweeps?: boolean | undefined;
}

export interface Engine extends Maintained {
  readonly workflow: AnyWorkflow;
  /**
   * Refuses with `invalid_data`, `idempotency_conflict`, `limit_exceeded`, `overloaded`. Rejects with `store_full`,
   * `store_unavailable`, `closed`.
   */
  place(
    data: unknown,
    call?: Partial<Call>,
  ): Promise<{ readonly placed: boolean; readonly order: StoredOrder } | Refusal>;
  /** Reads an order, and marks it failed where it cannot be read. As `list` does. */
  get(id: string): Promise<StoredOrder | undefined>;
  /** Where the store keeps the order of an id. */
  where(id: string): Whereabouts;
  list(query: ListQuery): Promise<OrderPage>;
  /**
   * Moves a waiting or failed order. `moved` is false for a repeat of a request with the same idempotency key.
   * Refuses with `order_not_found`, `transition_not_allowed`, `being_handled`, `stale`, `invalid_results`,
   * `idempotency_conflict`, `order_unreadable`.
   */
  transition(
    id: string,
    request: Transition<AnyWorkflow>,
    call?: Partial<Call>,
  ): Promise<{ readonly moved: boolean; readonly order: StoredOrder } | Refusal>;
  /**
   * Starts one failed order again. Refuses with `order_not_found`, `not_failed`, `transition_not_allowed`, `stale`,
   * `order_unreadable`.
   */
  retry(id: string, call?: Partial<Call>): Promise<{ readonly order: StoredOrder } | Refusal>;
  /** Starts failed orders again, at most `limit` a call. Go on with `nextCursor`. Rejects with `invalid_cursor`. */
  retryMany(
    filter: FailedFilter<AnyWorkflow>,
    call?: Partial<Call>,
  ): Promise<{ readonly retried: number; readonly nextCursor: string | null }>;
  /**
   * Erases a final order, or one that cannot be read, and resolves to undefined then. Refuses with `order_not_found`,
   * `order_not_final`.
   */
  remove(id: string, call?: Partial<Call>): Promise<Refusal | undefined>;
  failures(): Promise<FailureGroup[]>;
  /**
   * Pauses or resumes a handled status. While a status is paused, none of its handlers begins, over restarts too.
   * Resolves to the status's row of `queues`. Refuses with `status_not_found`, `status_not_handled`.
   */
  setPaused(status: string, paused: boolean): Promise<Depth | Refusal>;
  /**
   * The depths: a row for each handled and waiting status, in the definition's order, then those of unknown statuses.
   */
  queues(): Promise<Depth[]>;
  /** Whether the store takes writes: see `StoreHealth`. Never rejects. */
  takesWrites(how?: { readonly probes: boolean }): Promise<boolean>;
  /**
   * Opens the resources, starts a poll for each handled status, and starts the chores. Harmless when called again. When
   * it rejects, what it opened is closed, and it may be called again. Rejects with `orders_stranded` for orders that no
   * handler and no call would reach, and with `status_not_found` or `status_not_handled` for a wrong one of `statuses`.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Opens the resources, and gives what tries one delivery: for a caller that gets deliveries by itself, as a Lambda
   * function does. Nothing polls and no chore runs. `stop` closes the resources.
   */
  openAttempts(): Promise<RunAttempt>;
  /**
   * Stops receiving, waits for the attempts under way, closes the resources. Each handler keeps its `timeoutSeconds`.
   * The backend stays open. Harmless when called again.
   */
  stop(): Promise<void>;
}

/** What a key may do. `intake`: place orders, nothing else. `read`: every GET. `operate`: everything. */
export const roles = ["intake", "read", "operate"] as const;
export type Role = (typeof roles)[number];

/** The caller: an API key, the process that uses the library, or any client of a server without keys. */
export type Who =
  | { readonly kind: "key"; readonly name: string; readonly role: Role }
  | { readonly kind: "process" }
  | { readonly kind: "open" };

/** One call of an operation, over HTTP, by the library or in a test. */
export interface Call {
  readonly who: Who;
  /** The caller's request id, kept in the history. */
  readonly requestId?: string | null | undefined;
  /** 1 to 255 characters. As long as the order exists, the same key and content give the same order. */
  readonly idempotencyKey?: string | undefined;
  /** The caller may hand over thousands of orders at once. Where placings are held back, those of others go in between. */
  readonly bulk?: boolean | undefined;
}
