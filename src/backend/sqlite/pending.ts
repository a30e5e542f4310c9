import { writeNumbers } from "../../core/cursor.ts";
import type { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import { storedOrder } from "../newOrder.ts";
import type { NewOrder, Placed, Removal } from "../port.ts";
import { createDecoder, detached } from "./batch/codec.ts";
import { type BatchResult, dropped, fromRows, type Unsuccessful } from "./batch/protocol.ts";
import { decodeRow, orderOfRow } from "./batch/row.ts";
import type { Leases } from "./deliveries.ts";
import { redelivery } from "./schema.ts";

/** Who waits for an operation. Records, not closures: there are four for each order. */
export type PendingOperation =
  | {
      readonly is: "place";
      readonly newOrder: NewOrder;
      /** Known once the writer has given it a key. */
      order?: StoredOrder;
      seq?: number;
      readonly resolve: (placed: Placed | Promise<Placed>) => void;
      readonly reject: (error: CauceError) => void;
    }
  | {
      readonly is: "commit";
      /** As it stands after. */
      readonly order: StoredOrder;
      readonly seq: number;
      /** Its delivery stays in flight. */
      readonly keep: boolean;
      readonly resolve: (committed: "committed" | "stale") => void;
      readonly reject: (error: CauceError) => void;
    }
  | {
      readonly is: "remove";
      readonly resolve: (removal: Removal | "not_final") => void;
      readonly reject: (error: CauceError) => void;
    }
  | { readonly is: "other"; readonly resolve: () => void; readonly reject: (error: CauceError) => void };

/** Tells everybody what the writer answered. */
export function tellAnswer(
  waiting: readonly PendingOperation[],
  { unsuccessful, placed }: BatchResult,
  leases: Leases,
  placedBefore: (unsuccessful: Unsuccessful, newOrder: NewOrder) => Promise<Placed>,
): void {
  const byIndex = unsuccessful.length === 0 ? undefined : new Map(unsuccessful.map((each) => [each.index, each]));
  const keys = createDecoder(placed);
  for (let index = 0; index < waiting.length; index++) {
    const each = waiting[index] as PendingOperation;
    const unsuccessful = byIndex?.get(index);
    if (each.is === "commit") {
      if (unsuccessful === undefined) leases.committed(each.order, each.keep);
      each.resolve(unsuccessful === undefined ? "committed" : "stale");
    } else if (each.is === "other") each.resolve();
    else if (each.is === "remove") each.resolve(removalOf(unsuccessful));
    else if (unsuccessful !== undefined) each.resolve(placedBefore(unsuccessful, each.newOrder));
    else {
      each.seq = keys.number();
      each.order = storedOrder(each.newOrder, detached(keys.text()));
      each.resolve({ outcome: "placed", order: each.order });
    }
  }
}

function removalOf(unsuccessful: Unsuccessful | undefined): Removal | "not_final" {
  if (unsuccessful === undefined) return { removed: 1, nextCursor: null };
  if (unsuccessful.is === "not_final") return "not_final";
  if (unsuccessful.is !== "walked") return { removed: 0, nextCursor: null };
  const { removed, lastSeq } = unsuccessful;
  return { removed, nextCursor: lastSeq === null ? null : writeNumbers("after", lastSeq) };
}

/** Hands out what the writer leased. After `tellAnswer`: a commit consumes the delivery before. */
export function handOut(waiting: readonly PendingOperation[], { deliveries, rows }: BatchResult, leases: Leases): void {
  if (deliveries.length === 0) return;
  const from = createDecoder(rows);
  for (const index of deliveries) {
    if (index === dropped.row) decodeRow(from);
    else if (index === fromRows) {
      const row = decodeRow(from);
      leases.add(orderOfRow(row), row[18], row[19] !== redelivery.no);
    } else if (index !== dropped.operation) {
      const { order, seq } = waiting[index] as { order: StoredOrder; seq: number };
      leases.add(order, seq, false);
    }
  }
  leases.distribute();
}
