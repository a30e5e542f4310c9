import type { BackendFactoryOptions } from "../backend/port.ts";
import type { Log } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { unfailing } from "../core/unfailing.ts";
import type { Observer } from "./context.ts";
import { stackTraceOf, standardErrorLog } from "./log.ts";

/** What is told of an engine's work. */
export type Callback = "log" | "observer" | "onBatch";

/** The log and the observers of an engine's work, none of which throws. */
interface GuardedCallbacks {
  readonly log: Log;
  observer(observer: Observer): Observer;
  onBatch(onBatch: BackendFactoryOptions["onBatch"]): BackendFactoryOptions["onBatch"];
}

/**
 * Guards the callbacks that come from outside, once for all engines: one that throws fails no order and ends no process.
 * `onFailed` hears of each failure. The first failure of the log is told on standard error, and that of an observer in
 * the log.
 */
export function guardCallbacks(log: Log, onFailed: (callback: Callback) => void = () => {}): GuardedCallbacks {
  const told = new Set<Callback>();
  const failing =
    (callback: Callback, to: Log) =>
    (error: unknown): void => {
      onFailed(callback);
      if (told.has(callback)) return;
      told.add(callback);
      const fields = { callback, error: textOf(error), stack: stackTraceOf(error) };
      to.error(fields, "a callback failed and fails no order; further failures of it are only counted");
    };
  const logFailed = failing("log", standardErrorLog());
  const guardedLog: Log = {
    info: unfailing((fields, message) => log.info(fields, message), logFailed),
    warn: unfailing((fields, message) => log.warn(fields, message), logFailed),
    error: unfailing((fields, message) => log.error(fields, message), logFailed),
  };
  const observerFailed = failing("observer", guardedLog);
  return {
    log: guardedLog,
    observer: (observer) => ({
      placed: unfailing((order) => observer.placed(order), observerFailed) as Observer["placed"],
      changed: unfailing((change, attempt) => observer.changed(change, attempt), observerFailed),
      removed: unfailing((count) => observer.removed(count), observerFailed) as Observer["removed"],
      rejected: unfailing((status) => observer.rejected(status), observerFailed) as Observer["rejected"],
      blocked: unfailing((status) => observer.blocked(status), observerFailed) as Observer["blocked"],
    }),
    onBatch: (onBatch) => onBatch && unfailing(onBatch, failing("onBatch", guardedLog)),
  };
}

/** Says what is wrong with a log that is given; undefined for a log, and where none is given. */
export function logFault(log: unknown): string | undefined {
  if (log === undefined) return undefined;
  const missing = ["info", "warn", "error"].find((level) => typeof Object(log)[level] !== "function");
  return missing && `log has no function \`${missing}\`; it must have info, warn and error`;
}
