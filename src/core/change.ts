import type { Random } from "./clock.ts";
import type { ErrorCode, Fault } from "./errors.ts";
import { cutError, fingerprintOf } from "./fingerprint.ts";
import { type Actor, appendPast, type Failure, type StoredOrder, type Visit } from "./order.ts";
import { type AnyWorkflow, kindOf, type StatusDefinition, statusOf } from "./workflow.ts";

/** One committed change of an order: the only thing that a backend ever writes after placing. */
export interface Change {
  /** The order as it stood. Its `version` is the fence: the change commits only if the order still has it. */
  readonly before: StoredOrder;
  /** The order as it stands after, with `version` one higher. */
  readonly after: StoredOrder;
  /** The visit that ended, when the status changed; already in `after.past`. */
  readonly ended: Visit | null;
  /**
   * What becomes of its delivery, in the same commit: `enter` joins the end of the queue of `after.status`; `again`
   * keeps its place and comes back at `after.notBefore`; `keep` leaves it in flight; `end` takes it off the queue.
   */
  readonly delivery: "enter" | "again" | "keep" | "end";
}

export type Decision =
  | {
      readonly change: Change;
      /** The code of the failure with which the order went to `exhausted`: nothing of the order has it, so the log does. */
      readonly exhaustedBy?: string;
    }
  | { readonly refused: ErrorCode; readonly message: string; readonly faults?: readonly Fault[] };

export interface DecideContext {
  readonly workflow: AnyWorkflow;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: Random;
  readonly by: Actor;
  /** The largest merged results that the backend holds, in bytes of JSON. Default: no limit. */
  readonly resultsBytesMax?: number;
}

interface TransitionParts {
  /** The attempts that the visit which ends has used. */
  readonly attempts: number;
  /** The error of its last attempt, where that one failed. */
  readonly error?: string;
  readonly resultsJson?: string;
  readonly reason?: string | null;
  readonly key?: string | undefined;
  /** An operator's word is not bounded by `visitsMax`. */
  readonly unlimited?: boolean;
}

/** Moves an order to its next status: the new visit, the history and the next delivery are one change. */
export function transition(order: StoredOrder, to: string, context: DecideContext, parts: TransitionParts): Decision {
  const { workflow, now, by } = context;
  const { attempts, error = order.entry.error, reason = null, key } = parts;
  const target = statusOf(workflow, to) as StatusDefinition;
  const kind = kindOf(target);
  if (kind !== "final" && !parts.unlimited && order.visit + 1 > workflow.visitsMax) {
    const message = `the order has parts ${order.visit} transitions and visitsMax is ${workflow.visitsMax}; look for a loop through "${to}"`;
    return markFailed(order, "visits_exceeded", message, context, withError({ ...order, attempts }, error ?? message));
  }
  const ended: Visit = { ...order.entry, error, status: order.status, visit: order.visit, attempts };
  const { past, pastOmitted } = appendPast(order, ended);
  const after: StoredOrder = {
    ...order,
    status: to,
    kind,
    visit: order.visit + 1,
    version: order.version + 1,
    attempts: 0,
    attempting: false,
    resultsJson: parts.resultsJson ?? order.resultsJson,
    updatedAt: now,
    notBefore: null,
    expiresAt: expiryOf(target, now),
    failure: null,
    entry: key === undefined ? { at: now, reason, error: null, by } : { at: now, reason, error: null, by, key },
    past,
    pastOmitted,
  };
  return { change: { before: order, after, ended, delivery: kind === "handled" ? "enter" : "end" } };
}

/** Marks an order failed where it stands. */
export function markFailed(
  before: StoredOrder,
  code: string,
  message: string,
  context: DecideContext,
  used: StoredOrder = withError(before, message),
): Decision {
  const failure: Failure = { code, message: cutError(message), fingerprint: fingerprintOf(message), at: context.now };
  return changed(before, { ...used, attempting: false, notBefore: null, expiresAt: null, failure }, "end", context);
}

/** A change within the visit. */
export function changed(
  before: StoredOrder,
  order: StoredOrder,
  delivery: Change["delivery"],
  { now }: DecideContext,
): Decision {
  const after = { ...order, version: before.version + 1, updatedAt: now };
  return { change: { before, after, ended: null, delivery } };
}

export function withError(order: StoredOrder, message: string): StoredOrder {
  return { ...order, entry: { ...order.entry, error: cutError(message) } };
}

export function expiryOf(status: StatusDefinition, now: number): number | null {
  return status.waits && status.expires ? now + Math.ceil(status.expires.afterSeconds * 1_000) : null;
}
