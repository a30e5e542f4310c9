/** What the front (in the caller's thread) and the writer (in a thread of its own) say to each other. */
import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { NewOrder } from "../backend.ts";
import type { Decoder, Encoder, Packed } from "./codec.ts";
import type { EntryWriter, Row } from "./rows.ts";
import { kindNumber } from "./schema.ts";

/** Each operation's code, which comes before its fields. */
export const op = { place: 0, commit: 1, settleDone: 2, settleAgain: 3, release: 4, promote: 5, redeliver: 6 } as const;

export const deliveryCode = { enter: 0, again: 1, keep: 2, end: 3 } as const;

/** One batch: one transaction. */
export interface Batch {
  readonly ops: Packed;
  /** Status and how many more deliveries it may get, by turns. */
  readonly grants: readonly (string | number)[];
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

export interface PlaceOp {
  readonly seq: number;
  readonly id: string;
  readonly status: string;
  readonly kind: number;
  readonly data: string;
  readonly group: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly entry: string;
  readonly keyHash: string | null;
  readonly contentHash: string;
}

export function encodePlace(
  to: Encoder,
  json: EntryWriter,
  seq: number,
  stored: StoredOrder,
  key: NewOrder["key"],
): void {
  to.number(op.place);
  to.number(seq);
  to.text(stored.id);
  to.text(stored.status);
  to.number(kindNumber[stored.kind]);
  to.text(stored.dataJson);
  to.text(stored.group);
  to.number(stored.createdAt);
  to.number(stored.expiresAt);
  to.text(json.entry(stored.entry));
  to.text(key?.keyHash ?? null);
  to.text(key?.contentHash ?? "");
}

export function decodePlace(from: Decoder): PlaceOp {
  return {
    seq: from.number(),
    id: from.text(),
    status: from.text(),
    kind: from.number(),
    data: from.text(),
    group: from.textOrNull(),
    createdAt: from.number(),
    expiresAt: from.numberOrNull(),
    entry: from.text(),
    keyHash: from.textOrNull(),
    contentHash: from.text(),
  };
}

export interface CommitOp {
  readonly seq: number;
  /** To be compared with the stored one; empty where the front knows that `seq` is this order's. */
  readonly id: string;
  readonly version: number;
  readonly status: string;
  readonly kind: number;
  readonly visit: number;
  readonly attempts: number;
  readonly attempting: number;
  readonly notBefore: number | null;
  readonly expiresAt: number | null;
  readonly fingerprint: string | null;
  readonly failure: string | null;
  readonly updatedAt: number;
  readonly entry: string;
  /** The visit that ended, to append to the stored past, its comma included; empty for none. */
  readonly ended: string;
  /** The whole of the past instead, once visits have been left out of it. */
  readonly past: string | null;
  readonly pastOmitted: number;
  /** Null leaves the stored ones. */
  readonly results: string | null;
  readonly delivery: number;
}

export function encodeCommit(
  to: Encoder,
  json: EntryWriter,
  seq: number,
  id: string,
  { before, after, ended, delivery }: Change,
): void {
  const cut = after.pastOmitted > before.pastOmitted;
  to.number(op.commit);
  to.number(seq);
  to.text(id);
  to.number(before.version);
  to.text(after.status);
  to.number(kindNumber[after.kind]);
  to.number(after.visit);
  to.number(after.attempts);
  to.number(after.attempting ? 1 : 0);
  to.number(after.notBefore);
  to.number(after.expiresAt);
  to.text(after.failure?.fingerprint ?? null);
  to.text(after.failure === null ? null : JSON.stringify(after.failure));
  to.number(after.updatedAt);
  to.text(json.entry(after.entry));
  to.text(ended === null || cut ? "" : (before.past.length > 0 ? "," : "") + json.visit(ended));
  to.text(cut ? JSON.stringify(after.past).slice(1, -1) : null);
  to.number(after.pastOmitted);
  to.text(after.resultsJson === before.resultsJson ? null : after.resultsJson);
  to.number(deliveryCode[delivery]);
}

export function decodeCommit(from: Decoder): CommitOp {
  return {
    seq: from.number(),
    id: from.text(),
    version: from.number(),
    status: from.text(),
    kind: from.number(),
    visit: from.number(),
    attempts: from.number(),
    attempting: from.number(),
    notBefore: from.numberOrNull(),
    expiresAt: from.numberOrNull(),
    fingerprint: from.textOrNull(),
    failure: from.textOrNull(),
    updatedAt: from.number(),
    entry: from.text(),
    ended: from.text(),
    past: from.textOrNull(),
    pastOmitted: from.number(),
    results: from.textOrNull(),
    delivery: from.number(),
  };
}
