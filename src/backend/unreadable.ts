/** What stands for an order whose row or item cannot be read, on every backend. */
import { createHash } from "node:crypto";
import { failureOf } from "../core/change.ts";
import type { Actor, Failure, StatusKind, StoredOrder } from "../core/order.ts";

/** What can be read of an order that cannot be read as a whole; what is missing gets a value that stands for none. */
interface Remains {
  readonly id: string;
  readonly status: string | null | undefined;
  readonly kind: StatusKind | undefined;
  readonly visit: number | null;
  readonly version: number | null;
  readonly attempts: number | null;
  readonly group: string | null | undefined;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  readonly expiresAt: number | null;
  /** The stored failure; null where there is none or it cannot be read. */
  readonly failure: Failure | null;
  /** The store has the order among the failed ones. */
  readonly isFailed: boolean;
  /** What cannot be read, as in `row 7 of "orders"`. */
  readonly where: string;
  /** The names of the columns or attributes that cannot be read. */
  readonly faults: readonly string[];
  /** What is stored of the order, by names in a fixed order. A failure's mark and the order's place in a queue stay out. */
  readonly bytes: readonly (readonly [name: string, bytes: Uint8Array])[];
}

/** Stands for a status that cannot be read. No status has this name. */
export const unreadableStatus = "?";

/** Makes the order that a store gives in the place of one that it cannot read. */
export function unreadableOrder(remains: Remains): StoredOrder {
  const { id, status, kind, visit, version, attempts, group, createdAt, expiresAt, isFailed } = remains;
  const updatedAt = remains.updatedAt ?? createdAt ?? 0;
  const unreadable = describe(remains);
  return {
    id,
    status: status ?? unreadableStatus,
    kind: kind ?? "handled",
    visit: visit ?? 0,
    version: version ?? 0,
    attempts: attempts ?? 0,
    attempting: false,
    dataJson: "null",
    resultsJson: "{}",
    group: group ?? null,
    createdAt: createdAt ?? updatedAt,
    updatedAt,
    notBefore: null,
    expiresAt,
    failure: isFailed ? (remains.failure ?? failureOf("order_unreadable", unreadable, updatedAt)) : null,
    entry: { at: updatedAt, reason: null, error: null, by: unknownActor },
    past: [],
    pastOmitted: 0,
    extrasJson: null,
    unreadable,
  };
}

const unknownActor: Actor = { runtime: "node", name: "?", requestId: null, messageId: null };

function describe({ where, faults, bytes }: Remains): string {
  const sum = createHash("sha256");
  for (const [name, each] of bytes) sum.update(`${name} ${each.byteLength}\n`).update(each);
  const what = `${where} cannot be read: ${faults.join(", ")}; the SHA-256 of its bytes is ${sum.digest("hex")}`;
  return `${what}; repair it in the store and retry the order, or remove the order`;
}

const largest = 8.64e15;

/** Whether a stored value is a number that a date can hold. No number of an order is larger. */
export function isSoundNumber(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= largest;
}

/** Whether what was stored as JSON is a failure. */
export function isFailure(value: unknown): value is Failure {
  const { code, message, fingerprint, at } = Object(value) as Partial<Record<keyof Failure, unknown>>;
  return [code, message, fingerprint].every((each) => typeof each === "string") && isSoundNumber(at);
}
