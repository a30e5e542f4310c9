/** Knows which code of the app a call or a rejection comes from. */
import { type AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { stackTraceOf } from "./log.ts";

/** Holds the run whose code is at work, also in what that code awaits, calls back and leaves behind. */
export type AppCode = AsyncLocalStorage<AppRun>;

/**
 * One run of the app's own code. Sockets and timers that a run left keep the object alive, so it holds no order and no
 * handler's context.
 */
export interface AppRun {
  readonly is: "handler" | "resources" | "release";
  /** What the attempts of the handler's status share; undefined for `resources` and `release`. */
  readonly own: Own | undefined;
  readonly orderId: string;
  readonly visit: number;
  isRunning: boolean;
  /** Fails the attempt with what was thrown, unless its outcome is there. Undefined for `resources` and `release`. */
  readonly fail: ((run: never, reason: unknown) => void) | undefined;
}

interface Own {
  readonly status: string;
  readonly log: Log;
  readonly observer: { rejected(status: string): void };
}

/** Calls code of the app as a run. */
export type Enter = <A, B, C, T>(run: AppRun, code: (a: A, b: B, c: C) => T, a: A, b: B, c: C) => T;

/** Enters runs from whatever context the caller has, such as that of one call of a function. */
export function enterFromCaller(appCode: AppCode): Enter {
  return (run, code, a, b, c) => appCode.run(run, code, a, b, c);
}

/**
 * Enters runs from the context of this call, for callers that all have that one, as a poll has. `AsyncLocalStorage.run`
 * makes a context to enter and another to leave. This makes one, and takes a fifth of the time.
 */
export function enterFromHere(appCode: AppCode): Enter {
  const here = new AsyncResource("cauce.handler");
  const enter: Enter = (run, code, a, b, c) => {
    appCode.enterWith(run);
    return code(a, b, c);
  };
  // `runInAsyncScope` goes back to the caller's context, also where the code throws.
  return (run, code, a, b, c) =>
    here.runInAsyncScope(enter<typeof a, typeof b, typeof c, ReturnType<typeof code>>, undefined, run, code, a, b, c);
}

/** Runs `resources` or `release`. */
export async function runAppCode<T>(appCode: AppCode, is: "resources" | "release", code: () => T): Promise<Awaited<T>> {
  const run: AppRun = { is, own: undefined, orderId: "", visit: 0, isRunning: true, fail: undefined };
  try {
    return await appCode.run(run, code);
  } finally {
    run.isRunning = false;
  }
}

/**
 * Throws `waits_for_itself` where running code of the app makes a call that would wait for that code: a `start` waits for
 * `resources`, and a `drain`, `close` or `stop` for everything.
 */
export function refuseInside(appCode: AppCode, call: "start" | "drain" | "close" | "stop"): void {
  const run = appCode.getStore();
  if (run === undefined || !run.isRunning || (call === "start" && run.is !== "resources")) return;
  const what = run.own === undefined ? `\`${run.is}\` of the app` : `the handler of "${run.own.status}"`;
  throw new CauceError(
    "waits_for_itself",
    `${call} was called in ${what}, which it would wait for; call it from outside, such as from a signal's listener`,
  );
}

/**
 * Takes a rejection that a handler left unhandled: logs and counts it, and fails the attempt that still runs. False where
 * no handler left it. Call it in a listener of `unhandledRejection`, which Node calls in the context of the rejection.
 */
export function takeRejection(appCode: AppCode, reason: unknown): boolean {
  const run = appCode.getStore();
  if (run?.own === undefined) return false;
  const { orderId, visit } = run;
  const { status, log, observer } = run.own;
  const fields = { orderId, status, visit, error: textOf(reason), stack: stackTraceOf(reason) };
  log.error(fields, "a handler left a rejection unhandled");
  observer.rejected(status);
  run.fail?.(run as never, reason);
  return true;
}
