import {
  type Change,
  changed,
  type DecideContext,
  type Decision,
  describeFaults,
  expiryOf,
  failureOf,
  markFailed,
  mergeResults,
  transition,
  withError,
} from "./change.ts";
import { type ErrorCode, retryDelaySeconds } from "./errors.ts";
import { cutError } from "./fingerprint.ts";
import { attemptNumber, type StoredOrder } from "./order.ts";
import { kindOf, retryOf, type StatusDefinition, statusOf } from "./workflow.ts";

export type { Change, DecideContext, Decision };

/** What happened to an order. */
export type Outcome =
  /** Its handler returned the next status. */
  | { readonly kind: "moved"; readonly to: string; readonly results?: object | undefined }
  /** Its handler threw, or ran out of time. */
  | {
      readonly kind: "failed";
      readonly code: string;
      readonly message: string;
      /** No further attempt can help. */
      readonly permanent?: boolean;
      /** The delay that a `RetryError` asks for. Default: the retry policy decides. */
      readonly delaySeconds?: number;
      /** The error's stack. Only the log has it; no change does. */
      readonly stack?: string | undefined;
    }
  /** It was delivered again, and the attempt before has no outcome: that attempt's worker died. */
  | {
      readonly kind: "redelivered";
      /** The attempt before may never have begun. It counts only where the order has recorded its beginning. */
      readonly unattended?: boolean | undefined;
    }
  /** The API asked to move it. */
  | {
      readonly kind: "requested";
      readonly to: string;
      readonly reason?: string | null;
      readonly results?: object | undefined;
      readonly key?: string;
    }
  /** It waited as long as `expires` allows. */
  | { readonly kind: "expired" }
  /** An operator wants a failed order started again. */
  | { readonly kind: "retried" }
  /** Its status is not in the workflow. */
  | { readonly kind: "unknown" }
  /** The store found that it cannot read the order. */
  | { readonly kind: "unreadable" };

/** Decides what an outcome changes in an order. Pure: the same arguments give the same decision. */
export function decide(order: StoredOrder, outcome: Outcome, context: DecideContext): Decision {
  if (order.unreadable !== undefined) return unreadable(order, order.unreadable, outcome, context);
  const status = statusOf(context.workflow, order.status);
  switch (outcome.kind) {
    case "moved":
      return moved(order, status, outcome, context);
    case "failed":
      return attemptFailed(order, status, outcome, context);
    case "redelivered":
      return redelivered(order, status, outcome, context);
    case "requested":
      return requested(order, status, outcome, context);
    case "expired":
      return expired(order, status, context);
    case "retried":
      return retried(order, status, context);
    case "unknown":
      return unknown(order, context);
    case "unreadable":
      return { refused: "stale", message: "the order can be read" };
  }
}

/**
 * Marks an order failed that the store cannot read, whatever happened to it: of such an order nothing else is written. A
 * final order needs no mark, since nothing waits for it.
 */
function unreadable(order: StoredOrder, message: string, { kind }: Outcome, context: DecideContext): Decision {
  if (kind === "requested" || kind === "retried") return { refused: "order_unreadable", message };
  if (order.failure !== null || order.kind === "final")
    return { refused: "stale", message: "the order is marked already" };
  const failure = failureOf("order_unreadable", message, context.now);
  return { change: { before: order, after: { ...order, failure }, ended: null, delivery: "end" } };
}

function moved(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  outcome: Extract<Outcome, { kind: "moved" }>,
  context: DecideContext,
): Decision {
  const permanent = (code: ErrorCode, message: string) =>
    attemptFailed(order, status, { kind: "failed", code, message, permanent: true }, context);
  if (!status?.to?.includes(outcome.to)) {
    const allowed = status?.to?.join(", ") ?? "none";
    const message = `the handler of "${order.status}" returned "${outcome.to}"; it may return ${allowed}`;
    return permanent("invalid_transition", message);
  }
  const merged = mergeResults(order, outcome.results, context);
  if ("faults" in merged) return permanent("invalid_results", describeFaults(order.status, merged.faults));
  return transition(order, outcome.to, context, { attempts: attemptNumber(order), resultsJson: merged.resultsJson });
}

function attemptFailed(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  outcome: Extract<Outcome, { kind: "failed" }>,
  context: DecideContext,
): Decision {
  if (!isLive(order)) return notAttempted(order);
  if (status === undefined) return unknown(order, context);
  const used = withError(usedAttempts(order), outcome.message);
  const policy = retryOf(status);
  if (outcome.permanent || used.attempts >= policy.attempts) return giveUp(order, used, status, outcome, context);
  const delaySeconds = outcome.delaySeconds ?? retryDelaySeconds(policy, used.attempts, context.random);
  const notBefore = context.now + Math.ceil(delaySeconds * 1_000);
  return changed(order, { ...used, attempting: false, notBefore }, "again", context);
}

/**
 * The attempt before this delivery has no outcome: its worker died, and the attempt counts. The attempt that starts now
 * is recorded before its handler runs. So the order of a handler that kills its process fails in the end, and does not
 * loop.
 */
function redelivered(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  { unattended }: Extract<Outcome, { kind: "redelivered" }>,
  context: DecideContext,
): Decision {
  if (!isLive(order)) return notAttempted(order);
  if (status === undefined) return unknown(order, context);
  if (unattended && !order.attempting) {
    return changed(order, { ...order, attempts: order.attempts + 1, attempting: true }, "keep", context);
  }
  const lost = usedAttempts(order);
  const policy = retryOf(status);
  const message = "the process that ran the handler ended before the handler did";
  if (lost.attempts >= policy.attempts) {
    return giveUp(order, withError(lost, message), status, { code: "worker_lost", message }, context);
  }
  const begun = { ...withError(lost, message), attempts: lost.attempts + 1, attempting: true };
  return changed(order, begun, "keep", context);
}

function requested(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  outcome: Extract<Outcome, { kind: "requested" }>,
  context: DecideContext,
): Decision {
  const refuse = (message: string): Decision => ({ refused: "transition_not_allowed", message });
  const { to } = outcome;
  const target = statusOf(context.workflow, to);
  if (target === undefined) return refuse(`"${to}" is no status of this workflow`);
  if (target.retired) return refuse(`"${to}" is retired and lets nothing enter`);
  if (order.failure === null) {
    // A final order stays final, also where its status is no longer final: no handler and no expiry would reach it.
    if (order.kind === "final" || status?.final) {
      return refuse(`the order is in "${order.status}", which ${status?.final ? "is" : "was"} final`);
    }
    if (status !== undefined && kindOf(status) === "handled") {
      return { refused: "being_handled", message: `the order is in "${order.status}", whose handler will move it` };
    }
  }
  if (status !== undefined) {
    const allowed = [...(status.to ?? []), ...(status.exhausted ? [status.exhausted] : [])];
    const list = allowed.join(", ") || "nothing";
    if (!allowed.includes(to)) return refuse(`from "${order.status}" an order may move to ${list}, not to "${to}"`);
  }
  const merged = mergeResults(order, outcome.results, context);
  if ("faults" in merged) {
    return { refused: "invalid_results", message: describeFaults(order.status, merged.faults), faults: merged.faults };
  }
  return transition(order, to, context, {
    attempts: order.attempts,
    resultsJson: merged.resultsJson,
    reason: outcome.reason ?? null,
    key: outcome.key,
    unlimited: true,
  });
}

function expired(order: StoredOrder, status: StatusDefinition | undefined, context: DecideContext): Decision {
  if (status === undefined) return unknown(order, context);
  if (order.kind !== "waiting" || order.failure !== null || order.expiresAt === null || order.expiresAt > context.now) {
    return { refused: "stale", message: "the order does not wait any longer" };
  }
  if (!status.waits || status.expires === undefined) {
    // The definition no longer lets the order expire, so it waits on.
    return changed(order, { ...order, expiresAt: null }, "end", context);
  }
  const reason = `expired after ${status.expires.afterSeconds} s`;
  return transition(order, status.expires.to, context, { attempts: order.attempts, reason });
}

function retried(order: StoredOrder, status: StatusDefinition | undefined, context: DecideContext): Decision {
  const where = `the order is in "${order.status}"`;
  if (order.failure === null) return { refused: "not_failed", message: `${where} and has not failed` };
  if (status === undefined) {
    const message = `${where}, which the workflow does not know; move it to another status instead`;
    return { refused: "transition_not_allowed", message };
  }
  const kind = kindOf(status);
  const fresh = { failure: null, attempts: 0, attempting: false, notBefore: null };
  const after = { ...order, ...fresh, kind, expiresAt: expiryOf(status, context.now) };
  return changed(order, after, kind === "handled" ? "enter" : "end", context);
}

function unknown(order: StoredOrder, context: DecideContext): Decision {
  const message = `status "${order.status}" is not in the workflow "${context.workflow.name}"; move the order to a status that is`;
  return markFailed(order, "unknown_status", message, context);
}

/** Moves an order whose attempts are used up to `exhausted`, or marks it failed in its status. */
function giveUp(
  order: StoredOrder,
  used: StoredOrder,
  status: StatusDefinition,
  { code, message }: { readonly code: string; readonly message: string },
  context: DecideContext,
): Decision {
  if (status.exhausted === undefined) return markFailed(order, code, message, context, used);
  const error = cutError(message);
  const parts = { attempts: used.attempts, error, reason: `exhausted: ${error}` };
  const decision = transition(order, status.exhausted, context, parts);
  return "change" in decision && decision.change.after.failure === null ? { ...decision, exhaustedBy: code } : decision;
}

/** Whether a handler can have the order. An outcome for any other order comes from a delivery of the past. */
export function isLive(order: StoredOrder): boolean {
  return order.kind === "handled" && order.failure === null;
}

function notAttempted(order: StoredOrder): Decision {
  return { refused: "stale", message: `the order is in "${order.status}" and no handler has it` };
}

/** Counts the attempt that just ended, unless it was counted when it began. */
function usedAttempts(order: StoredOrder): StoredOrder {
  return { ...order, attempts: attemptNumber(order), attempting: false };
}
