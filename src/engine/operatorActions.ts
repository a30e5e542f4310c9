import type { Backend } from "../backend/port.ts";
import { readNumbers, writeNumbers } from "../core/cursor.ts";
import { decide, type Outcome } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import { type Filter, matches } from "../core/filter.ts";
import { describeJsonFault, jsonFault } from "../core/json.ts";
import { isArmed, readReleased } from "../core/numbers.ts";
import { currentVisit, type StoredOrder } from "../core/order.ts";
import { messageOf } from "../core/reasons.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import { commitChange, decideContext, type EngineContext, markUnreadable } from "./context.ts";
import type { Call, Engine, Refusal, Transition } from "./engine.ts";
import { keyOf, type RequestKey } from "./place.ts";

/** Another change may come between reading and committing. A caller without `expectedVersion` means any version. */
const triesWhenStale = 5;
const defaultRetryLimit = 1_000;

/** Makes what people and other systems do to orders: transitions, retries and removal. */
export function createOperatorActions(
  context: EngineContext,
): Pick<Engine, "transition" | "retry" | "retryMany" | "remove"> {
  const { workflow, backend, log, actor, observer } = context;
  const change = async (
    id: string,
    outcomeOf: (order: StoredOrder) => Outcome | Refusal | "repeated",
    call: Partial<Call> | undefined,
  ): Promise<{ moved: boolean; order: StoredOrder } | Refusal> => {
    for (let tries = 0; tries < triesWhenStale; tries++) {
      const order = await backend.get(id);
      if (order === undefined) return orderNotFound(id, workflow.name);
      await markUnreadable(context, [order]);
      const outcome = outcomeOf(order);
      if (outcome === "repeated") return { moved: false, order };
      if ("refused" in outcome) return outcome;
      const decision = decide(order, outcome, decideContext(context, { ...actor, requestId: call?.requestId ?? null }));
      if ("refused" in decision) return decision;
      if ((await commitChange(context, decision.change)) === "committed")
        return { moved: true, order: decision.change.after };
    }
    return { refused: "stale", message: "the order keeps changing; read it again and repeat" };
  };

  const retry: Engine["retry"] = (id, call) => change(id, () => ({ kind: "retried" }), call);

  return {
    transition(id, request, call) {
      const { results } = request;
      const fault = results === undefined || isArmed(results) ? undefined : jsonFault(results);
      if (fault !== undefined) {
        const message = describeJsonFault("the results", fault);
        return Promise.resolve({ refused: "invalid_results", message, faults: [fault] });
      }
      let key: RequestKey | undefined;
      const idempotencyKey = call?.idempotencyKey;
      if (idempotencyKey !== undefined) {
        try {
          key = readReleased(results, () => keyOf(idempotencyKey, request));
        } catch (error) {
          const message = `the request cannot be taken: ${messageOf(error)}`;
          return Promise.resolve({ refused: "invalid_results", message, faults: [{ path: "", message }] });
        }
      }
      return change(id, (order) => requestedOutcome(order, request, key), call);
    },

    retry,

    async remove(id, call) {
      const removal = await backend.remove({ id });
      if (removal === "not_final") {
        return {
          refused: "order_not_final",
          message: "only an order in a final status is removed; move it to one first, or wait until it is there",
        };
      }
      if (removal.removed === 0) return orderNotFound(id, workflow.name);
      observer.removed(1);
      // The order is gone, so only the log says who removed it.
      log.info({ orderId: id, requestId: call?.requestId ?? null }, "order removed");
      return undefined;
    },

    async retryMany({ status, fingerprint, ids, limit = defaultRetryLimit, cursor }, call) {
      const act = async ({ id }: StoredOrder) => !("refused" in (await retry(id, call)));
      const filter = { failed: true, status, fingerprint, ids };
      const { done, nextCursor } = await eachMatching(backend, filter, { limit, cursor }, act);
      return { retried: done, nextCursor };
    },
  };
}

export function orderNotFound(id: string, workflow: string): Refusal {
  return { refused: "order_not_found", message: `no order of "${workflow}" has the id "${id}"; check the id` };
}

/** Gives the outcome that a request asks for; `repeated` where it was done before, under the same key. */
function requestedOutcome(
  order: StoredOrder,
  { to, reason, results, expectedVersion }: Transition<AnyWorkflow>,
  key: RequestKey | undefined,
): Outcome | Refusal | "repeated" {
  const earlier = key && findKey(order, key.keyHash);
  if (key && earlier === key.contentHash) return "repeated";
  if (earlier !== undefined) {
    const message = "the idempotency key was used for another transition of this order; use a new key";
    return { refused: "idempotency_conflict", message };
  }
  if (expectedVersion !== undefined && expectedVersion !== order.version) {
    const message = `the order has version ${order.version}, not ${expectedVersion}; read it again`;
    return { refused: "stale", message };
  }
  const keyed = key === undefined ? {} : { key: `${key.keyHash}:${key.contentHash}` };
  return { kind: "requested", to, reason: reason ?? null, results, ...keyed };
}

/** Looks up an earlier request with this key in the order's history, and gives its content hash. */
function findKey(order: StoredOrder, keyHash: string): string | undefined {
  const entry = [...order.past, currentVisit(order)].find(({ key }) => key?.startsWith(keyHash));
  return entry?.key?.slice(keyHash.length + 1);
}

/** Makes the error that the library throws for a refusal. */
export function refusalError(refusal: Refusal): CauceError {
  return new CauceError(refusal.refused, refusal.message, refusal.faults ? { faults: refusal.faults } : {});
}

export interface BulkStep {
  /** The most orders of a list, or ids, that one call looks at. */
  readonly limit: number;
  /** The `nextCursor` of the call before. */
  readonly cursor?: string | undefined;
  /** Counts what matches and does nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface BulkResult {
  /** How many orders were acted on. */
  readonly done: number;
  /** How many orders matched. */
  readonly matched: number;
  /** Where to go on; null at the end. */
  readonly nextCursor: string | null;
}

const pageSize = 200;

/**
 * Acts on each order that matches, up to 200 at once. With `ids` it takes the named orders in the order of the ids,
 * else the orders that the store lists, the newest first. `act` resolves to whether it did anything. Rejects with
 * `invalid_cursor`, and as `act` and the store do.
 */
export async function eachMatching(
  backend: Pick<Backend, "get" | "list">,
  filter: Filter,
  { limit, cursor: from, dryRun = false }: BulkStep,
  act: (order: StoredOrder) => Promise<boolean>,
): Promise<BulkResult> {
  const { ids, ...others } = filter;
  let matched = 0;
  let done = 0;
  const one = async (order: StoredOrder | undefined): Promise<void> => {
    if (order === undefined || !matches(order, others)) return;
    matched++;
    if (!dryRun && (await act(order))) done++;
  };
  if (ids !== undefined) {
    // An order that is named twice counts once.
    const named = [...new Set(ids)];
    const [start = 0] = from === undefined ? [] : readNumbers(from, "a call with these ids", "ids", 1);
    const end = Math.min(start + limit, named.length);
    for (let first = start; first < end; first += pageSize) {
      const page = named.slice(first, Math.min(first + pageSize, end));
      await Promise.all(page.map(async (id) => one(await backend.get(id))));
    }
    return { done, matched, nextCursor: end < named.length ? writeNumbers("ids", end) : null };
  }
  let cursor = from;
  for (let left = limit; left > 0; ) {
    const page = await backend.list({ ...others, limit: Math.min(pageSize, left), cursor });
    await Promise.all(page.items.map(one));
    left -= page.items.length;
    if (page.nextCursor === null) return { done, matched, nextCursor: null };
    cursor = page.nextCursor;
  }
  return { done, matched, nextCursor: cursor ?? null };
}
