import type { CauceError } from "../../core/errors.ts";
import type { StoredOrder } from "../../core/order.ts";
import type { Placed } from "../backend.ts";
import type { Claims } from "./claims.ts";
import type { Answer, Exception } from "./protocol.ts";
import { orderOfRow } from "./rows.ts";

/** Who waits for an operation. Records, not closures: there are four for each order. */
export type Waiting =
  | {
      readonly is: "place";
      readonly order: StoredOrder;
      readonly seq: number;
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
  | { readonly is: "other"; readonly resolve: () => void; readonly reject: (error: CauceError) => void };

/** Tells everybody what the writer answered, and hands out what it claimed. */
export function dispatch(
  waiting: readonly Waiting[],
  answer: Answer,
  claims: Claims,
  placedBefore: (exception: Exception) => Promise<Placed>,
): void {
  const { exceptions, deliveries } = answer;
  const byIndex = exceptions.length === 0 ? undefined : new Map(exceptions.map((each) => [each.index, each]));
  for (let index = 0; index < waiting.length; index++) {
    const each = waiting[index] as Waiting;
    const exception = byIndex?.get(index);
    if (each.is === "commit") {
      // Before the deliveries below: a commit consumes one, and the next one of the same order is in this answer.
      if (exception === undefined) claims.committed(each.order, each.keep);
      each.resolve(exception === undefined ? "committed" : "stale");
    } else if (each.is === "place") {
      each.resolve(exception === undefined ? { outcome: "placed", order: each.order } : placedBefore(exception));
    } else each.resolve();
  }
  if (deliveries.length === 0) return;
  for (const each of deliveries) {
    if (typeof each === "number") {
      const { order, seq } = waiting[each] as Extract<Waiting, { seq: number }>;
      claims.add(order, seq, false);
    } else claims.add(orderOfRow(each), each[18], each[19] === 1);
  }
  claims.distribute();
}
