import type { z } from "zod";
import type { Whereabouts } from "../../backend/backend.ts";
import type { App } from "../../core/handlers.ts";
import type { Order } from "../../core/order.ts";
import type { AnyWorkflow, DataOf, ResultsOf, StatusName } from "../../core/workflow.ts";
import type { ConnectionOptions } from "./connection.ts";

/** The workflow of what `createClient` is typed by: itself, or that of an app. */
export type WorkflowOf<T> = T extends App<infer W> ? W : T extends AnyWorkflow ? T : never;

/** An order of a workflow as the API shows it. */
export type OrderOf<W extends AnyWorkflow> = Order<DataOf<W>, ResultsOf<W>, StatusName<W>>;

/** What a client sends: the schema's input, in which what has a default may be left out. */
export type InputOf<W extends AnyWorkflow> = z.input<W["data"]>;

export interface ClientOptions extends ConnectionOptions {
  /** The workflow's address, to which orders are posted, such as `https://shop.example.com/api/orders`. */
  readonly url: string;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Up to 128 visible ASCII characters, kept in the order's history and named in the log. */
  readonly requestId?: string | undefined;
}

export interface KeyedOptions extends CallOptions {
  /** 1 to 255 visible ASCII characters: a call with the same key is done once, however often it comes. Default: one made for this call. */
  readonly idempotencyKey?: string | undefined;
}

export interface OrdersQuery<W extends AnyWorkflow> {
  readonly status?: StatusName<W> | undefined;
  /** True: only failed orders; false: only others. */
  readonly failed?: boolean | undefined;
  readonly fingerprint?: string | undefined;
  readonly group?: string | undefined;
  /** Orders of one page, 1 to 1,000. Default 50; 200 when iterating. */
  readonly limit?: number | undefined;
}

export interface PageQuery<W extends AnyWorkflow> extends OrdersQuery<W> {
  /** The `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

export interface Transition<W extends AnyWorkflow> {
  readonly to: StatusName<W>;
  /** At most 500 characters, kept in the history. */
  readonly reason?: string | undefined;
  readonly results?: Partial<ResultsOf<W>> | undefined;
  /** Refused with `stale` unless the order has this version. */
  readonly expectedVersion?: number | undefined;
}

/** Where an order is stored: what looks it up with the store's own tools. */
export interface Stored extends Whereabouts {
  readonly id: string;
  readonly version: number;
}

/** Which failed orders start again; without a field, all of them. */
export interface FailedFilter<W extends AnyWorkflow> {
  readonly status?: StatusName<W> | undefined;
  readonly fingerprint?: string | undefined;
  /** 1 to 1,000 ids. */
  readonly ids?: readonly string[] | undefined;
  /** How many orders one call retries at most, 1 to 1,000. Default 1,000. */
  readonly limit?: number | undefined;
  /** The `nextCursor` of the call before. */
  readonly cursor?: string | undefined;
}

/** Failed orders with the same status and fingerprint. */
export interface Failures<W extends AnyWorkflow> {
  readonly status: StatusName<W>;
  readonly fingerprint: string;
  /** The latest message. */
  readonly message: string;
  readonly count: number;
  /** In ISO 8601, as `lastAt`. */
  readonly firstAt: string;
  readonly lastAt: string;
}

/** How many orders stand in a status that is handled or waiting. */
export interface Queue<Status extends string = string> {
  readonly status: Status;
  readonly kind: "handled" | "waiting";
  readonly waiting: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly failed: number;
  /** The counts are lower bounds. */
  readonly atLeast: boolean;
  /** An operator has paused it: nothing is delivered until it is resumed. */
  readonly paused: boolean;
}

export interface WaitOptions extends CallOptions {
  /** Seconds after which it rejects with `wait_timed_out`. Default 60. */
  readonly timeoutSeconds?: number | undefined;
}

/**
 * One workflow of a server, over its HTTP API. Calls reject with a `ClientError`, which has the API's `code`, its HTTP
 * `status` and its `faults`; with `unreachable` when no answer came, and `unexpected_answer` when it was not Cauce's.
 * Network errors, 429, 502, 503 and 504 are tried again, with exponential backoff, full jitter and `Retry-After`;
 * placings and transitions carry an idempotency key, so that they are done once.
 */
export interface Client<W extends AnyWorkflow> {
  /**
   * Places an order. `placed` is false for a repeat of an idempotency key. Rejects with `invalid_data`,
   * `idempotency_conflict`, `body_too_large`, `store_full`, `store_unavailable`.
   */
  place(data: InputOf<W>, options?: KeyedOptions): Promise<{ placed: boolean; order: OrderOf<W> }>;
  /** The order, or undefined when there is none of that id. */
  get(id: string, options?: CallOptions): Promise<OrderOf<W> | undefined>;
  /** One page of orders, the newest first. */
  list(
    query?: PageQuery<W>,
    options?: CallOptions,
  ): Promise<{ items: readonly OrderOf<W>[]; nextCursor: string | null }>;
  /** All orders that match, page after page, the newest first. */
  orders(query?: OrdersQuery<W>, options?: CallOptions): AsyncIterable<OrderOf<W>>;
  /**
   * Moves a waiting or failed order. Rejects with `order_not_found`, `transition_not_allowed`, `being_handled`,
   * `stale`, `invalid_results`, `idempotency_conflict`.
   */
  transition(id: string, transition: Transition<W>, options?: KeyedOptions): Promise<OrderOf<W>>;
  /** Starts a failed order again. Rejects with `order_not_found`, `not_failed`, `stale`, `transition_not_allowed`. */
  retry(id: string, options?: CallOptions): Promise<OrderOf<W>>;
  /** Where the order is stored, for keys of the role `operate`. Rejects with `order_not_found`. */
  stored(id: string, options?: CallOptions): Promise<Stored>;
  /** Starts failed orders again, at most `limit` in one call; go on with `nextCursor`. */
  retryMany(filter?: FailedFilter<W>, options?: CallOptions): Promise<{ retried: number; nextCursor: string | null }>;
  /** The failed orders by status and fingerprint, the largest group first. */
  failures(options?: CallOptions): Promise<readonly Failures<W>[]>;
  /** One row for each status that is handled or waiting. */
  queues(options?: CallOptions): Promise<readonly Queue<StatusName<W>>[]>;
  /** Stops the handling of a status until `resume`. Rejects with `status_not_found`, `status_not_handled`. */
  pause(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
  /** Takes up the handling of a status again. Rejects with `status_not_found`, `status_not_handled`. */
  resume(status: StatusName<W>, options?: CallOptions): Promise<Queue<StatusName<W>>>;
  /** Erases a final order. Rejects with `order_not_found`, `order_not_final`. */
  remove(id: string, options?: CallOptions): Promise<void>;
  /**
   * The order, once it stands in one of these statuses or has passed through one. Rejects with `wait_timed_out`;
   * `order_failed` or `order_ended` as soon as it failed or came to another final status; `order_not_found`.
   */
  waitFor(id: string, status: StatusName<W> | readonly StatusName<W>[], options?: WaitOptions): Promise<OrderOf<W>>;
}
