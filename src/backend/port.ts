/**
 * The port: what Cauce needs of a store with queues. Types only. A backend serves one workflow and is a factory that
 * returns an object literal. `cauce/testing` has the contract suite that proves the twelve laws on it.
 */
import type { Clock } from "../core/clock.ts";
import type { Change } from "../core/decide.ts";
import type { Filter } from "../core/filter.ts";
import type { Actor, StatusKind, StoredOrder } from "../core/order.ts";

/**
 * A store with queues. Once the backend is closed, every call but `close` rejects with `closed`.
 *
 * An order that the store holds and cannot read stops no other. `get`, `list` and `sweep` give it with `unreadable`, its
 * queue delivers it, and `commit` marks it failed.
 */
export interface Backend {
  /** What this backend can hold. A workflow that asks for more is refused when it is opened; nothing is clamped. */
  readonly limits: Limits;

  /**
   * Stores a new order and routes it to the queue of its status, and only then resolves. Where these are two steps,
   * `sweep` finds an order that is stored and not routed.
   * Idempotent by `key`: the same key and content give the order that was placed before, other content gives a conflict.
   * Rejects with `limit_exceeded`, `store_full`, `store_unavailable` or `closed`.
   */
  place(order: NewOrder): Promise<Placed>;

  /** Reads the order as committed last; undefined where there is none. Strongly consistent. */
  get(id: string): Promise<StoredOrder | undefined>;

  /**
   * Lists orders, the newest first by time of placing. A page with a cursor may hold fewer orders than `limit`, or none.
   * A cursor neither repeats nor skips an order while others are placed. Rejects with `invalid_cursor`.
   */
  list(query: ListQuery): Promise<OrderPage>;

  /**
   * Changes an order, which nothing else does: compare-and-set on `before.version`, together with the history entry. The
   * next delivery is written in the same atomic step or right after it. A next delivery that is lost between the two is
   * found by a redelivery of the visit before (`superseded`), or by `sweep`. A repeat of the same `change` after a
   * rejection goes on where the first call ended. Resolves to `stale` when another change was first. Rejects with
   * `store_full`, `store_unavailable` or `closed`.
   *
   * A committed change consumes its delivery: `delivery` is the one that the change was made for. The lease of that
   * delivery ends in the same step, and the caller settles nothing. The delivery is off the queue; where the change says
   * `again`, it comes again at the order's `notBefore`; where the change says `keep`, it stays leased. Any other delivery
   * of `before` that this backend has leased ends in the same way. A change that is `stale` leaves every delivery alone.
   *
   * A change whose `after` is `unreadable` only marks the order failed, with its failure, and ends its delivery. What is
   * stored of the order stays as it is, its version included. `stale`: the order can be read now, is final, or is marked.
   */
  commit(change: Change, delivery?: Delivery): Promise<"committed" | "stale">;

  /**
   * Leases up to `max` deliveries of one status, the oldest first. In FIFO delivery it leases at most one of each group,
   * and none of a group whose earlier order has not left the status. Waits up to `waitSeconds` for the first delivery; 0
   * gives at once what there is. Each lease lasts `leaseSeconds`. Ends early and empty when `signal` aborts.
   */
  receive(options: ReceiveOptions): Promise<Delivery[]>;

  /**
   * Tells the queue what comes of a delivery that no commit consumed. `done` takes the delivery off the queue. `again`
   * brings it back no earlier than `notBefore`, in milliseconds since 1970. `superseded` queues the delivery of a later
   * visit, `by`, if that has none, and only then takes this delivery off. A delivery that a commit consumed, or whose
   * lease has run out, is left alone.
   */
  settle(delivery: Delivery, verdict: Verdict): Promise<void>;

  /**
   * Looks through up to `limit` orders that should have moved, the oldest first. Queues the deliveries that were lost,
   * and gives the waits that expired, for the caller to move, with the orders due that cannot be read. Harmless when
   * repeated. An order whose delivery cannot be queued keeps no other order waiting. Rejects with `invalid_cursor`.
   */
  sweep(query: { limit: number; cursor?: string | undefined }): Promise<Swept>;

  /** Counts the orders of each status, and the failed orders of each fault. Each costs a look of its own, so name what you need. */
  counts(asked: { readonly depths?: boolean; readonly failures?: boolean }): Promise<Counts>;

  /**
   * Writes something small that belongs to no order, and only then resolves. Harmless when repeated. Rejects as a placing
   * would: with `store_full`, `store_unavailable` or `closed`.
   */
  keep(note: Note): Promise<void>;

  /**
   * Erases final orders, each with its data, history and idempotency key in one atomic step.
   * By `id`: one order. An order that is neither final nor unreadable is left as it is, and the answer is `not_final`.
   * Where there is no such order, 0 are removed.
   * By `before`: the orders whose last change lies before that time, the oldest first. One call looks at about `limit`
   * orders, so that no other call waits long. Go on with `nextCursor` until it is null. Rejects with `store_full`,
   * `store_unavailable`, `closed` or `invalid_cursor`.
   */
  remove(which: { readonly id: string } | OldOrders): Promise<Removal | "not_final">;

  /** Closes the backend: resolves when nothing is left open. Leased deliveries come back at the next start. Harmless when called again. */
  close(): Promise<void>;
}

/** What a factory opens: a backend, its delivery, and where its store keeps an order. */
export interface LocatedBackend extends Backend {
  readonly delivery: DeliveryMode;
  /**
   * How many orders the opening queued again, since the store had the other delivery. Null or left out: it had this one,
   * or is new.
   */
  readonly requeued?: number | null | undefined;
  /** The file of the store, where other users of the machine may read it. */
  readonly openToOthers?: string | undefined;
  /**
   * Says where the order of an id is kept, whether or not there is such an order: what an operator looks up with the
   * store's own tools. Asks the store for nothing, so it answers after `close`, too.
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
  /** How often the sweep must look, in seconds; Infinity where `sweep` says when the next order is due. */
  readonly sweepSeconds: number;
  /** How late a delivery may be after its `notBefore`, in seconds, on an idle machine. */
  readonly timingSeconds: number;
  /** The longest that one `receive` may wait, in seconds; Infinity where there is no limit. */
  readonly longestWaitSeconds: number;
  /** How many handlers of one status run at once: what a definition may ask for, and what it gets by default. */
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
  /** At most `extrasBytesMax` bytes of UTF-8; null for none. Kept as it is until the `after` of a change has another. */
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

/** A list takes no `ids`: an order whose id is known is read by `get`. */
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
  /**
   * The delivery was leased before and not settled: its worker died, or held it longer than the lease. The attempt counts
   * as lost. When a process dies with many deliveries out, a backend says so of each of them the first time. After further
   * deaths it may say so only of a delivery that was out alone.
   */
  readonly redelivered: boolean;
  /**
   * The earlier lease may never have reached a handler (a throttled function, a message put back with its group). Unless
   * the order tells of an attempt that began, no attempt is counted as lost.
   */
  readonly unattended?: boolean | undefined;
  /** The queue's message id, where it has one. */
  readonly messageId: string | null;
}

export type Verdict =
  | { readonly verdict: "done" }
  | { readonly verdict: "again"; readonly notBefore: number }
  /** The order has moved on, and the process that moved it may have died before its next delivery. `by`: as it stands now. */
  | { readonly verdict: "superseded"; readonly by: StoredOrder };

export interface Swept {
  /** Waits whose time is over. */
  readonly expired: readonly StoredOrder[];
  /** How many orders had lost their delivery and have one now. */
  readonly redelivered: number;
  /** Why deliveries could not be queued, an error for each. A later sweep tries them again. */
  readonly failed: readonly unknown[];
  /** Where to go on, while more orders are overdue now. */
  readonly nextCursor: string | null;
  /** When the next order will be overdue, in milliseconds since 1970; null where the backend does not know. */
  readonly nextAt: number | null;
}

export type Note =
  /** Whether one status is paused. A paused status delivers nothing until it is resumed. Leased deliveries stay leased. */
  | { readonly is: "paused"; readonly status: string; readonly paused: boolean }
  /** Shows that the store takes writes. It is never read. */
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
  /** Of kind `handled`: orders in the queue that are due. Of kind `waiting`: orders in the status. */
  readonly waiting: number;
  /** Orders whose delivery is leased. */
  readonly inFlight: number;
  /** Orders in the queue that are not due before a time. */
  readonly delayed: number;
  readonly failed: number;
  /** When the next order in the queue changed last, in milliseconds since 1970; null where no order waits there. */
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
  /**
   * When the first order of the group failed since the group was last empty, in milliseconds since 1970. On AWS: when the
   * first of the orders that are failed now did.
   */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** What a factory is told. */
export interface BackendFactoryOptions {
  readonly workflow: string;
  /** Undefined: the delivery that the store has; `standard` for a new store, and for a store that cannot tell. */
  readonly delivery?: DeliveryMode | undefined;
  readonly clock: Clock;
  /** Called by a backend with transactions, for each: how many operations it held, and how long it took to be on disk. */
  readonly onBatch?: ((operations: number, milliseconds: number) => void) | undefined;
  /** Called each few seconds while a store takes long to open: what it does, and for how long so far. */
  readonly onOpening?: ((step: string, seconds: number) => void) | undefined;
  /** For how long the deliveries of each handled status are leased, in seconds. */
  readonly leaseSeconds?: Readonly<Record<string, number>> | undefined;
}

/** Makes a backend; `createCauce` calls it once for each workflow. */
export type BackendFactory = (options: BackendFactoryOptions) => LocatedBackend | Promise<LocatedBackend>;

export type DeliveryMode = "standard" | "fifo";
