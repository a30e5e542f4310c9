import { inspect } from "node:util";
import type { Log } from "../core/handlers.ts";
import { isError, messageOf, reasonsBehind } from "../core/reasons.ts";
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

const stacksMax = 20;
const stackCharactersMax = 4_096;
const traceCharactersMax = 16_384;

/**
 * Gives the stack of an error and of everything behind it, down its `cause` and `errors`, for a log; undefined for what
 * is no error. Never throws, also where the error's getters do.
 */
export function stackTraceOf(error: unknown): string | undefined {
  if (!isError(error)) return undefined;
  // An error may be its own cause.
  const all = new Set<unknown>([error]);
  for (const each of all) {
    for (const reason of reasonsBehind(each)) if (all.size < stacksMax) all.add(reason);
  }
  const stacks = [...all].map(stackOf).filter((stack) => stack !== undefined);
  return stacks.length === 0 ? undefined : stacks.join("\ncaused by: ").slice(0, traceCharactersMax);
}

function stackOf(error: unknown): string | undefined {
  try {
    const stack = isError(error) ? String(error.stack ?? error.name) : inspect(error);
    return stack.slice(0, stackCharactersMax);
  } catch {
    return undefined;
  }
}

function lineOf(head: object, fields: object): string {
  try {
    return JSON.stringify({ ...head, ...fields }, (_key, value: unknown) => {
      if (isError(value)) return stackTraceOf(value);
      return typeof value === "bigint" ? String(value) : value;
    });
  } catch (error) {
    return JSON.stringify({ ...head, fields: `not written: ${messageOf(error)}` });
  }
}
