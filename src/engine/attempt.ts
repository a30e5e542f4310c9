import type { Delivery, Verdict } from "../backend/port.ts";
import { type Change, type Decision, decide, isLive, type Outcome } from "../core/decide.ts";
import type { Log } from "../core/handlers.ts";
import { type Actor, attemptNumber, type StoredOrder } from "../core/order.ts";
import { textOf } from "../core/reasons.ts";
import { decideContext, type EndedAttempt } from "./context.ts";
import { runHandler, type StatusContext } from "./runHandler.ts";
import { commitAgain } from "./storeHealth.ts";

/** What comes of a delivery. `consumed`: a commit has ended the delivery's lease, so there is nothing to settle. */
export type Settlement = Verdict & { readonly consumed?: true };

/**
 * Tries one delivery. Resolves to undefined where the delivery cannot be settled: its lease must run out. `requestId`
 * names the run that tries the delivery, such as a run of a Lambda function, and the history keeps it.
 */
export type RunAttempt = (
  delivery: Delivery,
  onHandlerEnd: () => void,
  requestId?: string,
) => Promise<Settlement | undefined>;

const done: Settlement = { verdict: "done" };
const consumed: Settlement = { verdict: "done", consumed: true };
const notYetMilliseconds = 1_000;

type Decided = Extract<Decision, { change: Change }>;

/**
 * Makes what runs the handler of one delivery and commits its outcome.
 *
 * What can fail, and what repairs it:
 *   receive ─ get ─ (record a redelivered attempt) ─ handler ─ commit, which consumes the delivery
 *   dies before commit    the lease runs out, the delivery comes back as redelivered, and the attempt counts
 *   dies within commit    where change and delivery are two writes, the delivery comes back for an earlier visit and is
 *                         dropped
 *   commit is stale       another delivery of this visit was first: its outcome stands, and this one is settled as done
 */
export function createAttempt(context: StatusContext): RunAttempt {
  const { backend, clock, actor, log, observer } = context;

  const decideBy = (by: Actor, order: StoredOrder, outcome: Outcome): Decided => {
    const decidedIn = decideContext(context, by);
    let decision: Decision;
    try {
      decision = decide(order, outcome, decidedIn);
    } catch (error) {
      // The handler's results threw while they were read.
      const message = `the results given in "${order.status}" cannot be read: ${textOf(error)}`;
      decision = decide(order, { kind: "failed", code: "invalid_results", message, permanent: true }, decidedIn);
    }
    if ("refused" in decision) throw new Error(`${outcome.kind} was refused: ${decision.message}`);
    return decision;
  };

  const tell = (change: Change, attempt: EndedAttempt): void => {
    observer.changed(change, attempt);
    logAttempt(log, change, attempt);
  };

  /** Settles a delivery whose change came second. */
  const settleStale = async (delivery: Delivery): Promise<Settlement> =>
    settleUnhandled(await backend.get(delivery.orderId), delivery, clock.now());

  /** Records the attempt whose worker died. Resolves to the order with which the next attempt begins, if one does. */
  const recordLost = async (
    by: Actor,
    order: StoredOrder,
    delivery: Delivery,
  ): Promise<StoredOrder | Settlement | undefined> => {
    const outcome: Outcome = { kind: "redelivered", unattended: delivery.unattended };
    const { change, exhaustedBy } = decideBy(by, order, outcome);
    const commit = backend.commit(change, delivery);
    const committed = await commit.catch((error) => commitAgain(context, change, delivery, error));
    if (committed === undefined) return undefined;
    if (committed === "stale") return settleStale(delivery);
    tell(change, { outcome: outcomeOf(change, false), milliseconds: 0, exhaustedBy });
    return change.delivery === "keep" ? change.after : consumed;
  };

  return async (delivery, onHandlerEnd, requestId) => {
    const { messageId } = delivery;
    const isNamed = messageId !== null || requestId !== undefined;
    const by = isNamed ? { ...actor, requestId: requestId ?? null, messageId } : actor;
    let ready: StoredOrder | Settlement | undefined;
    try {
      ready = readyOrder(await backend.get(delivery.orderId), delivery, clock.now());
    } catch (error) {
      // No handler has run, so this was no attempt. The delivery comes back in 1 s, well before its lease runs out.
      log.warn({ orderId: delivery.orderId, error: textOf(error) }, "order not read; trying again");
      ready = again(clock.now() + notYetMilliseconds);
    }
    if (delivery.redelivered && !("verdict" in ready)) ready = await recordLost(by, ready, delivery);
    if (ready === undefined || "verdict" in ready) {
      onHandlerEnd();
      return ready;
    }
    const startedAt = clock.monotonic();
    const running = runHandler(ready, context, startedAt);
    const outcome = running instanceof Promise ? await running : running;
    const milliseconds = Math.round(clock.monotonic() - startedAt);
    onHandlerEnd();
    const { change, exhaustedBy } = decideBy(by, ready, outcome);
    // The backend's promise is awaited here: a helper around it would cost each order one more promise.
    let committed: "committed" | "stale" | undefined;
    try {
      committed = await backend.commit(change, delivery);
    } catch (error) {
      committed = await commitAgain(context, change, delivery, error);
    }
    if (committed === undefined) return undefined;
    if (committed === "stale") return settleStale(delivery);
    // Where a handler returned a status that may not follow, `exhausted` moved the order, and not the handler.
    const moved = outcome.kind === "moved" && exhaustedBy === undefined;
    const stack = outcome.kind === "failed" ? outcome.stack : undefined;
    tell(change, { outcome: outcomeOf(change, moved), milliseconds, exhaustedBy, stack });
    return change.delivery === "again" ? { ...again(change.after.notBefore ?? clock.now()), consumed: true } : consumed;
  };
}

/** Gives the order where its handler is to run at `now`, else how to settle the delivery. */
function readyOrder(order: StoredOrder | undefined, delivery: Delivery, now: number): StoredOrder | Settlement {
  if (order === undefined || order.visit !== delivery.visit || !isLive(order)) {
    // The process may have died between the commit of the next visit and its delivery (law 3).
    const isBehind = order !== undefined && order.visit > delivery.visit && delivery.redelivered && isLive(order);
    return isBehind ? { verdict: "superseded", by: order } : settleUnhandled(order, delivery, now);
  }
  return order.notBefore !== null && order.notBefore > now ? again(order.notBefore) : order;
}

/** How to settle a delivery for which no handler runs, by its order at `now`. */
function settleUnhandled(order: StoredOrder | undefined, delivery: Delivery, now: number): Settlement {
  // At a redelivery, a missing order was removed. At a first delivery, the order is not stored yet.
  if (order === undefined) return delivery.redelivered ? done : again(now + notYetMilliseconds);
  if (order.visit < delivery.visit) return again(now + notYetMilliseconds);
  return order.visit === delivery.visit && isLive(order) ? again(Math.max(now, order.notBefore ?? 0)) : done;
}

function again(notBefore: number): Settlement {
  return { verdict: "again", notBefore };
}

/** Gives the outcome of an attempt from its change. */
function outcomeOf({ after, delivery }: Change, moved: boolean): EndedAttempt["outcome"] {
  if (delivery === "again" || delivery === "keep") return "retried";
  return moved && after.failure === null ? "moved" : "failed";
}

/** Writes one line for each attempt. The line says where the order stands, and never its data. */
function logAttempt(log: Log, { before, after }: Change, attempt: EndedAttempt): void {
  const { outcome, milliseconds, exhaustedBy } = attempt;
  const fields = {
    orderId: before.id,
    status: before.status,
    visit: before.visit,
    attempt: attemptNumber(before),
    milliseconds,
    outcome,
  };
  if (outcome === "moved") {
    log.info({ ...fields, to: after.status }, "attempt done");
    return;
  }
  const stack = attempt.stack === undefined ? undefined : { stack: attempt.stack };
  if (after.failure !== null) {
    const { code, message } = after.failure;
    log.error({ ...fields, code, error: message, ...stack }, "order failed");
  } else if (after.visit > before.visit) {
    log.warn(
      { ...fields, to: after.status, code: exhaustedBy, reason: after.entry.reason, ...stack },
      "attempts used up",
    );
  } else if (after.attempting) {
    // No attempt has ended: the next one begins.
    const { orderId, status, visit } = fields;
    log.warn({ orderId, status, visit, attempt: after.attempts }, "attempt begins again; the last told of no end");
  } else {
    const notBefore = after.notBefore === null ? null : new Date(after.notBefore).toISOString();
    log.warn({ ...fields, error: after.entry.error, notBefore, ...stack }, "attempt failed");
  }
}
