import { inspect } from "node:util";
import { atMonotonic, type Clock } from "../core/clock.ts";
import type { Outcome } from "../core/decide.ts";
import { defaultExportOf } from "../core/defaultExport.ts";
import { CauceError, delaySecondsMax, PermanentError, RetryError } from "../core/errors.ts";
import type { AnyHandler, HandlerContext, LazyHandler, Log } from "../core/handlers.ts";
import { attemptNumber, type StoredOrder } from "../core/order.ts";
import { isError, messageOf } from "../core/reasons.ts";
import { type HandledStatus, timeoutSecondsOf } from "../core/workflow.ts";
import type { AppRun, Enter } from "./appCode.ts";
import type { EngineContext } from "./context.ts";
import { stackTraceOf } from "./log.ts";
import { type Activity, blockMilliseconds, type LoopWatch } from "./loopWatch.ts";
import { handlerOrder } from "./orderView.ts";

/** What the attempts of one handled status share. */
export interface StatusContext extends EngineContext {
  readonly status: string;
  readonly definition: HandledStatus;
  readonly handler: () => AnyHandler | Promise<AnyHandler>;
  readonly resources: object;
  readonly enter: Enter;
  readonly deadlines: ReturnType<typeof createDeadlines>;
  readonly watch: LoopWatch;
  readonly activity: Activity;
  /** Aborts when the engine stops. */
  readonly stopping: AbortSignal;
}

/**
 * One call of a handler. Closures for each attempt would live as long as the objects that they hold together, and were
 * seen to survive into the old generation; so what ends a run are functions that are given the run.
 */
interface HandlerRun extends AppRun, AttemptDeadline {
  readonly own: StatusContext;
  /** Undefined once the run has ended. */
  controller: AbortController | undefined;
  /** Undefined while the handler is called, and once the run has ended. */
  resolve: ((outcome: Outcome) => void) | undefined;
}

/**
 * Runs the handler until it ends, its time is up, or a rejection of it is left unhandled. `startedAt`: now, by
 * `clock.monotonic()`. Never throws and never rejects: everything that happens is an outcome. A handler that answers
 * without a promise has its outcome at once.
 */
export function runHandler(order: StoredOrder, own: StatusContext, startedAt: number): Outcome | Promise<Outcome> {
  if (order.unreadable !== undefined) return { kind: "unreadable" };
  const controller = new AbortController();
  const run: HandlerRun = {
    is: "handler",
    own,
    orderId: order.id,
    visit: order.visit,
    isRunning: true,
    fail: failRun,
    at: startedAt + timeoutSecondsOf(own.definition) * 1_000,
    expire: expireRun,
    earlier: undefined,
    later: undefined,
    controller,
    resolve: undefined,
  };
  const running = own.enter(run, callHandler, order, contextOf(order, controller.signal, own), own);
  tellBlock(order, own, startedAt);
  if (!isPromise(running)) {
    run.isRunning = false;
    run.controller = undefined;
    return running;
  }
  return new Promise((resolve) => {
    run.resolve = resolve;
    own.deadlines.add(run);
    own.watch.begin(own.activity);
    void running.then((outcome) => endRun(run, outcome));
  });
}

function endRun(run: HandlerRun, outcome: Outcome): void {
  if (!run.isRunning) return;
  const { own, resolve } = run;
  run.isRunning = false;
  run.controller = run.resolve = undefined;
  own.deadlines.remove(run);
  own.watch.end(own.activity);
  resolve?.(outcome);
}

function failRun(run: HandlerRun, reason: unknown): void {
  run.controller?.abort(reason);
  endRun(run, failureOf(reason));
}

function expireRun(run: HandlerRun): void {
  const seconds = timeoutSecondsOf(run.own.definition);
  run.controller?.abort(new DOMException(`timeoutSeconds is ${seconds}`, "TimeoutError"));
  endRun(run, timedOut(run.own));
}

/** Calls the handler, once its module is loaded. */
function callHandler(
  order: StoredOrder,
  context: ReturnType<typeof contextOf>,
  own: StatusContext,
): Outcome | PromiseLike<Outcome> {
  const { status } = own;
  const outcomeOfCall = (handler: AnyHandler): Outcome | PromiseLike<Outcome> => {
    try {
      const returned = handler(handlerOrder(order, own.workflow.name), context);
      if (!isPromise(returned)) return outcomeOf(returned, status);
      return Promise.resolve(returned).then((value) => outcomeOf(value, status), failureOf);
    } catch (error) {
      return failureOf(error);
    }
  };
  const handler = own.handler();
  if (typeof handler === "function") return outcomeOfCall(handler);
  return handler.then(
    // Time may be up before the module has loaded. Its handler must not run once the attempt has ended.
    (loaded) => (context.signal.aborted ? timedOut(own) : outcomeOfCall(loaded)),
    (error) => failureOf(error, error instanceof CauceError ? error.code : "handler_failed"),
  );
}

/** Names a handler whose call blocked the event loop: no other handler, request or timer went on meanwhile. */
function tellBlock({ id: orderId, visit }: StoredOrder, own: StatusContext, startedAt: number): void {
  const milliseconds = Math.round(own.clock.monotonic() - startedAt);
  if (milliseconds < blockMilliseconds) return;
  const { status, log, observer, watch } = own;
  watch.told(milliseconds);
  log.warn({ orderId, status, visit, milliseconds }, "a handler blocked the event loop");
  observer.blocked(status);
}

function timedOut({ status, definition }: StatusContext): Outcome {
  const message = `the handler of "${status}" did not end within ${timeoutSecondsOf(definition)} s`;
  return { kind: "failed", code: "attempt_timed_out", message };
}

function contextOf(order: StoredOrder, signal: AbortSignal, { status, resources, log }: StatusContext) {
  const attempt = attemptNumber(order);
  return {
    ...resources,
    signal,
    idempotencyKey: `${order.id}:${order.visit}`,
    attempt,
    log: withFields(log, { orderId: order.id, status, visit: order.visit, attempt }),
  } satisfies HandlerContext;
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Reads what a handler returned. Never throws, also where a getter of it does. */
function outcomeOf(returned: unknown, status: string): Outcome {
  const refuse = (what: string): Outcome => {
    const message = `the handler of "${status}" returned ${what} return the next status or { to, results }`;
    return { kind: "failed", code: "invalid_transition", message, permanent: true };
  };
  try {
    if (typeof returned === "string") return { kind: "moved", to: returned };
    const next = returned as { to?: unknown; results?: object } | null | undefined;
    // Read `to` once: a getter may give another value the next time.
    const to = next?.to;
    if (typeof to !== "string") return refuse(`${returned === null ? "null" : typeof returned}; it must`);
    // TypeScript does not find a misspelt `results` in what a function returns, so its loss must not be silent.
    const unknown = Object.keys(next as object).find((key) => key !== "to" && key !== "results");
    if (unknown !== undefined) return refuse(`the unknown key "${unknown}"; it may`);
    return { kind: "moved", to, results: next?.results };
  } catch (error) {
    return failureOf(error);
  }
}

/** Gives the outcome of a handler that threw. Never throws. */
function failureOf(error: unknown, code = "handler_failed"): Outcome {
  try {
    const failed = { kind: "failed", code, message: failureMessageOf(error), stack: stackTraceOf(error) } as const;
    if (error instanceof PermanentError) return { ...failed, permanent: true };
    // `RetryError` has checked the delay. Where the handler changed it since, the retry policy decides.
    if (error instanceof RetryError && isDelay(error.delaySeconds)) {
      return { ...failed, delaySeconds: error.delaySeconds };
    }
    return failed;
  } catch {
    return { kind: "failed", code, message: "the handler threw something that has no description" };
  }
}

function isDelay(seconds: unknown): seconds is number {
  return typeof seconds === "number" && seconds >= 0 && seconds <= delaySecondsMax;
}

function failureMessageOf(error: unknown): string {
  if (isError(error)) return messageOf(error);
  // A text stays as it is: `inspect` would quote it, and a fingerprint leaves out what is quoted.
  return typeof error === "string" && error !== "" ? error : inspect(error);
}

function withFields(log: Log, fields: Record<string, unknown>): Log {
  return {
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  };
}

/** Makes what gives a handler. It loads a lazy handler at the first call. */
export function loaderOf(handler: AnyHandler | LazyHandler<AnyHandler>): StatusContext["handler"] {
  if (typeof handler === "function") return () => handler;
  let loaded: AnyHandler | undefined;
  let loading: Promise<AnyHandler> | undefined;
  const load = async () => {
    const module = await handler.lazy();
    const exported = defaultExportOf(module);
    if (typeof exported !== "function") {
      const message = "a lazy handler's module has no function as its default export; add `export default`";
      throw new CauceError("app_invalid", message);
    }
    loaded = exported as AnyHandler;
    return loaded;
  };
  // After a load that failed, the next attempt loads again.
  const end = () => {
    loading = undefined;
  };
  return () => loaded ?? (loading ??= load().finally(end));
}

/** The time by which an attempt must have ended. */
export interface AttemptDeadline {
  /** By `clock.monotonic()`. */
  readonly at: number;
  /** Called with this deadline once its time is up. */
  readonly expire: (deadline: never) => void;
  /** The neighbours in the list; undefined for a deadline that is in none. */
  earlier: AttemptDeadline | undefined;
  later: AttemptDeadline | undefined;
}

// An answer may take more than one turn: of a child process, its output and its end are two events.
const lateTurns = 4;

/** Calls back after so many turns of the event loop, in each of which it reads what has arrived. The function cancels. */
function afterTurns(turns: number, callback: () => void): () => void {
  let left = turns;
  let immediate: NodeJS.Immediate;
  const turn = (): void => {
    if (left-- === 0) callback();
    else immediate = setImmediate(turn);
  };
  turn();
  return () => clearImmediate(immediate);
}

/**
 * Keeps deadlines that all lie equally far ahead, so that the oldest is always the next. One timer serves any number of
 * running attempts, and an attempt that ends in time costs four assignments and no timer.
 *
 * It is a linked list whose two ends are one node. A `Set` would leave tables behind each time that its entries have
 * been replaced, and those keep ended attempts alive until a full collection.
 */
export function createDeadlines(clock: Clock) {
  const ends: AttemptDeadline = { at: Number.POSITIVE_INFINITY, expire() {}, earlier: undefined, later: undefined };
  ends.earlier = ends.later = ends;
  const setTimer = atMonotonic(clock);
  let cancel: (() => void) | undefined;

  /** Harmless for a deadline that is not in the list. */
  const remove = (deadline: AttemptDeadline): void => {
    const { earlier, later } = deadline;
    if (earlier === undefined || later === undefined) return;
    earlier.later = later;
    later.earlier = earlier;
    // An object that still refers to this deadline must not keep its neighbours alive.
    deadline.earlier = deadline.later = undefined;
  };

  const arm = (at: number) => {
    cancel = setTimer(at, () => {
      const now = clock.monotonic();
      // A timer that is late tells that the event loop was blocked. The answers that came meanwhile are read first.
      if (now > at) cancel = afterTurns(lateTurns, () => expireUntil(now));
      else expireUntil(now);
    });
  };
  const expireUntil = (now: number): void => {
    cancel = undefined;
    for (;;) {
      const next = ends.later as AttemptDeadline;
      if (next === ends) return;
      if (next.at > now) {
        arm(next.at);
        return;
      }
      remove(next);
      next.expire(next as never);
    }
  };

  return {
    add(deadline: AttemptDeadline): void {
      const last = ends.earlier as AttemptDeadline;
      deadline.earlier = last;
      deadline.later = ends;
      last.later = deadline;
      ends.earlier = deadline;
      if (cancel === undefined) arm(deadline.at);
    },
    remove,
    /** How many attempts are running, and in how many seconds the last of them must have ended. */
    left(): { running: number; secondsMax: number } {
      let running = 0;
      for (let each = ends.later as AttemptDeadline; each !== ends; each = each.later as AttemptDeadline) running++;
      const latest = ends.earlier as AttemptDeadline;
      return { running, secondsMax: running === 0 ? 0 : Math.ceil((latest.at - clock.monotonic()) / 1_000) };
    },
    close(): void {
      cancel?.();
      cancel = undefined;
      while (ends.later !== ends) remove(ends.later as AttemptDeadline);
    },
  };
}
