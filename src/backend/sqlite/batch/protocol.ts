/** What the front (in the caller's thread) and the writer (in a thread of its own) say to each other. */
import type { MessagePort } from "node:worker_threads";
import type { Packed } from "./codec.ts";

/** Each operation's code, which comes before its fields. */
export const op = {
  place: 0,
  /** A change that leaves nothing behind but the new status: nearly every one. */
  transition: 1,
  /** Any other change. */
  change: 2,
  settleDone: 3,
  settleAgain: 4,
  /** The lease of a delivery ended. */
  leaseEnded: 5,
  /** No handler began the delivery, so it goes back as it was. */
  giveBack: 6,
  promote: 7,
  redeliver: 8,
  pause: 9,
  resume: 10,
  remove: 11,
  removeOld: 12,
  probe: 13,
  /**
   * A placing with extras, and changes of the extras: the same fields as without, with the extras behind. They have
   * codes of their own so that what nearly every order sends and runs is the same as without extras.
   */
  placeWithExtras: 14,
  transitionWithExtras: 15,
  changeWithExtras: 16,
  /** Queues a later visit and then takes the delivery of an earlier one off its queue. One operation, so one fate. */
  supersede: 17,
  /** Marks an order failed whose row cannot be read. */
  markUnreadable: 18,
} as const;

/** What becomes of the delivery of a change, as a number. */
export const deliveryCode = { enter: 0, again: 1, keep: 2, end: 3 } as const;

/** Begins the delivery of an order whose row has columns that a batch cannot carry. */
export const unreadable = -1;

/**
 * How large a batch may grow, in both directions: once it has reached one of these, nothing more joins it. One order adds
 * its data and its results at most, 32 MiB, so a batch stays far below the 536,870,888 characters of a string. A batch is
 * one transaction, and all of it waits for the last of it: with 1 KB of data a full batch takes about half a second.
 */
export const batchLimits: BatchLimits = { operationsMax: 4_096, textLengthMax: 16_777_216 };

export interface BatchLimits {
  readonly operationsMax: number;
  /** In UTF-16 code units, which is what a string counts. */
  readonly textLengthMax: number;
}

/** One batch: one transaction. */
export interface Batch {
  readonly ops: Packed;
  /** How many operations `ops` holds. */
  readonly count: number;
  /** Status and how many more deliveries it may get, by turns. */
  readonly grants: readonly (string | number)[];
  /** Milliseconds since 1970, by the injected clock. */
  readonly now: number;
}

/** What the front may say to the writer. */
export type Request = Batch | "close";

/** What came of a batch, and what goes out with it. */
export interface BatchResult {
  /** Of the operations that did not simply succeed: what each came to, and its index in the batch. */
  readonly unsuccessful: readonly (Unsuccessful & { readonly index: number })[];
  /**
   * What was leased, in the order of leasing. Each delivery begins with the index of the operation whose order the front
   * has; or with null, and then the order's columns follow; or with `unreadable`, and then what stands for the order
   * follows: its key, why it is delivered again, and the order as JSON.
   */
  readonly deliveries: Packed;
  /** The batch was full: more could be leased at once, by another batch. */
  readonly more?: boolean;
  /** When the writer should be woken next; null for never. Undefined where it did not change. */
  readonly nextDelayed?: number | null | undefined;
  /** How long the transaction took. */
  readonly milliseconds: number;
  /** The batch was rolled back. */
  readonly fault?: StoreFault;
}

/** What an operation came to that did not simply succeed. */
export type Unsuccessful =
  | { readonly is: "stale" | "not_found" | "not_final" }
  | { readonly is: "repeated" | "conflict"; readonly orderId: string }
  /** A walk over old orders. `lastSeq` is the last one that it looked at; null when there are no more. */
  | { readonly is: "removed"; readonly removed: number; readonly lastSeq: number | null };

export interface StoreFault {
  readonly code: string;
  readonly message: string;
}

export interface WriterData {
  readonly file: string;
  readonly workflow: string;
  /** Undefined: the delivery that the store has. */
  readonly fifo: boolean | undefined;
  /** Batches come in here, and results go out. */
  readonly port: MessagePort;
  /** One number: how many batches have been answered. The front may wait for it. */
  readonly answered: Int32Array;
}

/** The writer's first messages: what the opening is at, then how the store stands or why it could not be opened. */
export type Opened = StoreState | { readonly fault: StoreFault };
export type OpeningMessage = Opened | { readonly step: string };

export interface StoreState {
  /** The last key that was given to an order, which may have been removed since. */
  readonly lastSeq: number;
  readonly nextDelayed: number | null;
  readonly fifo: boolean;
  /** How many orders were queued again for the other delivery; null where the store kept its own. */
  readonly requeued: number | null;
}
