/** The operations of a batch that wait for the writer, and what they are told. */
import { writeNumbers } from "../../core/cursor.ts";
import type { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { NewOrder, Placed, Removal } from "../port.ts";
import { createDecoder } from "./batch/codec.ts";
import type { BatchResult, Unsuccessful } from "./batch/protocol.ts";
import { decodeStored, orderOfRow, stored } from "./batch/row.ts";
import type { Leases } from "./deliveries.ts";
import { redelivery } from "./schema.ts";

/** An operation that is sent and not yet answered. A record, not closures: there are four for each order. */
export type PendingOperation = { readonly reject: (error: CauceError) => void } & (
  | {
      readonly is: "place";
      readonly newOrder: NewOrder;
      /** As it stands once it is placed. */
      readonly order: StoredOrder;
      readonly seq: number;
      readonly resolve: (placed: Placed | Promise<Placed>) => void;
    }
  | {
      readonly is: "commit";
      /** As it stands after. */
      readonly order: StoredOrder;
      readonly seq: number;
      /** Its delivery stays leased. */
      readonly isKept: boolean;
      readonly resolve: (committed: "committed" | "stale") => void;
    }
  | { readonly is: "remove"; readonly resolve: (removal: Removal | "not_final") => void }
  | { readonly is: "other"; readonly resolve: () => void }
);

/** Tells every operation of a batch what came of it. */
export function answer(
  operations: readonly PendingOperation[],
  { unsuccessful }: BatchResult,
  leases: Leases,
  placedBefore: (unsuccessful: Unsuccessful, newOrder: NewOrder) => Promise<Placed>,
): void {
  const byIndex = unsuccessful.length === 0 ? undefined : new Map(unsuccessful.map((each) => [each.index, each]));
  for (let index = 0; index < operations.length; index++) {
    const operation = operations[index] as PendingOperation;
    const other = byIndex?.get(index);
    if (operation.is === "commit") {
      if (other === undefined) leases.committed(operation.order, operation.isKept);
      operation.resolve(other === undefined ? "committed" : "stale");
    } else if (operation.is === "place") {
      const { newOrder, order } = operation;
      operation.resolve(other === undefined ? { outcome: "placed", order } : placedBefore(other, newOrder));
    } else if (operation.is === "remove") operation.resolve(removalOf(other));
    else operation.resolve();
  }
}

function removalOf(unsuccessful: Unsuccessful | undefined): Removal | "not_final" {
  if (unsuccessful === undefined) return { removed: 1, nextCursor: null };
  if (unsuccessful.is === "not_final") return "not_final";
  if (unsuccessful.is !== "removed") return { removed: 0, nextCursor: null };
  const { removed, lastSeq } = unsuccessful;
  return { removed, nextCursor: lastSeq === null ? null : writeNumbers("after", lastSeq) };
}

/** Hands out what the writer leased. After `answer`: a commit consumes the delivery before. */
export function handOut(operations: readonly PendingOperation[], { deliveries }: BatchResult, leases: Leases): void {
  const from = createDecoder(deliveries);
  if (from.done()) return;
  while (!from.done()) {
    const index = from.numberOrNull();
    if (index === null) {
      const row = decodeStored(from);
      leases.add(orderOfRow(row), row[stored.at.seq], row[stored.at.redelivered] !== redelivery.no);
    } else {
      // Only a placing and a commit are leased at once.
      const { order, seq } = operations[index] as Extract<PendingOperation, { seq: number }>;
      leases.add(order, seq, false);
    }
  }
  leases.distribute();
}
