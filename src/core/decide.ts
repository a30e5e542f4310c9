import type { Random } from "./clock.ts";
import type { ErrorCode, Fault } from "./errors.ts";
import { cutError, fingerprintOf } from "./fingerprint.ts";
import { type Actor, appendPast, type Failure, type StoredOrder, type Visit } from "./order.ts";
import { retryDelaySeconds } from "./retry.ts";
import { type AnyWorkflow, faultsOf, kindOf, retryOf, type StatusDefinition, statusOf } from "./workflow.ts";

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
      /** Asked for by a `RetryError`; else the policy decides. */
      readonly delaySeconds?: number;
    }
  /** It was delivered again without an outcome of the attempt before: that attempt's worker died. */
  | { readonly kind: "redelivered" }
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
  /** It stands in a status that the workflow does not know. */
  | { readonly kind: "unknown" };

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
  | { readonly change: Change }
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

/** What an outcome changes in an order. Pure: the same arguments give the same change. */
export function decide(order: StoredOrder, outcome: Outcome, context: DecideContext): Decision {
  const status = statusOf(context.workflow, order.status);
  switch (outcome.kind) {
    case "moved":
      return moved(order, status, outcome, context);
    case "failed":
      return attemptFailed(order, status, outcome, context);
    case "redelivered":
      return redelivered(order, status, context);
    case "requested":
      return requested(order, status, outcome, context);
    case "expired":
      return expired(order, status, context);
    case "retried":
      return retried(order, status, context);
    case "unknown":
      return markFailed(
        order,
        "unknown_status",
        `status "${order.status}" is not in the workflow "${context.workflow.name}"; move the order to a status that is`,
        context,
      );
  }
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
    return permanent(
      "invalid_transition",
      `the handler of "${order.status}" returned "${outcome.to}"; it may return ${allowed}`,
    );
  }
  const merged = mergeResults(order, outcome.results, context);
  if ("faults" in merged) return permanent("invalid_results", describeFaults(order.status, merged.faults));
  return enter(order, outcome.to, context, { attempts: attemptsUsed(order), resultsJson: merged.resultsJson });
}

function attemptFailed(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  outcome: Extract<Outcome, { kind: "failed" }>,
  context: DecideContext,
): Decision {
  if (status === undefined) return decide(order, { kind: "unknown" }, context);
  const used = withError(usedAttempts(order), outcome.message);
  const policy = retryOf(status.final || status.waits ? { to: [] } : status);
  if (outcome.permanent || used.attempts >= policy.attempts) return giveUp(order, used, status, outcome, context);
  const delaySeconds = outcome.delaySeconds ?? retryDelaySeconds(policy, used.attempts, context.random);
  return changed(
    order,
    { ...used, attempting: false, notBefore: context.now + Math.ceil(delaySeconds * 1_000) },
    null,
    "again",
    context,
  );
}

/**
 * The attempt before this delivery has no outcome, so its worker died, and it counts. The one that starts now is
 * recorded before its handler runs: a handler that kills its process ends as failed, not in a loop.
 */
function redelivered(order: StoredOrder, status: StatusDefinition | undefined, context: DecideContext): Decision {
  if (status === undefined) return decide(order, { kind: "unknown" }, context);
  const lost = usedAttempts(order);
  const policy = retryOf(status.final || status.waits ? { to: [] } : status);
  const message = "the process that ran the handler ended before the handler did";
  if (lost.attempts >= policy.attempts) {
    return giveUp(order, withError(lost, message), status, { code: "worker_lost", message }, context);
  }
  return changed(
    order,
    { ...withError(lost, message), attempts: lost.attempts + 1, attempting: true },
    null,
    "keep",
    context,
  );
}

function requested(
  order: StoredOrder,
  status: StatusDefinition | undefined,
  outcome: Extract<Outcome, { kind: "requested" }>,
  context: DecideContext,
): Decision {
  const target = statusOf(context.workflow, outcome.to);
  if (target === undefined || target.retired) {
    const why = target === undefined ? "is no status of this workflow" : "is retired and lets nothing enter";
    return { refused: "transition_not_allowed", message: `"${outcome.to}" ${why}` };
  }
  if (order.failure === null) {
    if (status === undefined || kindOf(status) === "handled") {
      return { refused: "being_handled", message: `the order is in "${order.status}", whose handler will move it` };
    }
    if (status.final)
      return { refused: "transition_not_allowed", message: `the order is in "${order.status}", which is final` };
  }
  const allowed =
    status === undefined ? undefined : [...(status.to ?? []), ...(status.exhausted ? [status.exhausted] : [])];
  if (allowed && !allowed.includes(outcome.to)) {
    const list = allowed.length > 0 ? allowed.join(", ") : "nothing";
    return {
      refused: "transition_not_allowed",
      message: `from "${order.status}" an order may move to ${list}, not to "${outcome.to}"`,
    };
  }
  const merged = mergeResults(order, outcome.results, context);
  if ("faults" in merged) {
    return { refused: "invalid_results", message: describeFaults(order.status, merged.faults), faults: merged.faults };
  }
  return enter(order, outcome.to, context, {
    attempts: order.attempts,
    resultsJson: merged.resultsJson,
    reason: outcome.reason ?? null,
    key: outcome.key,
    unlimited: true,
  });
}

function expired(order: StoredOrder, status: StatusDefinition | undefined, context: DecideContext): Decision {
  if (status === undefined) return decide(order, { kind: "unknown" }, context);
  if (order.kind !== "waiting" || order.failure !== null || order.expiresAt === null || order.expiresAt > context.now) {
    return { refused: "stale", message: "the order does not wait any longer" };
  }
  if (!status.waits || status.expires === undefined) {
    // The definition no longer lets it expire: it waits on.
    return changed(order, { ...order, expiresAt: null }, null, "end", context);
  }
  const reason = `expired after ${status.expires.afterSeconds} s`;
  return enter(order, status.expires.to, context, { attempts: order.attempts, reason });
}

function retried(order: StoredOrder, status: StatusDefinition | undefined, context: DecideContext): Decision {
  if (order.failure === null)
    return { refused: "not_failed", message: `the order is in "${order.status}" and has not failed` };
  if (status === undefined) {
    return {
      refused: "transition_not_allowed",
      message: `the order is in "${order.status}", which the workflow does not know; move it to another status instead`,
    };
  }
  const kind = kindOf(status);
  return changed(
    order,
    {
      ...order,
      kind,
      failure: null,
      attempts: 0,
      attempting: false,
      notBefore: null,
      expiresAt: expiryOf(status, context.now),
    },
    null,
    kind === "handled" ? "enter" : "end",
    context,
  );
}

interface Entering {
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
function enter(order: StoredOrder, to: string, context: DecideContext, entering: Entering): Decision {
  const { workflow, now, by } = context;
  const { attempts, error = order.entry.error, reason = null, key } = entering;
  const target = statusOf(workflow, to) as StatusDefinition;
  const kind = kindOf(target);
  if (kind !== "final" && !entering.unlimited && order.visit + 1 > workflow.visitsMax) {
    const message = `the order made ${order.visit} transitions, which is visitsMax, and is not final; look for a loop through "${to}"`;
    return markFailed(order, "visits_exceeded", message, context, withError({ ...order, attempts }, error ?? message));
  }
  const { entry } = order;
  const ended: Visit = {
    at: entry.at,
    reason: entry.reason,
    error,
    by: entry.by,
    ...(entry.key === undefined ? {} : { key: entry.key }),
    status: order.status,
    visit: order.visit,
    attempts,
  };
  const { past, pastOmitted } = appendPast(order, ended);
  const after: StoredOrder = {
    id: order.id,
    status: to,
    kind,
    visit: order.visit + 1,
    version: order.version + 1,
    attempts: 0,
    attempting: false,
    dataJson: order.dataJson,
    resultsJson: entering.resultsJson ?? order.resultsJson,
    group: order.group,
    createdAt: order.createdAt,
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

/** The attempts are used up: on to `exhausted`, or marked failed where it stands. */
function giveUp(
  order: StoredOrder,
  used: StoredOrder,
  status: StatusDefinition,
  { code, message }: { readonly code: string; readonly message: string },
  context: DecideContext,
): Decision {
  if (status.exhausted === undefined) return markFailed(order, code, message, context, used);
  const error = cutError(message);
  return enter(order, status.exhausted, context, { attempts: used.attempts, error, reason: `exhausted: ${error}` });
}

function markFailed(
  before: StoredOrder,
  code: string,
  message: string,
  context: DecideContext,
  used: StoredOrder = withError(before, message),
): Decision {
  const failure: Failure = { code, message: cutError(message), fingerprint: fingerprintOf(message), at: context.now };
  return changed(
    before,
    { ...used, attempting: false, notBefore: null, expiresAt: null, failure },
    null,
    "end",
    context,
  );
}

function changed(
  before: StoredOrder,
  after: StoredOrder,
  ended: Visit | null,
  delivery: Change["delivery"],
  context: DecideContext,
): Decision {
  return {
    change: { before, after: { ...after, version: before.version + 1, updatedAt: context.now }, ended, delivery },
  };
}

/** The attempts with the one that just ended, unless that one was recorded when it started. */
function attemptsUsed(order: StoredOrder): number {
  return order.attempting ? order.attempts : order.attempts + 1;
}

function usedAttempts(order: StoredOrder): StoredOrder {
  return { ...order, attempts: attemptsUsed(order), attempting: false };
}

function withError(order: StoredOrder, message: string): StoredOrder {
  return { ...order, entry: { ...order.entry, error: cutError(message) } };
}

function expiryOf(status: StatusDefinition, now: number): number | null {
  return status.waits && status.expires ? now + Math.ceil(status.expires.afterSeconds * 1_000) : null;
}

function mergeResults(
  order: StoredOrder,
  results: object | undefined,
  { workflow, resultsBytesMax = Number.POSITIVE_INFINITY }: DecideContext,
): { resultsJson: string } | { faults: Fault[] } {
  if (results === undefined) return { resultsJson: order.resultsJson };
  if (results === null || typeof results !== "object" || Array.isArray(results)) {
    return { faults: [{ path: "", message: "results must be an object" }] };
  }
  let merged: unknown = { ...JSON.parse(order.resultsJson), ...results };
  if (workflow.results !== undefined) {
    const parsed = workflow.results.safeParse(merged);
    if (!parsed.success) return { faults: faultsOf(parsed.error) };
    merged = parsed.data;
  }
  let resultsJson: string;
  try {
    resultsJson = JSON.stringify(merged);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { faults: [{ path: "", message: `results are not JSON: ${reason}` }] };
  }
  // A UTF-16 unit takes at most three bytes of UTF-8, so most results need no count.
  if (resultsJson.length * 3 > resultsBytesMax && Buffer.byteLength(resultsJson) > resultsBytesMax) {
    return {
      faults: [{ path: "", message: `results take more than the ${resultsBytesMax} bytes that the store holds` }],
    };
  }
  return { resultsJson };
}

function describeFaults(status: string, faults: readonly Fault[]): string {
  const [first] = faults;
  return `results given in "${status}" do not fit the schema: ${first?.path ? `${first.path}: ` : ""}${first?.message}`;
}
