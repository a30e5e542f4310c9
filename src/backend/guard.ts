import { CauceError } from "../core/errors.ts";
import type { Backend } from "./port.ts";

type Method = (...given: readonly unknown[]) => Promise<unknown>;

/**
 * Refuses every call from the first `close` on: it rejects with `closed` and this message, and never reaches the backend.
 * Every later `close` gives the promise of the first.
 * A method that answers without a promise, such as `where`, stays outside: a factory adds it to what this returns.
 * `underWay` holds each call until it has ended, for a backend whose `close` waits for the calls. Without it a call costs
 * no further promise.
 */
export function guarded<Guarded extends Backend>(
  backend: Guarded,
  message: string,
  underWay?: Set<Promise<unknown>>,
): Guarded {
  let closing: Promise<void> | undefined;
  const hold = (running: Promise<unknown>): void => {
    const letGo = () => underWay?.delete(running);
    underWay?.add(running);
    running.then(letGo, letGo);
  };
  const whileOpen =
    (call: Method): Method =>
    (...given) => {
      if (closing !== undefined) return Promise.reject(new CauceError("closed", message));
      const running = call(...given);
      if (underWay !== undefined) hold(running);
      return running;
    };
  const methods = Object.entries(backend).filter(([, value]) => typeof value === "function") as [string, Method][];
  return {
    ...backend,
    ...Object.fromEntries(methods.map(([name, call]) => [name, whileOpen(call)])),
    close() {
      closing ??= backend.close();
      return closing;
    },
  };
}
