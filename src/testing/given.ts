import assert from "node:assert/strict";
import { type Change, type DecideContext, type Decision, decide, type Outcome } from "../core/decide.ts";
import type { ErrorCode } from "../core/errors.ts";
import { fingerprintOf } from "../core/fingerprint.ts";
import { describeJsonFault, jsonFault } from "../core/json.ts";
import type { Actor, Entry, Failure, StoredOrder, Visit } from "../core/order.ts";
import { type AnyWorkflow, type DataOf, kindOf, type ResultsOf, type StatusName, statusOf } from "../core/workflow.ts";

/**
 * What a decision depends on besides the order and the outcome. Defaults: `now` 0, so that every time in `then` reads
 * as a distance; `random` `() => 0.5`, so that a delay is half of its ceiling; `by` a node process named `given`; no
 * limit to the results.
 */
export type GivenContext = Partial<Omit<DecideContext, "workflow">>;

/**
 * The order before. By default it stands in the workflow's initial status, on its first visit, with no attempt used,
 * placed now. `kind` and `expiresAt` follow from the status, `version` from the visit.
 */
export interface GivenOrder<W extends AnyWorkflow = AnyWorkflow>
  extends Partial<Omit<StoredOrder, "status" | "failure" | "entry">> {
  /** Any string, since an order may stand in a status that the workflow does not know. */
  readonly status?: StatusName<W> | (string & Record<never, never>);
  /** Instead of `dataJson`, as a value. */
  readonly data?: DataOf<W>;
  /** Instead of `resultsJson`, as a value. */
  readonly results?: Partial<ResultsOf<W>>;
  /** Marks the order failed. Defaults: `handler_failed`, "down", its fingerprint, now. */
  readonly failure?: Partial<Failure> | null;
  readonly entry?: Partial<Entry>;
}

/** The change that is expected. Only the fields that are given are compared, deeply. */
export interface ExpectedChange<W extends AnyWorkflow = AnyWorkflow>
  extends Partial<Omit<StoredOrder, "failure" | "entry">> {
  /** `resultsJson` as a value, compared whole. */
  readonly results?: Partial<ResultsOf<W>>;
  readonly failure?: Partial<Failure> | null;
  readonly entry?: Partial<Entry>;
  /** What becomes of the order's delivery. */
  readonly delivery?: Change["delivery"];
  /** The visit that ended; null where the status did not change. */
  readonly ended?: Partial<Visit> | null;
}

export interface Given<W extends AnyWorkflow = AnyWorkflow> {
  /** The order as it stands. */
  readonly order: StoredOrder;
  /** What happens to the order. */
  when(outcome: Outcome): When<W>;
  /** The same order, `seconds` later. */
  afterSeconds(seconds: number): Given<W>;
}

export interface When<W extends AnyWorkflow = AnyWorkflow> {
  /** The whole decision, for what `then` does not compare. */
  readonly decision: Decision;
  /**
   * Asserts what the outcome changes, and goes on with the order after. Throws an `AssertionError` where a field
   * differs, where the outcome was refused, and for a field that no change has.
   */
  then(expected: ExpectedChange<W>): Given<W>;
  /**
   * Asserts that the outcome is refused with this code (and a message that matches), and goes on with the same order.
   */
  refused(code: ErrorCode, message?: RegExp): Given<W>;
}

const defaultActor: Actor = { runtime: "node", name: "given", requestId: null, messageId: null };

/**
 * Checks what an outcome does to an order: `given(workflow, order).when(outcome).then(change)`. Pure: no store, no
 * queue, no clock. Each step begins with the order that the step before gave, so that several steps read as a story.
 *
 * ```ts
 * given(orders, { status: "paid", attempts: 4 })
 *   .when({ kind: "failed", code: "handler_failed", message: "down" })
 *   .then({ status: "rejected", visit: 1, delivery: "end" });
 * ```
 */
export function given<W extends AnyWorkflow>(
  workflow: W,
  order: GivenOrder<W> = {},
  context: GivenContext = {},
): Given<W> {
  const { now = 0, random = () => 0.5, by = defaultActor } = context;
  const full = { ...context, workflow, now, random, by };
  return step(fill(order, full), full);
}

function step<W extends AnyWorkflow>(order: StoredOrder, context: DecideContext): Given<W> {
  return {
    order,
    when: (outcome) => decided(order, decide(order, outcome, context), context),
    afterSeconds: (seconds) => step(order, { ...context, now: context.now + seconds * 1_000 }),
  };
}

function decided<W extends AnyWorkflow>(order: StoredOrder, decision: Decision, context: DecideContext): When<W> {
  return {
    decision,
    // biome-ignore lint/suspicious/noThenProperty: given, when, then are the words; awaiting it is refused below.
    then(expected) {
      if (typeof expected !== "object" || expected === null) {
        throw new TypeError("then takes the expected change; given(…).when(…) is no promise, so do not await it");
      }
      if ("refused" in decision) {
        assert.fail(`the outcome was refused with ${decision.refused}: ${decision.message}`);
      }
      const { change } = decision;
      compare({ ...change.after, results: JSON.parse(change.after.resultsJson), ...change }, expected);
      return step(change.after, context);
    },
    refused(code, message) {
      if ("change" in decision) {
        const { after, delivery } = decision.change;
        assert.fail(`the outcome was not refused: the order is in "${after.status}" after, its delivery "${delivery}"`);
      }
      assert.equal(decision.refused, code, `refused with ${decision.refused} (${decision.message}), not with ${code}`);
      if (message !== undefined) assert.match(decision.message, message);
      return step(order, context);
    },
  };
}

function fill(partial: GivenOrder, { workflow, now, by }: DecideContext): StoredOrder {
  const { data, results, failure = null, entry, ...fields } = partial;
  const name = fields.status ?? workflow.initial;
  const status = statusOf(workflow, name);
  const visit = fields.visit ?? 0;
  const message = failure?.message ?? "down";
  const waitsUntil = status?.waits && status.expires ? now + Math.ceil(status.expires.afterSeconds * 1_000) : null;
  const defaults: StoredOrder = {
    id: "order-1",
    status: name,
    kind: status === undefined ? "handled" : kindOf(status),
    visit,
    version: visit + 1,
    attempts: 0,
    attempting: false,
    dataJson: jsonOf("data", data ?? {}),
    resultsJson: jsonOf("results", results ?? {}),
    group: null,
    createdAt: now,
    updatedAt: now,
    notBefore: null,
    expiresAt: failure === null ? waitsUntil : null,
    failure: failure && { code: "handler_failed", message, fingerprint: fingerprintOf(message), at: now, ...failure },
    entry: { at: now, reason: null, error: failure && message, by, ...entry },
    past: [],
    pastOmitted: 0,
    extrasJson: null,
  };
  for (const key of Object.keys(fields)) {
    if (!Object.hasOwn(defaults, key)) throw new TypeError(`given: an order has no field "${key}"`);
  }
  return { ...defaults, ...fields };
}

function jsonOf(what: string, value: unknown): string {
  const fault = jsonFault(value);
  if (fault !== undefined) throw new TypeError(describeJsonFault(`given: ${what}`, fault));
  return JSON.stringify(value);
}

/** Compares all given fields at once, so that the assertion's diff shows every difference. */
function compare(actual: Record<string, unknown>, expected: ExpectedChange): void {
  const shown: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(expected)) {
    if (!Object.hasOwn(actual, key) || key === "before" || key === "after") {
      assert.fail(`then: a change has no field "${key}"; it has the fields of an order, results, delivery and ended`);
    }
    const nested = key === "failure" || key === "entry" || key === "ended";
    shown[key] = nested ? only(actual[key], value) : actual[key];
  }
  assert.deepEqual(shown, expected);
}

function only(actual: unknown, expected: unknown): unknown {
  if (typeof actual !== "object" || actual === null || typeof expected !== "object" || expected === null) return actual;
  const fields = actual as Record<string, unknown>;
  return Object.fromEntries(Object.keys(expected).map((key) => [key, fields[key]]));
}
