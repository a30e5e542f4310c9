import type { Log } from "../core/handlers.ts";

export type { Log } from "../core/handlers.ts";

/** A log that writes one JSON line to standard error for each warning and error, and drops the rest. */
export function standardErrorLog(): Log {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
    process.stderr.write(`${JSON.stringify({ level, time: new Date().toISOString(), message, ...fields })}\n`);
  };
  return { info: () => {}, warn: write("warn"), error: write("error") };
}
