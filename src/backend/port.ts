/**
 * The port: what Cauce needs of a store with queues. Types only. A backend serves one workflow and is a factory that
 * returns an object literal. `cauce/testing` has the contract suite that proves the twelve laws on it.
 */
import type { Clock } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import type { Filter } from "../core/filter.ts";
import type { Actor, StatusKind, StoredOrder } from "../core/order.ts";

/** Once closed, every call but `close` rejects with `closed`. */
export interface Backend {
  /** What this backend can hold; checked when things are wired, never clamped. */
  readonly limits: Limits;

  /**
   * Stores a new order and routes it to its status's queue, and only then resolves. Where these are not one atomic step,
   * an order that is stored and not routed is found by `sweep`.
   * Idempotent by `key`: the same key and content give the order placed before, other content a conflict.
   * Rejects with `limit_exceeded`, `store_full`, `store_unavailable` or `closed`.
   */
  place(order: NewOrder): Promise<Placed>;

  /** The order as committed last, or undefined. Strongly consistent. */
  get(id: string): Promise<StoredOrder | undefined>;

  /** Newest first (by time of placing). A page with a cursor may hold fewer than `limit`, or none. A cursor neither repeats nor skips while orders are placed. Rejects with `invalid_cursor`. */
  list(query: ListQuery): Promise<OrderPage>;

  /**
   * The only change of an order: compare-and-set on `before.version`, with its history entry, and its next delivery in
   * the same atomic step or right after it: one that is lost between them is found by a redelivery of the visit before
   * (`superseded`), or by `sweep`. A repeat of the same `change` after a rejection goes on where it ended. `stale` when
   * another change was first. Rejects with `store_full`, `store_unavailable` or `closed`.
   *
   * A committed change consumes its delivery: `delivery` is the one that the change was made for. That delivery's lease
   * ends in the same step, and the caller settles nothing: the delivery is off the queue, or it comes again at the
   * order's `notBefore` where the change says `again`. Where the change says `keep`, it stays leased. Any other delivery
   * of `before` that this backend has leased ends in the same way. A change that is `stale` leaves every delivery alone.
   */
  commit(change: Change, delivery?: Delivery): Promise<"committed" | "stale">;

  /**
   * Up to `max` deliveries of one status, oldest first; in FIFO delivery at most one of each group, and none of a
   * group whose earlier order of this status has not left it. Waits up to `waitSeconds` for the first (0: answers at
   * once with what there is). Each is leased for `leaseSeconds`. Ends early and empty when `signal` aborts.
   */
  receive(options: ReceiveOptions): Promise<Delivery[]>;

  /**
   * Tells the queue of a delivery: `done` takes it off; `again` brings it back no earlier than `notBefore`
   * (milliseconds since 1970); `superseded` queues the delivery of a later visit, `by`, if that has none, and only then
   * takes this one off. A delivery that a commit consumed, or whose lease has run out, is itself left alone.
   */
  settle(delivery: Delivery, verdict: Verdict): Promise<void>;

  /**
   * Looks through up to `limit` orders that should have moved, the oldest first: queues again deliveries that were lost,
   * and gives the waits that expired, for the caller to move. Harmless when repeated. One order whose delivery cannot be
   * queued keeps none of the others waiting. Rejects with `invalid_cursor`.
   */
  sweep(query: { limit: number; cursor?: string | undefined }): Promise<Swept>;

  /** How many orders stand where, and which have failed: what is asked for, since each costs a look of its own. */
  counts(asked: { readonly depths?: boolean; readonly failures?: boolean }): Promise<Counts>;

  /**
   * Writes something small that is no order's, and only then resolves. Harmless when repeated. Rejects with `store_full`,
   * `store_unavailable` or `closed`, as a placing would.
   */
  keep(note: Note): Promise<void>;

  /**
   * Erases final orders, each with its data, history and idempotency key in one atomic step. By `id` one order:
   * `not_final` for any other, which is left as it is, and 0 removed where there is none. Else those whose last change
   * lies before a time, oldest first: one call looks at about `limit` orders, so that no other call waits long; go on with
   * `nextCursor` until it is null. Rejects with `store_full`, `store_unavailable`, `closed` or `invalid_cursor`.
   */
  remove(which: { readonly id: string } | OldOrders): Promise<Removal | "not_final">;

  /** Resolves when nothing is left open. Deliveries in flight come back at the next start. Harmless when called again. */
  close(): Promise<void>;
}

/** What a factory opens: a backend, and where its store keeps an order. */
export interface LocatedBackend extends Backend {
  /**
   * Where the order of an id is kept, whether or not there is one: what an operator looks up with the store's own tools.
   * Asks the store for nothing, so it answers after `close`, too.
   */
  where(id: string): Whereabouts;
}

export interface Limits {
  /** The longest that `notBefore` and `expiresAt` may lie ahead, in seconds; Infinity where there is no limit. */
  readonly longestDelaySeconds: number;
  /** The largest `dataJson`, in bytes of UTF-8. */
  readonly dataBytesMax: number;
  /** The longest group key, in bytes of UTF-8. */
  readonly groupBytesMax: number;
  /** How often the sweep must look, in seconds; Infinity where `sweep` says when the next is due. */
  readonly sweepSeconds: number;
  /** How late a delivery may be after its `notBefore`, in seconds, on an idle machine. */
  readonly timingSeconds: number;
  /** The longest that one `receive` may wait, in seconds; Infinity where there is no limit. */
  readonly longestWaitSeconds: number;
  /** Handlers of one status at once: what a definition may ask for, and what it gets where it does not say. */
  readonly concurrency: { readonly least: number; readonly most: number; readonly default: number };
}

export interface Whereabouts {
  readonly store: "dynamodb" | "sqlite" | "memory";
  /** The file that holds the table, with its whole path; null where there is none. */
  readonly file: string | null;
  readonly table: string | null;
  /** The values of the item's key, by their names in the table. */
  readonly key: Readonly<Record<string, string | number>>;
}

export interface NewOrder {
  readonly status: string;
  readonly kind: StatusKind;
  readonly dataJson: string;
  readonly group: string | null;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly by: Actor;
  /** At most `extrasBytesMax` bytes of UTF-8. Kept as it is until a change's `after` has another; null for none. */
  readonly extrasJson: string | null;
  /** Hashes (hex) of the idempotency key and of the content, for a keyed placing. */
  readonly key: { readonly keyHash: string; readonly contentHash: string } | null;
}

export type Placed =
  | { readonly outcome: "placed"; readonly order: StoredOrder }
  /** The key was used before with the same content: `order` as it stands now. */
  | { readonly outcome: "repeated"; readonly order: StoredOrder }
  /** The key was used before with other content. */
  | { readonly outcome: "conflict"; readonly orderId: string };

/** A list takes no `ids`: what is named is read by `get`. */
export interface ListQuery extends Omit<Filter, "ids"> {
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface OrderPage {
  readonly items: readonly StoredOrder[];
  readonly nextCursor: string | null;
}

export interface ReceiveOptions {
  readonly status: string;
  readonly max: number;
  readonly leaseSeconds: number;
  readonly waitSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Delivery {
  readonly orderId: string;
  readonly status: string;
  readonly visit: number;
  /** Names this delivery to the backend that made it. */
  readonly receipt: string;
  /** It was in flight before and has not been settled: the worker died or overstayed its lease. */
  readonly redelivered: boolean;
  /**
   * What was in flight before may never have reached a handler (a throttled function, a message put back with its
   * group): unless the order tells of an attempt that began, none is counted as lost.
   */
  readonly unattended?: boolean | undefined;
  /** The queue's message id, where it has one. */
  readonly messageId: string | null;
}

export type Verdict =
  | { readonly verdict: "done" }
  | { readonly verdict: "again"; readonly notBefore: number }
  /** The order has moved on, and the process that moved it may have died before its next delivery: as it stands now. */
  | { readonly verdict: "superseded"; readonly by: StoredOrder };

export interface Swept {
  /** Waits whose time is over. */
  readonly expired: readonly StoredOrder[];
  /** How many orders whose delivery was lost it saw to. */
  readonly redelivered: number;
  /** Why deliveries could not be queued again, an error for each; a later sweep tries them again. */
  readonly failed: readonly unknown[];
  /** Where to go on, while there is more that is overdue now. */
  readonly nextCursor: string | null;
  /** When the next will be overdue, in milliseconds since 1970, where the backend knows. */
  readonly nextAt: number | null;
}

export type Note =
  /**
   * Whether one status is paused: then nothing of it is delivered, until it is let go on. What is in flight stays there,
   * what would be delivered waits.
   */
  | { readonly is: "paused"; readonly status: string; readonly paused: boolean }
  /** Nothing that is read again: it shows that the store takes writes. */
  | { readonly is: "probe" };

/** Final orders whose last change lies before a time. */
export interface OldOrders {
  /** Milliseconds since 1970. */
  readonly before: number;
  /** How many orders to look at, 1 to 1,000. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Removal {
  /** How many orders this call erased. */
  readonly removed: number;
  readonly nextCursor: string | null;
}

/** What was not asked for is empty. */
export interface Counts {
  /** For every status that holds orders that are not final, and every one that is paused. */
  readonly depths: Depth[];
  /** The failed orders, grouped by status and fingerprint, the largest group first. */
  readonly failures: FailureGroup[];
}

export interface Depth {
  readonly status: string;
  readonly kind: "handled" | "waiting";
  /** Handled: in the queue and due. Waiting: standing in the status. */
  readonly waiting: number;
  readonly inFlight: number;
  /** In the queue, not before a time. */
  readonly delayed: number;
  readonly failed: number;
  /** When the order that is next in the queue changed last, in milliseconds since 1970; null where none waits there. */
  readonly oldestWaitingAt: number | null;
  /** Nothing of this status is delivered until it is resumed. */
  readonly paused: boolean;
  /** The counts are lower bounds, where counting would cost. */
  readonly atLeast: boolean;
}

export interface FailureGroup {
  readonly status: string;
  readonly fingerprint: string;
  /** The latest message of the group. */
  readonly message: string;
  readonly count: number;
  /** When its first order failed since it was last empty; on AWS, the first of those that are failed now. Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** What a backend is made for. */
export interface BackendFactoryOptions {
  readonly workflow: string;
  readonly delivery: DeliveryMode;
  readonly clock: Clock;
  /** Told of each of the store's transactions, by backends that have such: its operations, and how long it took to be on disk. */
  readonly onBatch?: ((operations: number, milliseconds: number) => void) | undefined;
  /** Each handled status, and for how long its deliveries are leased, in seconds. */
  readonly leaseSeconds?: Readonly<Record<string, number>> | undefined;
}

/** Makes a backend; `createCauce` calls it once for each workflow. */
export type BackendFactory = (options: BackendFactoryOptions) => LocatedBackend | Promise<LocatedBackend>;

export type DeliveryMode = "standard" | "fifo";
