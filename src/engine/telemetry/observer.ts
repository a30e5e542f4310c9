import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";

/** How an attempt ended: the order went on, will be tried again, or its attempts are used up. */
export type AttemptOutcome = "moved" | "retried" | "failed";

/** For whoever does not look on. */
export const noObserver: Observer = { placed() {}, changed() {}, removed() {} };

export interface EndedAttempt {
  readonly outcome: AttemptOutcome;
  /** How long the handler took. */
  readonly milliseconds: number;
}

/** Told of what is committed, and of nothing before that. On the way of every order, so it must be cheap and never throw. */
export interface Observer {
  /** A new order was stored. */
  placed(order: StoredOrder): void;
  /** A change was committed; `attempt` is the handler's run that it came of, if one. */
  changed(change: Change, attempt: EndedAttempt | undefined): void;
  /** So many orders were erased. */
  removed(count: number): void;
}

/** What an attempt's change says of its outcome. */
export function outcomeOf({ after, delivery }: Change, moved: boolean): AttemptOutcome {
  if (delivery === "again" || delivery === "keep") return "retried";
  return moved && after.failure === null ? "moved" : "failed";
}
