/**
 * The words, each with one meaning, here and in the API, the pages and the docs.
 *
 * order       one accepted request: id, data, results, status, history
 * data        what the client sent, checked against the workflow's schema when placed, never changed
 * results     what handlers and transitions add; merged key by key and checked at commit
 * workflow    the statuses of one kind of order, and which may follow which
 * status      where an order stands. Handled: a handler moves it on. Waiting: an API call moves it on, with an
 *             optional expiry. Final: nothing does
 * transition  a change of status
 * visit       how many transitions an order has made; it names this stay in this status
 * attempt     which try of the handler this is, within one visit
 * version     counts every committed change of an order; the fence for compare-and-set
 * delivery    a reference (order id, status, visit, receipt) that a queue hands to a worker; it carries no data
 * receipt     names one delivery to the backend that handed it out
 * lease       a delivery that is out to a worker for a time; if nothing consumes or settles it by then, it comes again
 * settle      to tell the queue a verdict on a delivery that no commit consumed
 * verdict     what the queue is told of a delivery: done, again not before a time, or superseded by a later visit
 * failed      an order whose attempts are used up and that no `exhausted` status takes: it stays in its status,
 *             marked with its failure, until an operator retries or moves it
 * group       orders with the same group key; in FIFO delivery their order is kept
 * extras      what an order carries besides: acts, steps, the definition's version; text that stores keep and never
 *             look into
 * act         something that was done to an order from outside, with its time, its author and the reason
 * step        a part of a handler's work whose outcome is kept, so that a later attempt does not repeat it
 * sweep       finds orders that are overdue (a lost message, an expired wait) and delivers or moves them
 * depth       how many orders stand in a status: waiting, in flight, delayed and failed
 */
import type { ShownExtras } from "./extras.ts";

/** Who moved an order into a status. */
export interface Actor {
  readonly runtime: "node" | "lambda" | "pod";
  /** The host's, function's or pod's name. */
  readonly name: string;
  /** The caller's `X-Request-Id`, where one was sent, or the run of a processing function. */
  readonly requestId: string | null;
  /** The queue's message that caused the change, where the queue has message ids. */
  readonly messageId: string | null;
}

/** Why an order is marked failed. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** The message without ids and numbers: the same fault gives the same fingerprint. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** How an order entered its current status. */
export interface Entry {
  /** When it entered, in milliseconds since 1970. */
  readonly at: number;
  readonly reason: string | null;
  /** The last failed attempt's error, cut to 1 KB. */
  readonly error: string | null;
  readonly by: Actor;
  /** Hashes of the idempotency key and content of the request that moved it here; internal, never served. */
  readonly key?: string;
}

/** One visit: a stay in one status. */
export interface Visit extends Entry {
  readonly status: string;
  readonly visit: number;
  /** How many attempts this visit used. */
  readonly attempts: number;
}

/** The kind of a status. A backend delivers the orders of handled statuses alone. */
export type StatusKind = "handled" | "waiting" | "final";

/** An order as backends store it. Times are milliseconds since 1970; `data` and `results` are JSON text. */
export interface StoredOrder {
  readonly id: string;
  readonly status: string;
  readonly kind: StatusKind;
  readonly visit: number;
  readonly version: number;
  /** Attempts used in this visit. */
  readonly attempts: number;
  /** The last of `attempts` was recorded at its start, and has no outcome yet. */
  readonly attempting: boolean;
  readonly dataJson: string;
  readonly resultsJson: string;
  readonly group: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** A handler may not run before this time. */
  readonly notBefore: number | null;
  /** When a waiting order expires. */
  readonly expiresAt: number | null;
  readonly failure: Failure | null;
  /** How the order entered its current status. */
  readonly entry: Entry;
  /** The visits that ended, oldest first: the first 10 and the last 39. */
  readonly past: readonly Visit[];
  /** How many ended visits `past` leaves out. */
  readonly pastOmitted: number;
  /** What `writeExtras` gave; null where there is none. A store keeps the text and never looks into it. */
  readonly extrasJson: string | null;
  /**
   * Why the store cannot read the order; left out for every other order. `id` is the order's. The other fields hold what
   * can be read, and `dataJson`, `resultsJson`, `entry` and `past` nothing of the order.
   */
  readonly unreadable?: string;
}

/** Gives the current visit. */
export function currentVisit(order: StoredOrder): Visit {
  return { ...order.entry, status: order.status, visit: order.visit, attempts: order.attempts };
}

/** Gives the number of the attempt that runs or just ended, from 1. It may have been recorded at its start. */
export function attemptNumber({ attempts, attempting }: Pick<StoredOrder, "attempts" | "attempting">): number {
  return attempting ? attempts : attempts + 1;
}

export const historyFirst = 10;
export const historyLast = 40;

/**
 * Adds a visit that ended. A history keeps the first 10 and the last 40 visits, of which the current one is the last.
 */
export function appendPast(order: Pick<StoredOrder, "past" | "pastOmitted">, ended: Visit) {
  const past = [...order.past, ended];
  const excess = past.length - (historyFirst + historyLast - 1);
  if (excess > 0) past.splice(historyFirst, excess);
  return { past, pastOmitted: order.pastOmitted + Math.max(0, excess) };
}

/** An order as the API and handlers show it: times in ISO 8601, `data` and `results` as values. */
export interface Order<Data = unknown, Results = Record<string, unknown>, Status extends string = string>
  extends ShownExtras {
  readonly id: string;
  readonly workflow: string;
  readonly status: Status;
  readonly visit: number;
  readonly version: number;
  readonly attempts: number;
  /** Null where the failure's code is `order_unreadable`, whatever the schema says. */
  readonly data: Data;
  readonly results: Results;
  readonly group: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly notBefore: string | null;
  readonly expiresAt: string | null;
  readonly failure: { code: string; message: string; fingerprint: string; at: string } | null;
  /** The first 10 and the last 40 visits, oldest first. */
  readonly history: readonly HistoryEntry[];
  /** How many visits between those the history leaves out. */
  readonly historyOmitted: number;
}

export interface HistoryEntry {
  readonly status: string;
  readonly visit: number;
  readonly at: string;
  readonly attempts: number;
  readonly reason: string | null;
  readonly error: string | null;
  readonly by: Actor;
}

/**
 * Whether a text takes more than `bytesMax` in UTF-8. A UTF-16 unit takes one to three bytes, so most texts need no
 * count.
 */
export function exceedsBytes(text: string, bytesMax: number): boolean {
  return text.length > bytesMax || (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax);
}
