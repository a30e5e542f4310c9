/** What the front (in the caller's thread) and the writer (in a thread of its own) say to each other. */
import type { MessagePort } from "node:worker_threads";
import type { Change } from "../../../core/decide.ts";
import { placedEntry } from "../../newOrder.ts";
import type { NewOrder } from "../../port.ts";
import { kindNumber } from "../schema.ts";
import type { Decoder, Encoder, Packed } from "./codec.ts";
import type { EntryWriter } from "./row.ts";

/** Each operation's code, which comes before its fields. */
export const op = {
  place: 0,
  commit: 1,
  settleDone: 2,
  settleAgain: 3,
  release: 4,
  promote: 5,
  redeliver: 6,
  pause: 7,
  resume: 8,
  remove: 9,
  removeFinal: 10,
  probe: 11,
  /**
   * A placing with extras, and a commit that changes them: as `place` and `commit`, with the extras behind. They have
   * codes of their own so that what nearly every order sends and runs is the same as without extras.
   */
  placeWithExtras: 12,
  commitWithExtras: 13,
} as const;

/** What `release` says of a delivery: its lease ended, or nobody had begun it and it goes back as it was. */
export const released = { asItWas: -1, leaseEnded: 1 } as const;

export const deliveryCode = { enter: 0, again: 1, keep: 2, end: 3 } as const;

/** One batch: one transaction. */
export interface Batch {
  readonly ops: Packed;
  /** Status and how many more deliveries it may get, by turns. */
  readonly grants: readonly (string | number)[];
  /** Milliseconds since 1970, by the injected clock. */
  readonly now: number;
}

/** What the front may say to the writer. */
export type Request = Batch | "close";

/** What came of a batch, and what goes out with it. */
export interface BatchResult {
  /** Of the operations that did not simply succeed: their place in the batch and what happened. */
  readonly unsuccessful: readonly Unsuccessful[];
  /** The key and id of each new order, in the order of the batch. */
  readonly placed: Packed;
  /** In the order of leasing: an operation's place in the batch (whose order the front has), or `fromRows`. */
  readonly deliveries: readonly number[];
  /** The orders of those that are `fromRows`. */
  readonly rows: Packed;
  /** When the writer should be woken next; null for never. Undefined where it did not change. */
  readonly nextDelayed?: number | null | undefined;
  /** How long the transaction took. */
  readonly milliseconds: number;
  /** The batch was rolled back. */
  readonly fault?: { readonly code: string; readonly message: string };
}

export const fromRows = -1;
/** A delivery that ended in the batch in which it began: its row is there and goes to nobody. */
export const dropped = { row: -2, operation: -3 } as const;

export type Unsuccessful =
  | { readonly index: number; readonly is: "stale" | "not_found" | "not_final" }
  | { readonly index: number; readonly is: "repeated" | "conflict"; readonly orderId: string }
  /** What a walk over old orders came to; `lastSeq` is the last one that it looked at, null when there are no more. */
  | { readonly index: number; readonly is: "walked"; readonly removed: number; readonly lastSeq: number | null };

export interface WriterData {
  readonly file: string;
  readonly workflow: string;
  readonly fifo: boolean;
  /** Batches come in here, and answers go out. */
  readonly port: MessagePort;
  /** One number: how many batches have been answered, for whoever waits for it. */
  readonly answered: Int32Array;
}

/** The writer's first message. */
export type Opened =
  | { readonly opened: true; readonly nextDelayed: number | null }
  | { readonly opened: false; readonly fault: { readonly code: string; readonly message: string } };

export interface PlaceOp {
  readonly status: string;
  readonly kind: number;
  readonly data: string;
  readonly group: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly entry: string;
  readonly keyHash: string | null;
  readonly contentHash: string;
  readonly extras: string | null;
}

export function encodePlace(to: Encoder, json: EntryWriter, order: NewOrder): void {
  const { key, extrasJson } = order;
  to.number(extrasJson === null ? op.place : op.placeWithExtras);
  to.text(order.status);
  to.number(kindNumber[order.kind]);
  to.text(order.dataJson);
  to.text(order.group);
  to.number(order.createdAt);
  to.number(order.expiresAt);
  to.text(json.entry(placedEntry(order)));
  to.text(key?.keyHash ?? null);
  to.text(key?.contentHash ?? "");
  if (extrasJson !== null) to.text(extrasJson);
}

export function decodePlace(from: Decoder, withExtras: boolean): PlaceOp {
  return {
    status: from.text(),
    kind: from.number(),
    data: from.text(),
    group: from.textOrNull(),
    createdAt: from.number(),
    expiresAt: from.numberOrNull(),
    entry: from.text(),
    keyHash: from.textOrNull(),
    contentHash: from.text(),
    extras: withExtras ? from.text() : null,
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
  /** Undefined leaves the stored ones. */
  readonly extras: string | null | undefined;
}

export function encodeCommit(
  to: Encoder,
  json: EntryWriter,
  seq: number,
  id: string,
  { before, after, ended, delivery }: Change,
): void {
  const cut = after.pastOmitted > before.pastOmitted;
  const sameExtras = after.extrasJson === before.extrasJson;
  to.number(sameExtras ? op.commit : op.commitWithExtras);
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
  to.text(cut ? after.past.map(json.visit).join(",") : null);
  to.number(after.pastOmitted);
  to.text(after.resultsJson === before.resultsJson ? null : after.resultsJson);
  to.number(deliveryCode[delivery]);
  if (!sameExtras) to.text(after.extrasJson);
}

export function decodeCommit(from: Decoder, withExtras: boolean): CommitOp {
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
    extras: withExtras ? from.textOrNull() : undefined,
  };
}

/** A transition that leaves nothing behind but the new status. */
export function isPlain(o: CommitOp): boolean {
  return (
    (o.delivery === deliveryCode.enter || o.delivery === deliveryCode.end) &&
    o.attempts === 0 &&
    o.attempting === 0 &&
    o.notBefore === null &&
    o.expiresAt === null &&
    o.failure === null &&
    o.past === null &&
    o.pastOmitted === 0
  );
}

/** The message in a commit's `failure`. */
export function messageOf(failureJson: string | null): string {
  return (JSON.parse(failureJson ?? "{}") as { message?: string }).message ?? "";
}
