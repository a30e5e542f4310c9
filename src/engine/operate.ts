import type { Backend } from "../backend/backend.ts";
import type { Change, DecideContext, Outcome } from "../core/decide.ts";
import { decide } from "../core/decide.ts";
import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { currentVisit, type StoredOrder } from "../core/order.ts";
import type { Call } from "./call.ts";
import type { Engine, Refusal } from "./engine.ts";
import { keyOf } from "./intake.ts";

interface OperateOptions {
  readonly workflow: string;
  readonly backend: Backend;
  readonly contextOf: (call: Partial<Call> | undefined) => DecideContext;
  readonly commit: (change: Change) => Promise<"committed" | "stale">;
  readonly log: Log;
  /** Told of each order that was erased. */
  readonly onRemoved: (count: number) => void;
}

/** Another change may come between reading and committing; a caller who named no version means the order, not that state of it. */
const triesWhenStale = 5;
const defaultRetryLimit = 1_000;
const pageSize = 200;

/** What people and other systems do to orders: transitions, retries and removal. */
export function createOperate({
  workflow,
  backend,
  contextOf,
  commit,
  log,
  onRemoved,
}: OperateOptions): Pick<Engine, "transition" | "retry" | "retryMany" | "remove"> {
  const change = async (
    id: string,
    outcomeOf: (order: StoredOrder) => Outcome | Refusal | "repeated",
    call: Partial<Call> | undefined,
  ): Promise<{ moved: boolean; order: StoredOrder } | Refusal> => {
    for (let tries = 0; tries < triesWhenStale; tries++) {
      const order = await backend.get(id);
      if (order === undefined) return orderNotFound(id, workflow);
      const outcome = outcomeOf(order);
      if (outcome === "repeated") return { moved: false, order };
      if ("refused" in outcome) return outcome;
      const decision = decide(order, outcome, contextOf(call));
      if ("refused" in decision) return decision;
      if ((await commit(decision.change)) === "committed") return { moved: true, order: decision.change.after };
    }
    return { refused: "stale", message: "the order keeps changing; read it again and repeat" };
  };

  const retry: Engine["retry"] = async (id, call) => {
    const result = await change(id, () => ({ kind: "retried" }), call);
    return "refused" in result ? result : { order: result.order };
  };

  return {
    transition(id, request, call) {
      const { to, reason, results, expectedVersion } = request;
      let key: { keyHash: string; contentHash: string } | undefined;
      if (call?.idempotencyKey !== undefined) {
        try {
          key = keyOf(call.idempotencyKey, request);
        } catch (error) {
          const message = `the request cannot be taken: ${error instanceof Error ? error.message : String(error)}`;
          return Promise.resolve({ refused: "invalid_results", message, faults: [{ path: "", message }] });
        }
      }
      return change(
        id,
        (order) => {
          const earlier = key && findKey(order, key.keyHash);
          if (key && earlier !== undefined) {
            if (earlier === key.contentHash) return "repeated";
            return {
              refused: "idempotency_conflict",
              message: "the idempotency key was used for another transition of this order; use a new key",
            };
          }
          if (expectedVersion !== undefined && expectedVersion !== order.version) {
            return {
              refused: "stale",
              message: `the order has version ${order.version}, not ${expectedVersion}; read it again`,
            };
          }
          return {
            kind: "requested",
            to,
            reason: reason ?? null,
            results,
            ...(key === undefined ? {} : { key: `${key.keyHash}:${key.contentHash}` }),
          };
        },
        call,
      );
    },

    retry,

    async remove(id, call) {
      const removed = await backend.remove(id);
      if (removed === "not_found") return orderNotFound(id, workflow);
      if (removed === "not_final") {
        return {
          refused: "order_not_final",
          message: "only an order in a final status is removed; move it to one first, or wait until it is there",
        };
      }
      onRemoved(1);
      // The order cannot say any more who removed it.
      log.info({ orderId: id, requestId: call?.requestId ?? null }, "order removed");
      return undefined;
    },

    async retryMany(filter, call) {
      const limit = filter.limit ?? defaultRetryLimit;
      let retried = 0;
      const one = async (id: string) => {
        if (!("refused" in (await retry(id, call)))) retried++;
      };
      if (filter.ids !== undefined) {
        const start = filter.cursor === undefined ? 0 : positionOf(filter.cursor);
        const end = Math.min(start + limit, filter.ids.length);
        for (let from = start; from < end; from += pageSize) {
          const page = filter.ids.slice(from, Math.min(from + pageSize, end));
          await Promise.all(
            page.map(async (id) => {
              const order = await backend.get(id);
              if (order !== undefined && matches(order, filter)) await one(id);
            }),
          );
        }
        return { retried, nextCursor: end < filter.ids.length ? `${end}` : null };
      }
      let cursor = filter.cursor;
      let left = limit;
      while (left > 0) {
        const page = await backend.list({
          status: filter.status,
          failed: true,
          fingerprint: filter.fingerprint,
          limit: Math.min(pageSize, left),
          cursor,
        });
        await Promise.all(page.items.map((order) => one(order.id)));
        left -= page.items.length;
        if (page.nextCursor === null) return { retried, nextCursor: null };
        cursor = page.nextCursor;
      }
      return { retried, nextCursor: cursor ?? null };
    },
  };
}

export function orderNotFound(id: string, workflow: string): Refusal {
  return { refused: "order_not_found", message: `no order of "${workflow}" has the id "${id}"; check the id` };
}

function matches(
  order: StoredOrder,
  filter: { status?: string | undefined; fingerprint?: string | undefined },
): boolean {
  return (
    order.failure !== null &&
    (filter.status === undefined || order.status === filter.status) &&
    (filter.fingerprint === undefined || order.failure.fingerprint === filter.fingerprint)
  );
}

/** Where to go on in a list of ids. */
function positionOf(cursor: string): number {
  if (/^[1-9]\d{0,8}$/.test(cursor)) return Number(cursor);
  throw new CauceError("invalid_cursor", "the cursor is not one that a retry of these ids returned; leave it out");
}

/** The content hash of an earlier request with this key, looked up in the history that the order keeps. */
function findKey(order: StoredOrder, keyHash: string): string | undefined {
  const entry = [...order.past, currentVisit(order)].find(({ key }) => key?.startsWith(keyHash));
  return entry?.key?.slice(keyHash.length + 1);
}

/** A refusal as the error that the library throws. */
export function refusalError(refusal: Refusal): CauceError {
  return new CauceError(refusal.refused, refusal.message, refusal.faults ? { faults: refusal.faults } : {});
}

/** The result, or the refusal thrown as the library does. */
export function accepted<T extends object>(result: T | Refusal): T {
  if ("refused" in result) throw refusalError(result);
  return result;
}
