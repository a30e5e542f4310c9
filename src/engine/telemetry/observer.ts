import type { Change } from "../../core/decide.ts";
import type { StoredOrder } from "../../core/order.ts";

/** How an attempt ended: the order moved, is retried later, or its attempts are used up. */
export type AttemptOutcome = "moved" | "retried" | "failed";

/** An observer that does nothing. */
export const noObserver: Observer = { placed() {}, changed() {}, removed() {} };

export interface EndedAttempt {
  readonly outcome: AttemptOutcome;
  /** How long the handler took. */
  readonly milliseconds: number;
}

/**
 * Told of what was committed, right after it. Every order passes here, so an observer must be cheap and never throw.
 */
export interface Observer {
  /** A new order was stored. */
  placed(order: StoredOrder): void;
  /** A change was committed. `attempt`: the handler's run that led to the change; undefined for any other change. */
  changed(change: Change, attempt: EndedAttempt | undefined): void;
  /** `count` orders were removed. */
  removed(count: number): void;
}
