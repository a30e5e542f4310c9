/**
 * What the front (in the caller's thread) and the writer (in a thread of its own) say to each other. Operations are
 * written flat into one array, each a code and its fields: an array of numbers and strings is the cheapest thing to
 * hand to another thread.
 */
import type { Row } from "./rows.ts";

export type Field = string | number | null;

/** Each operation's code; `fieldCounts` has how many fields follow it. */
export const op = { place: 0, commit: 1, settleDone: 2, settleAgain: 3, release: 4, promote: 5, redeliver: 6 } as const;

/**
 * place        seq id status kind data group createdAt expiresAt entry keyHash contentHash
 * commit       seq version status kind visit attempts attempting notBefore expiresAt failure fingerprint updatedAt entry
 *              ended past pastOmitted results delivery
 *              `ended` is appended to the stored past, unless `past` (the whole of it, after a cut) is given;
 *              `results` null leaves the stored ones
 * settleDone   seq visit
 * settleAgain  seq visit notBefore
 * release      seq visit redelivered
 * promote      (what was delayed until now is due)
 * redeliver    seq visit
 */
export const fieldCounts: readonly number[] = [11, 18, 2, 3, 3, 0, 2];

export const deliveryCode = { enter: 0, again: 1, keep: 2, end: 3 } as const;

/** One batch: one transaction. */
export interface Batch {
  readonly ops: readonly Field[];
  /** Status and how many more deliveries it may get, by turns. */
  readonly grants: readonly Field[];
  /** Milliseconds since 1970, by the injected clock. */
  readonly now: number;
}

export interface Answer {
  /** Of the operations that did not simply succeed: their place in the batch and what happened. */
  readonly exceptions: readonly Exception[];
  /** In the order of claiming: an operation's place in the batch (the front has that order), or a row from the disk. */
  readonly deliveries: readonly (number | Row)[];
  /** When the next delayed delivery is due; null for none. Undefined where it did not change. */
  readonly nextDelayed?: number | null;
  /** The batch was rolled back. */
  readonly fault?: { readonly code: string; readonly message: string };
}

export type Exception =
  | { readonly index: number; readonly is: "stale" }
  | { readonly index: number; readonly is: "repeated" | "conflict"; readonly orderId: string };

export interface WriterData {
  readonly file: string;
  readonly workflow: string;
  readonly fifo: boolean;
}

/** The writer's first message. */
export type Opened =
  | { readonly opened: true; readonly lastSeq: number; readonly nextDelayed: number | null }
  | { readonly opened: false; readonly fault: { readonly code: string; readonly message: string } };
