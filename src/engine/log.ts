import type { Log } from "../core/handlers.ts";

export type { Log } from "../core/handlers.ts";

/**
 * A log that writes one JSON line to standard error for each warning and error, and drops the rest. It takes whatever
 * it is given: a field that JSON has no word for must not fail the attempt that logs it.
 */
export function standardErrorLog(): Log {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
    process.stderr.write(`${lineOf({ level, time: new Date().toISOString(), message }, fields)}\n`);
  };
  return { info: () => {}, warn: write("warn"), error: write("error") };
}

function lineOf(head: object, fields: object): string {
  try {
    return JSON.stringify({ ...head, ...fields }, (_key, value: unknown) => {
      if (value instanceof Error) return value.stack ?? String(value);
      return typeof value === "bigint" ? String(value) : value;
    });
  } catch (error) {
    return JSON.stringify({ ...head, fields: `not written: ${error instanceof Error ? error.message : typeof error}` });
  }
}
