import { inspect } from "node:util";
import type { Backend, Delivery, Verdict } from "../backend/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { type Change, type DecideContext, decide, type Outcome } from "../core/decide.ts";
import { CauceError, PermanentError, RetryError } from "../core/errors.ts";
import type { AnyHandler, Log } from "../core/handlers.ts";
import type { Actor, StoredOrder } from "../core/order.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { handlerOrder } from "./handlerOrder.ts";

export interface AttemptOptions {
  readonly workflow: AnyWorkflow;
  readonly status: string;
  readonly timeoutSeconds: number;
  readonly handler: () => AnyHandler | Promise<AnyHandler>;
  readonly resources: object;
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly actor: Pick<Actor, "runtime" | "name">;
  readonly deadlines: Deadlines;
  /** Commits a change, waiting out a store that does not take writes; undefined when it never did. */
  readonly commit: (change: Change) => Promise<"committed" | "stale" | undefined>;
}

/** One delivery → one verdict; undefined when nothing could be said and the lease must run out. */
export type Attempt = (delivery: Delivery, onHandlerEnd: () => void) => Promise<Verdict | undefined>;

const done: Verdict = { verdict: "done" };
const notYetSeconds = 1;

/**
 * Runs the handler of one delivery and commits what came of it.
 *
 * What can fail, and what repairs it:
 *   receive ─ get ─ (record a redelivered attempt) ─ handler ─ commit ─ settle
 *   dies before commit   the lease runs out, the delivery comes back as redelivered, and the attempt counts
 *   dies after commit    the delivery comes back for an earlier visit and is dropped
 *   commit is stale      another delivery of this visit was first: its outcome stands, this one is dropped
 */
export function createAttempt(options: AttemptOptions): Attempt {
  const { workflow, backend, clock, random, commit, log } = options;

  // One object for all deliveries without a message id: a backend may keep what it makes of it.
  const unnamed: Actor = { ...options.actor, requestId: null, messageId: null };

  const contextOf = (delivery: Delivery): DecideContext => ({
    workflow,
    now: clock.now(),
    random,
    by: delivery.messageId === null ? unnamed : { ...unnamed, messageId: delivery.messageId },
    resultsBytesMax: backend.limits.dataBytesMax,
  });

  /** What to say of a delivery whose order another change reached first. */
  const verdictOf = (order: StoredOrder | undefined, delivery: Delivery): Verdict => {
    if (order === undefined || order.visit < delivery.visit) {
      return { verdict: "again", notBefore: clock.now() + notYetSeconds * 1_000 };
    }
    const lives = order.visit === delivery.visit && order.kind === "handled" && order.failure === null;
    return lives ? { verdict: "again", notBefore: Math.max(clock.now(), order.notBefore ?? 0) } : done;
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
        await backend.redeliver(order);
      }
      return verdictOf(order, delivery);
    }
    if (order.notBefore !== null && order.notBefore > clock.now()) {
      onHandlerEnd();
      return { verdict: "again", notBefore: order.notBefore };
    }
    if (delivery.redelivered) {
      const decision = decide(order, { kind: "redelivered" }, contextOf(delivery));
      if ("refused" in decision) throw new Error(`redelivered was refused: ${decision.message}`);
      const { change } = decision;
      const committed = await commit(change);
      if (committed !== "committed" || change.delivery !== "keep") {
        onHandlerEnd();
        if (committed === undefined) return undefined;
        if (committed === "committed") logChange(log, change);
        return committed === "stale" ? verdictOf(await backend.get(delivery.orderId), delivery) : done;
      }
      order = change.after;
    }
    const outcome = await run(order, options);
    onHandlerEnd();
    const decision = decide(order, outcome, contextOf(delivery));
    if ("refused" in decision) throw new Error(`${outcome.kind} was refused: ${decision.message}`);
    const { change } = decision;
    const committed = await commit(change);
    if (committed === undefined) return undefined;
    if (committed === "stale") return verdictOf(await backend.get(delivery.orderId), delivery);
    if (outcome.kind !== "moved" || change.after.failure !== null) logChange(log, change);
    return change.delivery === "again" ? { verdict: "again", notBefore: change.after.notBefore ?? clock.now() } : done;
  };
}

function isLive(order: StoredOrder): boolean {
  return order.kind === "handled" && order.failure === null;
}

function logChange(log: Log, { before, after }: Change): void {
  const fields = {
    orderId: before.id,
    status: before.status,
    visit: before.visit,
    attempt: after.attempts || before.attempts + 1,
  };
  if (after.failure !== null)
    log.error({ ...fields, code: after.failure.code, error: after.failure.message }, "order failed");
  else if (after.visit > before.visit)
    log.warn({ ...fields, to: after.status, reason: after.entry.reason }, "attempts used up");
  else log.warn({ ...fields, error: after.entry.error, notBefore: after.notBefore }, "attempt failed");
}

/** Runs the handler until it ends or its time is up. Never rejects: whatever happens is an outcome. */
function run(order: StoredOrder, options: AttemptOptions): Promise<Outcome> {
  const { status, timeoutSeconds, clock, deadlines, log } = options;
  const attempt = order.attempting ? order.attempts : order.attempts + 1;
  return new Promise((resolve) => {
    const controller = new AbortController();
    let timedOut = false;
    const deadline: Deadline = {
      at: clock.now() + timeoutSeconds * 1_000,
      earlier: undefined,
      later: undefined,
      expire() {
        timedOut = true;
        controller.abort(new DOMException(`timeoutSeconds is ${timeoutSeconds}`, "TimeoutError"));
        const message = `the handler of "${status}" did not end within ${timeoutSeconds} s`;
        resolve({ kind: "failed", code: "attempt_timed_out", message });
      },
    };
    const end = (outcome: Outcome) => {
      deadlines.remove(deadline);
      resolve(outcome);
    };
    const context = {
      ...options.resources,
      signal: controller.signal,
      idempotencyKey: `${order.id}:${order.visit}`,
      attempt,
      log: withFields(log, { orderId: order.id, status, visit: order.visit, attempt }),
    };
    const call = (handler: AnyHandler) => {
      try {
        const answer = handler(handlerOrder(order, options.workflow.name), context);
        if (!isPromise(answer)) end(outcomeOf(answer, status));
        else
          answer.then(
            (value) => end(outcomeOf(value, status)),
            (error) => end(failureOf(error)),
          );
      } catch (error) {
        end(failureOf(error));
      }
    };
    deadlines.add(deadline);
    const handler = options.handler();
    if (typeof handler === "function") call(handler);
    else {
      handler.then(
        (loaded) => {
          // Time may be up before a module has loaded: its handler would run beyond the attempts.
          if (!timedOut) call(loaded);
        },
        (error) => end(failureOf(error, error instanceof CauceError ? error.code : "handler_failed")),
      );
    }
  });
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Never throws, whatever the answer's getters do. */
function outcomeOf(answer: unknown, status: string): Outcome {
  try {
    return read(answer, status);
  } catch (error) {
    return failureOf(error);
  }
}

function read(answer: unknown, status: string): Outcome {
  if (typeof answer === "string") return { kind: "moved", to: answer };
  const next = answer as { to?: unknown; results?: object } | null | undefined;
  if (typeof next?.to === "string") {
    // A misspelt `results` must not be lost in silence; TypeScript does not see it in what a function returns.
    const unknown = Object.keys(next).find((key) => key !== "to" && key !== "results");
    if (unknown === undefined) return { kind: "moved", to: next.to, results: next.results };
    const message = `the handler of "${status}" returned the unknown key "${unknown}"; it may return the next status or { to, results }`;
    return { kind: "failed", code: "invalid_transition", message, permanent: true };
  }
  return {
    kind: "failed",
    code: "invalid_transition",
    message: `the handler of "${status}" returned ${answer === null ? "null" : typeof answer}; it must return the next status or { to, results }`,
    permanent: true,
  };
}

/** Never throws, whatever was thrown. */
function failureOf(error: unknown, code = "handler_failed"): Outcome {
  try {
    const message = messageOf(error);
    if (error instanceof PermanentError) return { kind: "failed", code, message, permanent: true };
    if (error instanceof RetryError) return { kind: "failed", code, message, delaySeconds: error.delaySeconds };
    return { kind: "failed", code, message };
  } catch {
    return { kind: "failed", code, message: "the handler threw something that has no description" };
  }
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return `${error.message || error.name}`;
  // Not as `inspect` shows it: what is quoted is left out of a fingerprint.
  return typeof error === "string" && error !== "" ? error : inspect(error);
}

function withFields(log: Log, fields: Record<string, unknown>): Log {
  return {
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  };
}
