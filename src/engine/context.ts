import type { Backend } from "../backend/port.ts";
import type { Clock, Random } from "../core/clock.ts";
import { type Change, type DecideContext, decide, type Outcome } from "../core/decide.ts";
import type { Log } from "../core/handlers.ts";
import type { Actor, StoredOrder } from "../core/order.ts";
import { textOf } from "../core/reasons.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import type { AppCode } from "./appCode.ts";
import type { Intake } from "./intake.ts";

/** What the parts of one workflow's engine share. */
export interface EngineContext {
  readonly workflow: AnyWorkflow;
  /** The health-checked backend: each of its writes shows whether the store takes writes. */
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Names this engine in the history of orders. Every change without ids shares this one object, so that a backend may
   * cache what it makes of the object.
   */
  readonly actor: Actor;
  /** Told of every order that is stored, every change that is committed and every order that is removed. */
  readonly observer: Observer;
  readonly appCode: AppCode;
  /** How long a handler's outcome waits for a store that takes no writes, in seconds. Then the delivery comes back. */
  readonly commitRetrySeconds: number;
  /** The gate that placings pass, for all workflows of this process. */
  readonly intake: Intake;
}

/** What a decision depends on besides the order and the outcome. */
export function decideContext({ workflow, backend, clock, random }: EngineContext, by: Actor): DecideContext {
  return { workflow, now: clock.now(), random, by, resultsBytesMax: backend.limits.dataBytesMax };
}

/** Commits a change that no attempt made. */
export async function commitChange({ backend, observer, log }: EngineContext, change: Change) {
  const committed = await backend.commit(change);
  if (committed === "committed") {
    observer.changed(change, undefined);
    const { id, status, failure, unreadable } = change.after;
    if (unreadable !== undefined) {
      log.error({ orderId: id, status, code: failure?.code, error: unreadable }, "order failed");
    }
  }
  return committed;
}

/** Decides and commits what an outcome changes. Does nothing where `decide` refuses, or another change was first. */
export async function applyOutcome(context: EngineContext, order: StoredOrder, outcome: Outcome): Promise<void> {
  const decision = decide(order, outcome, decideContext(context, context.actor));
  if ("change" in decision) await commitChange(context, decision.change);
}

/**
 * Marks those of the orders failed that a read found unreadable. The read goes on where the store refuses that, and
 * the next read tries again.
 */
export async function markUnreadable(context: EngineContext, orders: readonly StoredOrder[]): Promise<void> {
  for (const order of orders) {
    if (order.unreadable === undefined) continue;
    try {
      await applyOutcome(context, order, { kind: "unreadable" });
    } catch (error) {
      const fields = { orderId: order.id, error: textOf(error) };
      context.log.warn(fields, "unreadable order not marked failed; the next read tries again");
    }
  }
}

/** What an observer and the log learn of an attempt, beside its change. */
export interface EndedAttempt {
  /** How the attempt ended: the order moved, is retried later, or its attempts are used up. */
  readonly outcome: "moved" | "retried" | "failed";
  /** How long the handler took. */
  readonly milliseconds: number;
  /** The code of the failure with which the order went to `exhausted`. No order keeps it. */
  readonly exhaustedBy?: string | undefined;
  /** Where the handler threw. No order keeps it. */
  readonly stack?: string | undefined;
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
  /** A handler of the status left a rejection unhandled. */
  rejected(status: string): void;
  /** The event loop was blocked for a second or more while handlers of the status ran. */
  blocked(status: string): void;
}

export const noObserver: Observer = { placed() {}, changed() {}, removed() {}, rejected() {}, blocked() {} };

/** Adds `onExpiry` to an observer: it gets the time at which a placed or changed order expires. */
export function withExpiries(observer: Observer, onExpiry: (expiresAt: number) => void): Observer {
  return {
    ...observer,
    placed(order) {
      observer.placed(order);
      if (order.expiresAt !== null) onExpiry(order.expiresAt);
    },
    changed(change, attempt) {
      observer.changed(change, attempt);
      if (change.after.expiresAt !== null) onExpiry(change.after.expiresAt);
    },
  };
}
