import type { Backend, Delivery, Verdict } from "../backend/port.ts";
import type { Random } from "../core/clock.ts";
import { type Change, type DecideContext, type Decision, decide, type Outcome } from "../core/decide.ts";
import type { Log } from "../core/handlers.ts";
import type { Actor, StoredOrder } from "../core/order.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import { textOf } from "./log.ts";
import { type RunOptions, runHandler } from "./runHandler.ts";
import type { CommitAgain } from "./storeHealth.ts";
import { type EndedAttempt, type Observer, outcomeOf } from "./telemetry/observer.ts";

export interface AttemptOptions extends RunOptions {
  readonly workflow: AnyWorkflow;
  readonly backend: Backend;
  readonly random: Random;
  readonly actor: Pick<Actor, "runtime" | "name">;
  readonly commit: Backend["commit"];
  /** Waits out a store that did not take the change. */
  readonly commitAgain: CommitAgain;
  readonly observer: Observer;
}

/** A delivery that is tried. */
export interface HandedDelivery extends Delivery {
  /** The run of the function that was started for the delivery, where there is one; kept in the history. */
  readonly requestId?: string | undefined;
}

/** What comes of a delivery. `consumed`: a commit has ended the delivery's lease, so there is nothing to settle. */
export type Settlement = Verdict & { readonly consumed?: true };

/** Tries one delivery. Undefined when nothing can be said of the delivery and its lease must run out. */
export type Attempt = (delivery: HandedDelivery, onHandlerEnd: () => void) => Promise<Settlement | undefined>;

const done: Settlement = { verdict: "done" };
const consumed: Settlement = { verdict: "done", consumed: true };
const notYetSeconds = 1;

/**
 * Runs the handler of one delivery and commits what came of it.
 *
 * What can fail, and what repairs it:
 *   receive ─ get ─ (record a redelivered attempt) ─ handler ─ commit, which consumes the delivery
 *   dies before commit    the lease runs out, the delivery comes back as redelivered, and the attempt counts
 *   dies within commit    where change and delivery are two writes, the delivery comes back for an earlier visit and is
 *                         dropped
 *   commit is stale       another delivery of this visit was first: its outcome stands, and this one is settled as done
 */
export function createAttempt(options: AttemptOptions): Attempt {
  const { workflow, backend, clock, random, commit, commitAgain, observer, log } = options;

  // One object for all deliveries without ids: a backend may keep what it makes of it.
  const unnamed: Actor = { ...options.actor, requestId: null, messageId: null };

  const actorOf = ({ messageId, requestId }: HandedDelivery): Actor =>
    messageId === null && requestId === undefined ? unnamed : { ...unnamed, requestId: requestId ?? null, messageId };

  const contextOf = (delivery: HandedDelivery): DecideContext => ({
    workflow,
    now: clock.now(),
    random,
    by: actorOf(delivery),
    resultsBytesMax: backend.limits.dataBytesMax,
  });

  /** What to say of a delivery whose order another change reached first. */
  const verdictOf = (order: StoredOrder | undefined, delivery: Delivery): Verdict => {
    // It was removed meanwhile: one that is only not there yet is there when its delivery comes again.
    if (order === undefined && delivery.redelivered) return done;
    if (order === undefined || order.visit < delivery.visit) {
      return { verdict: "again", notBefore: clock.now() + notYetSeconds * 1_000 };
    }
    const lives = order.visit === delivery.visit && order.kind === "handled" && order.failure === null;
    return lives ? { verdict: "again", notBefore: Math.max(clock.now(), order.notBefore ?? 0) } : done;
  };

  const tell = (change: Change, attempt: EndedAttempt, why: Why): void => {
    observer.changed(change, attempt);
    logAttempt(log, change, attempt, why);
  };

  return async (delivery, onHandlerEnd) => {
    let order: StoredOrder | undefined;
    try {
      order = await backend.get(delivery.orderId);
    } catch (error) {
      // Nothing has run, so this is no attempt: it comes again soon, and not as lost when its lease has run out.
      onHandlerEnd();
      log.warn({ orderId: delivery.orderId, error: String(error) }, "order not read; trying again");
      return { verdict: "again", notBefore: clock.now() + notYetSeconds * 1_000 };
    }
    if (order === undefined || order.visit !== delivery.visit || order.failure !== null || order.kind !== "handled") {
      onHandlerEnd();
      if (order !== undefined && order.visit > delivery.visit && delivery.redelivered && isLive(order)) {
        // The process may have died between the commit of the next visit and its delivery (law 3).
        return { verdict: "superseded", by: order };
      }
      return verdictOf(order, delivery);
    }
    if (order.notBefore !== null && order.notBefore > clock.now()) {
      onHandlerEnd();
      return { verdict: "again", notBefore: order.notBefore };
    }
    if (delivery.redelivered) {
      const decision = decide(order, { kind: "redelivered", unattended: delivery.unattended }, contextOf(delivery));
      if ("refused" in decision) throw new Error(`redelivered was refused: ${decision.message}`);
      const { change, exhaustedBy } = decision;
      let committed: "committed" | "stale" | undefined;
      try {
        committed = await commit(change, delivery);
      } catch (error) {
        committed = await commitAgain(change, delivery, error);
      }
      if (committed === "committed") {
        tell(change, { outcome: outcomeOf(change, false), milliseconds: 0 }, { exhaustedBy });
      }
      if (committed !== "committed" || change.delivery !== "keep") {
        onHandlerEnd();
        if (committed === undefined) return undefined;
        return committed === "stale" ? verdictOf(await backend.get(delivery.orderId), delivery) : consumed;
      }
      order = change.after;
    }
    const startedAt = clock.now();
    const running = runHandler(order, options);
    const outcome = running instanceof Promise ? await running : running;
    const milliseconds = clock.now() - startedAt;
    onHandlerEnd();
    const decision = decideOn(order, outcome, contextOf(delivery));
    if ("refused" in decision) throw new Error(`${outcome.kind} was refused: ${decision.message}`);
    const { change, exhaustedBy } = decision;
    // Not a helper of both places: it would cost each change a promise.
    let committed: "committed" | "stale" | undefined;
    try {
      committed = await commit(change, delivery);
    } catch (error) {
      committed = await commitAgain(change, delivery, error);
    }
    if (committed === undefined) return undefined;
    if (committed === "stale") return verdictOf(await backend.get(delivery.orderId), delivery);
    // A handler that returned what it may not has not moved its order, though `exhausted` has.
    const moved = outcome.kind === "moved" && exhaustedBy === undefined;
    const stack = outcome.kind === "failed" ? outcome.stack : undefined;
    tell(change, { outcome: outcomeOf(change, moved), milliseconds }, { exhaustedBy, stack });
    if (change.delivery !== "again") return consumed;
    return { verdict: "again", notBefore: change.after.notBefore ?? clock.now(), consumed: true };
  };
}

/** Results can throw while they are read, and what has no text even while that is told: the handler is at fault then. */
function decideOn(order: StoredOrder, outcome: Outcome, context: DecideContext): Decision {
  try {
    return decide(order, outcome, context);
  } catch (error) {
    const message = `the results given in "${order.status}" cannot be read: ${textOf(error)}`;
    return decide(order, { kind: "failed", code: "invalid_results", message, permanent: true }, context);
  }
}

function isLive(order: StoredOrder): boolean {
  return order.kind === "handled" && order.failure === null;
}

/** What is said of an attempt in the log alone. */
interface Why {
  /** The code of the failure with which the order went to `exhausted`. */
  readonly exhaustedBy?: string | undefined;
  /** Where the handler threw. */
  readonly stack?: string | undefined;
}

/** One line for each attempt. What Cauce says of the order is where it stands, never its data. */
function logAttempt(log: Log, { before, after }: Change, { outcome, milliseconds }: EndedAttempt, why: Why): void {
  const fields = {
    orderId: before.id,
    status: before.status,
    visit: before.visit,
    attempt: before.attempting ? before.attempts : before.attempts + 1,
    milliseconds,
    outcome,
  };
  if (outcome === "moved") {
    log.info({ ...fields, to: after.status }, "attempt done");
    return;
  }
  const { exhaustedBy } = why;
  const stack = why.stack === undefined ? undefined : { stack: why.stack };
  if (after.failure !== null) {
    const { code, message } = after.failure;
    log.error({ ...fields, code, error: message, ...stack }, "order failed");
  } else if (after.visit > before.visit) {
    log.warn(
      { ...fields, to: after.status, code: exhaustedBy, reason: after.entry.reason, ...stack },
      "attempts used up",
    );
  } else if (after.attempting) {
    // Nothing has ended yet: the next attempt begins.
    const { orderId, status, visit } = fields;
    log.warn({ orderId, status, visit, attempt: after.attempts }, "attempt begins again; the last told of no end");
  } else {
    const notBefore = after.notBefore === null ? null : new Date(after.notBefore).toISOString();
    log.warn({ ...fields, error: after.entry.error, notBefore, ...stack }, "attempt failed");
  }
}
