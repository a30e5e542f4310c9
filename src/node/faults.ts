/** What a process that is Cauce's own hears of errors that nothing handled. The library listens to none of them. */
import type { Cauce } from "../cauce.ts";
import { CauceError } from "../core/errors.ts";
import type { Log } from "../core/handlers.ts";
import { textOf } from "../core/reasons.ts";
import { stackTraceOf } from "../engine/log.ts";
import { isOnLambda } from "./readSettings.ts";

const drainMillisecondsMax = 10_000;

/**
 * Hears of errors that nothing handled. A rejection is logged and counted, and ends nothing. At the first uncaught
 * exception `uncaught` rejects, so that the process drains. After 10 s the process ends in any case, with exit code 1.
 */
export function hearFaults({ takeRejection }: Pick<Cauce, "takeRejection">, log: Log) {
  const { promise: uncaught, reject } = Promise.withResolvers<never>();
  // The process may have begun to end for another reason, and then waits for this promise no more.
  uncaught.catch(() => {});
  let late: NodeJS.Timeout | undefined;
  const forgetRejections = hearRejections(takeRejection, log);
  const onException = (error: unknown): void => {
    log.error(fieldsOf(error), "uncaught exception; the process drains for at most 10 s and ends");
    late ??= setTimeout(() => process.exit(1), drainMillisecondsMax);
    const message = `an exception was not caught (${textOf(error)}); the log has where it was thrown`;
    reject(new CauceError("internal_error", message, { cause: error }));
  };
  process.on("uncaughtException", onException);
  return {
    uncaught,
    close(): void {
      clearTimeout(late);
      forgetRejections();
      process.off("uncaughtException", onException);
    },
  };
}

/**
 * Hears of rejections that nothing handled, and logs those that `take` does not: they are of no handler. The returned
 * function ends that.
 */
export function hearRejections(take: (reason: unknown) => boolean, log: Log): () => void {
  const onRejection = (reason: unknown): void => {
    if (!take(reason)) log.error(fieldsOf(reason), "a rejection was left unhandled; no handler made it");
  };
  process.on("unhandledRejection", onRejection);
  return () => process.off("unhandledRejection", onRejection);
}

/** Takes the listeners off that Lambda's runtime has: at a rejection they end the function, and every order in hand. */
export function forgetRuntimeListeners(): void {
  if (isOnLambda()) process.removeAllListeners("unhandledRejection");
}

function fieldsOf(error: unknown): Record<string, unknown> {
  return { error: textOf(error), stack: stackTraceOf(error) };
}
