import type { Log } from "../core/handlers.ts";
import { createLines, type Lines, streamSink } from "./lines.ts";

/** A log that knows how many of its lines could not be written. */
export interface CountingLog extends Log {
  dropped(): number;
}

/**
 * Makes a log that writes one JSON line to standard error for each warning and error, and drops the rest. It takes
 * every field: one that JSON cannot hold must not fail the attempt that logs it. A line that cannot be written is dropped
 * and counted: it ends neither the process nor the attempt.
 */
export function standardErrorLog(): CountingLog {
  let lines: Lines | undefined;
  const write = (line: string): void => {
    // Not before there is a line: Node opens the stream when it is first named.
    lines ??= createLines(streamSink(process.stderr), tellDropped);
    lines.write(line);
  };
  return { ...jsonLog(write), info: () => {}, dropped: () => lines?.dropped() ?? 0 };
}

/** Writes the line that says how many lines are missing before it. */
export function tellDropped(lines: number): string {
  return `${lineOf({ level: "warn", time: new Date().toISOString(), message: "log lines dropped" }, { lines })}\n`;
}

/** Makes a log that hands each line to `put` as JSON. It takes every field. */
export function jsonLog(put: (line: string) => void): Log {
  const write = (level: string) => (fields: Record<string, unknown>, message: string) => {
    put(`${lineOf({ level, time: new Date().toISOString(), message }, fields)}\n`);
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}

const stackCharactersMax = 8_192;

/**
 * Gives the stack of an error and of its causes, for a log; undefined for what is no `Error`. Never throws, also where
 * the error's getters do.
 */
export function stackTraceOf(error: unknown): string | undefined {
  try {
    const stacks: string[] = [];
    // An error may be its own cause.
    for (let each = error; each instanceof Error && stacks.length < 5; each = each.cause) {
      stacks.push(String(each.stack ?? each.name));
    }
    return stacks.length === 0 ? undefined : stacks.join("\ncaused by: ").slice(0, stackCharactersMax);
  } catch {
    return undefined;
  }
}

/** Gives the text of what was thrown. Never throws, also where the value cannot be made text. */
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
