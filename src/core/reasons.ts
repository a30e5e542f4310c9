/** What an error says: its own message and the reasons behind it. Nothing here throws, whatever was thrown. */
import { CauceError } from "./errors.ts";

const errorTags: ReadonlySet<string> = new Set(["[object Error]", "[object DOMException]"]);

/** Whether a value is an error, of this realm or of another: test runners run an app in a `vm` context. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || errorTags.has(Object.prototype.toString.call(value));
  } catch {
    return false;
  }
}

/** Whether a value is a `TypeError`, of this realm or of another. */
export function isTypeError(value: unknown): value is TypeError {
  return isError(value) && read(value, "name") === "TypeError";
}

/**
 * Gives the message of what was thrown, with the first reason down its `cause` and `errors`: "fetch failed: connect
 * ECONNREFUSED 127.0.0.1:443". A `CauceError` tells its reason itself.
 */
export function messageOf(error: unknown): string {
  return withReasons("", error) || described(error);
}

/** Gives the text of what was thrown, with its name and the first reason: "TypeError: fetch failed: …". */
export function textOf(error: unknown): string {
  return withReasons(described(error), error);
}

/**
 * Gives what stands behind an error: its `cause`, the `errors` of an `AggregateError`, and the two errors of a
 * `SuppressedError`, of which the suppressed one came first.
 */
export function reasonsBehind(error: unknown): unknown[] {
  const errors = read(error, "errors");
  const suppressed = read(error, "suppressed");
  const all = [
    read(error, "cause"),
    ...(Array.isArray(errors) ? errors.slice(0, errorsMax) : []),
    ...(suppressed === undefined ? [] : [suppressed, read(error, "error")]),
  ];
  return all.filter((each) => each !== undefined && each !== null);
}

const errorsMax = 20;
const reasonCharactersMax = 1_000;

function withReasons(start: string, error: unknown): string {
  let text = start;
  for (const reason of firstReasons(error, new Set())) {
    // Many messages quote their cause already.
    if (!text.includes(reason)) text = text === "" ? reason : `${text}: ${reason.slice(0, reasonCharactersMax)}`;
  }
  return text;
}

/** Gives the words of an error and of the first error behind it that has any, and so on down. */
function firstReasons(error: unknown, seen: Set<unknown>): string[] {
  // An error may be its own cause.
  if (seen.has(error) || seen.size >= errorsMax) return [];
  seen.add(error);
  const message = typeof error === "object" ? read(error, "message") : error;
  const own = message === undefined || message === null || message === "" ? [] : [described(message)];
  if (error instanceof CauceError) return own;
  for (const each of reasonsBehind(error)) {
    const reasons = firstReasons(each, seen);
    if (reasons.length > 0) return [...own, ...reasons];
  }
  if (own.length > 0) return own;
  // An error without a word has its code or its name.
  const name = read(error, "code") ?? read(error, "name");
  return typeof name === "string" && name !== "" ? [name] : [];
}

/** Reads a property. A getter that throws gives undefined. */
function read(from: unknown, name: string): unknown {
  try {
    return typeof from === "object" && from !== null ? (from as Record<string, unknown>)[name] : undefined;
  } catch {
    return undefined;
  }
}

function described(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "something that has no description";
  }
}
