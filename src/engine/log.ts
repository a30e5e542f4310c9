import type { Log } from "../core/handlers.ts";

export type { Log } from "../core/handlers.ts";

/**
 * A log that writes one JSON line to standard error for each warning and error, and drops the rest. It takes whatever
 * it is given: a field that JSON has no word for must not fail the attempt that logs it.
 */
export function standardErrorLog(): Log {
  return { ...jsonLog((line) => process.stderr.write(line)), info: () => {} };
}

/** A log of JSON lines, for whoever writes them. It takes whatever it is given. */
export function jsonLog(put: (line: string) => void): Log {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
    put(`${lineOf({ level, time: new Date().toISOString(), message }, fields)}\n`);
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}

const stackCharactersMax = 8_192;

/**
 * Where an error arose, with what caused it, for a log; undefined for what is no `Error`. Never throws, whatever the
 * error's getters do.
 */
export function stackOf(error: unknown): string | undefined {
  try {
    const stacks: string[] = [];
    // A cause may be its own cause.
    for (let each = error; each instanceof Error && stacks.length < 5; each = each.cause) {
      stacks.push(String(each.stack ?? each.name));
    }
    return stacks.length === 0 ? undefined : stacks.join("\ncaused by: ").slice(0, stackCharactersMax);
  } catch {
    return undefined;
  }
}

/** Whatever was thrown, as text. Never throws: what has no text of its own must not end whoever logs it. */
export function textOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "something that has no description";
  }
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
