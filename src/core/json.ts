/** What JSON has no word for: `JSON.stringify` makes null, `{}` or nothing of it, and an order would lose it. */
import { CauceError, type Fault } from "./errors.ts";
import { messageOf } from "./reasons.ts";

/**
 * Finds the first part of a value that JSON would lose. It reads a value as `JSON.stringify` does: a `toJSON` is called,
 * an object of a class has its own members, and a member that is undefined is left out. Throws nothing but what reading
 * a number of `parseArmed` throws.
 */
export function jsonFault(value: unknown): Fault | undefined {
  const look: Look = { above: [], path: [] };
  try {
    const message = faultIn(value, "", false, look);
    return message === undefined ? undefined : { path: look.path.reverse().join("."), message };
  } catch (error) {
    // A number of a body that a double cannot hold.
    if (error instanceof CauceError) throw error;
    // A getter or a `toJSON` threw, or the value is nested so deep that the stack ended.
    return { path: "", message: `cannot be read: ${messageOf(error)}` };
  }
}

/** Says in a sentence what JSON would lose, where, and what to do. */
export function describeJsonFault(what: string, { path, message }: Fault): string {
  return `${what} cannot be kept as JSON: ${path || "the whole"} ${message}; give what JSON has, or leave it out`;
}

/** Without Node's `Buffer`, since the typed client imports what uses this and must compile for a browser. */
export function utf8BytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

/** Whether a value is an object literal, of this realm or of another. */
export function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && isPlain(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Only the root of a realm's objects has no prototype itself.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

interface Look {
  /** The objects around the value, the outermost first. */
  readonly above: object[];
  /** The keys that lead to the fault, the last first. Filled once a fault is found. */
  readonly path: string[];
}

const wordless = (what: string): string => `is ${what}, for which JSON has no word`;

function faultIn(value: unknown, key: string, mayBeAbsent: boolean, look: Look): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : wordless(String(value));
    case "undefined":
      return mayBeAbsent ? undefined : wordless("undefined");
    case "object":
      if (value === null) return undefined;
      break;
    case "bigint":
      if (typeof toJsonOf(value) === "function") break;
      return wordless("a bigint");
    default:
      return wordless(`a ${typeof value}`);
  }
  const toJson = toJsonOf(value);
  if (typeof toJson !== "function") return faultInObject(value as object, look);
  const json: unknown = toJson.call(value, key);
  if (typeof json === "object" && json !== null) return faultInObject(json, look);
  // An invalid Date gives null.
  if (json === null && tagOf(value) === "Date") return wordless("an invalid date");
  return faultIn(json, key, mayBeAbsent, look);
}

function toJsonOf(value: unknown): unknown {
  return (value as { toJSON?: unknown }).toJSON;
}

function faultInObject(value: object, look: Look): string | undefined {
  const { above, path } = look;
  if (above.includes(value)) return "is an object that holds itself, for which JSON has no word";
  const isList = Array.isArray(value);
  // A list is read by its length: a hole is undefined, too.
  const names = isList ? undefined : Object.keys(value);
  if (names !== undefined && !isPlain(value)) {
    const message = faultInKind(value, names);
    if (message !== undefined) return message;
  }
  above.push(value);
  const count = names === undefined ? (value as unknown[]).length : names.length;
  for (let index = 0; index < count; index++) {
    const name = names === undefined ? index : (names[index] as string);
    const member = (value as Readonly<Record<string | number, unknown>>)[name];
    const type = typeof member;
    if (type === "string" || type === "boolean") continue;
    const message = faultIn(member, String(name), !isList, look);
    if (message === undefined) continue;
    path.push(String(name));
    return message;
  }
  above.pop();
  return undefined;
}

/** Kinds of object whose content is in no member. */
const closedKinds: ReadonlySet<string> = new Set([
  ...["Map", "Set", "WeakMap", "WeakSet", "WeakRef", "Promise", "RegExp", "Error"],
  ...["ArrayBuffer", "SharedArrayBuffer", "DataView", "Symbol", "BigInt"],
]);

/** Says what JSON would lose of an object that is neither a list nor a literal, beside its members. */
function faultInKind(value: object, names: readonly string[]): string | undefined {
  if (typeof (value as { then?: unknown }).then === "function") return `${wordless("a promise")}; await it first`;
  const kind = tagOf(value);
  // `JSON.stringify` unwraps it.
  if (kind === "Number" && !Number.isFinite(value.valueOf())) return wordless(String(value));
  // A kind of the platform without members, such as URLSearchParams or a generator, keeps its content elsewhere.
  const isClosed = closedKinds.has(kind) || (names.length === 0 && !openKinds.test(kind));
  return isClosed ? wordless(`${/^[AEIO]/.test(kind) ? "an" : "a"} ${kind}`) : undefined;
}

/** A class of the user, boxed values, and lists of numbers, which may be empty. */
const openKinds = /^(Object|Number|String|Boolean|\w+Array)$/;

/** The name of an object's kind, in every realm. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
