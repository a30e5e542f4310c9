import type { Random } from "./clock.ts";
import { CauceError, type ErrorCode, type Fault } from "./errors.ts";
import { cutError, fingerprintOf } from "./fingerprint.ts";
import { isPlainObject, jsonFault } from "./json.ts";
import { isArmed } from "./numbers.ts";
import { type Actor, appendPast, exceedsBytes, type Failure, type StoredOrder, type Visit } from "./order.ts";
import { messageOf } from "./reasons.ts";
import { type AnyWorkflow, faultsOf, kindOf, type StatusDefinition, statusOf } from "./workflow.ts";

/** One change of an order: the only thing that a backend writes of an order after its placing. */
export interface Change {
  /**
   * The order before. Its `version` is the fence: the change commits only if the stored order still has that version.
   */
  readonly before: StoredOrder;
  /** The order after, with `version` one higher. */
  readonly after: StoredOrder;
  /** The visit that ended; null where the status did not change. `after.past` has it already. */
  readonly ended: Visit | null;
  /**
   * What becomes of the order's delivery, in the same commit. `enter`: a new delivery joins the end of the queue of
   * `after.status`. `again`: the delivery comes back at `after.notBefore`. `keep`: the delivery stays in flight. `end`:
   * the delivery is taken off the queue.
   */
  readonly delivery: "enter" | "again" | "keep" | "end";
}

export type Decision =
  | {
      readonly change: Change;
      /**
       * The code of the failure with which the order went to `exhausted`. The order does not keep the code; the log
       * does.
       */
      readonly exhaustedBy?: string;
    }
  | { readonly refused: ErrorCode; readonly message: string; readonly faults?: readonly Fault[] };

export interface DecideContext {
  readonly workflow: AnyWorkflow;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: Random;
  readonly by: Actor;
  /** The most bytes of JSON that the merged results may take. Default: no limit. */
  readonly resultsBytesMax?: number;
}

interface TransitionParts {
  /** How many attempts the visit that ends has used. */
  readonly attempts: number;
  /** The error of that visit's last attempt, where it failed. */
  readonly error?: string;
  readonly resultsJson?: string;
  readonly reason?: string | null;
  readonly key?: string | undefined;
  /** Whether the transition may exceed `visitsMax`, as an operator's may. */
  readonly unlimited?: boolean;
}

/** Makes the change that moves an order to its next status: with the new visit, the history and the next delivery. */
export function transition(order: StoredOrder, to: string, context: DecideContext, parts: TransitionParts): Decision {
  const { workflow, now, by } = context;
  const { attempts, error = order.entry.error, reason = null, key } = parts;
  const target = statusOf(workflow, to) as StatusDefinition;
  const kind = kindOf(target);
  if (kind !== "final" && !parts.unlimited && order.visit + 1 > workflow.visitsMax) {
    const message = `the order has made ${order.visit} transitions and visitsMax is ${workflow.visitsMax}; look for a loop through "${to}"`;
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

/** Makes the change that marks an order failed in its status. */
export function markFailed(
  before: StoredOrder,
  code: string,
  message: string,
  context: DecideContext,
  used: StoredOrder = withError(before, message),
): Decision {
  const failure = failureOf(code, message, context.now);
  return changed(before, { ...used, attempting: false, notBefore: null, expiresAt: null, failure }, "end", context);
}

export function failureOf(code: string, message: string, at: number): Failure {
  return { code, message: cutError(message), fingerprint: fingerprintOf(message), at };
}

/** Makes a change within the visit. */
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

/** Merges results into the order's, key by key, and checks them against the workflow's schema. */
export function mergeResults(
  order: StoredOrder,
  results: object | undefined,
  { workflow, resultsBytesMax = Number.POSITIVE_INFINITY }: DecideContext,
): { resultsJson: string } | { faults: Fault[] } {
  if (results === undefined) return { resultsJson: order.resultsJson };
  const refuse = (message: string) => ({ faults: [{ path: "", message }] });
  const fault = isArmed(results) ? undefined : jsonFault(results);
  if (fault !== undefined) return { faults: [fault] };
  if (!isPlainObject(results)) return refuse("results must be an object of plain keys and values");
  let resultsJson: string;
  try {
    let merged: unknown = merge(JSON.parse(order.resultsJson), results);
    if (workflow.results !== undefined) {
      const parsed = workflow.results.safeParse(merged);
      if (!parsed.success) return { faults: faultsOf(parsed.error) };
      merged = parsed.data;
      const made = jsonFault(merged);
      if (made !== undefined) return { faults: [made] };
    }
    resultsJson = JSON.stringify(merged);
  } catch (cause) {
    // Reading a number that no double can hold throws, where the schema takes the number.
    if (cause instanceof CauceError) throw cause;
    return refuse(`results cannot be taken: ${messageOf(cause)}`);
  }
  if (!resultsJson?.startsWith("{")) return refuse("results must be an object as JSON");
  if (exceedsBytes(resultsJson, resultsBytesMax)) {
    return refuse(`results take more than the ${resultsBytesMax} bytes that the store holds`);
  }
  return { resultsJson };
}

function merge(earlier: object, results: object): object {
  if (!isArmed(results)) return { ...earlier, ...withoutUndefined(results) };
  // A member of these may throw where it is read, and the schema may drop the member.
  return Object.defineProperties(earlier, Object.getOwnPropertyDescriptors(results));
}

/** Leaves undefined values out, so that none replaces an earlier result. */
function withoutUndefined(results: object): object {
  if (!Object.values(results).includes(undefined)) return results;
  return Object.fromEntries(Object.entries(results).filter(([, value]) => value !== undefined));
}

export function describeFaults(status: string, faults: readonly Fault[]): string {
  const [first] = faults;
  return `results given in "${status}" do not fit the schema: ${first?.path ? `${first.path}: ` : ""}${first?.message}`;
}
