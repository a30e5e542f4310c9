/** Finds the numbers of a JSON text that a double cannot hold: they would be stored as other numbers. */
import { CauceError, type ErrorCode } from "./errors.ts";

export const inexactMessage = "is a number that would be stored as another; send it as a string";

/**
 * Whether a number's text stands for another number once it is read: it becomes infinite, it becomes zero without being
 * zero, or its whole part is not that of the double. Decimals are rounded as everywhere.
 */
export function isInexact(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return true;
  const [, whole = "", fraction = "", exponent = "0"] = /^[+-]?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = whole + fraction;
  if (value === 0) return /[1-9]/.test(digits);
  const point = whole.length + Number(exponent);
  if (point <= 0) return Math.abs(value) >= 1;
  return BigInt(digits.slice(0, point).padEnd(point, "0")) !== BigInt(Math.trunc(Math.abs(value)));
}

/**
 * Whether JSON text has a number that a double cannot hold. Such a number has 16 digits in a row or an exponent, and
 * other texts are not looked at any further.
 */
export function hasInexactNumber(text: string): boolean {
  if (!/\d[eE]/.test(text) && !hasDigits(text, 16)) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (isDigit(code)) {
      let end = at + 1;
      while (isOfNumber(text.charCodeAt(end))) end++;
      if (isInexact(text.slice(at, end))) return true;
      at = end;
    }
  }
  return false;
}

/** The index of the quote that ends the string which begins at `start`. Without such a quote: the text's length. */
export function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x5c) index++;
    else if (code === 0x22) return index;
  }
  return text.length;
}

/** Whether the text has so many digits in a row. Looks at one character of `count`, and beside it where that is a digit. */
function hasDigits(text: string, count: number): boolean {
  for (let at = count - 1; at < text.length; at += count) {
    let first = at;
    while (isDigit(text.charCodeAt(first))) first--;
    if (first === at) continue;
    let end = at + 1;
    while (isDigit(text.charCodeAt(end))) end++;
    if (end - first > count) return true;
  }
  return false;
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
/** A digit, or one of `.`, `e`, `E`, `+` and `-`. */
const isOfNumber = (code: number): boolean =>
  isDigit(code) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === 0x2d;

interface Found {
  readonly holder: object;
  readonly key: string;
  readonly value: number;
  readonly source: string;
}

const armed = Symbol("cauce.armNumbers");

interface Armed {
  readonly [armed]?: (armed: boolean) => void;
}

/**
 * Parses JSON text in which `hasInexactNumber`. Reading such a number from the value throws `code`, with its path. So it
 * is refused where the schema takes it, and passed over where the schema drops it. `path`: how an error names a path.
 */
export function parseArmed(text: string, code: ErrorCode, path: (path: string) => string): unknown {
  const found: Found[] = [];
  const root: { readonly "": unknown } = {
    "": JSON.parse(text, function (this: object, key: string, value: unknown, ...[context]: unknown[]): unknown {
      const source = (context as { source?: string } | undefined)?.source;
      if (typeof value === "number" && source !== undefined && isInexact(source)) {
        found.push({ holder: this, key, value, source });
      }
      return value;
    }),
  };
  const value = root[""];
  const fail = (where: string): never => {
    const at = path(where);
    throw new CauceError(code, `${at === "" ? "the body" : at} ${inexactMessage}`, {
      faults: [{ path: at, message: inexactMessage }],
    });
  };
  if (typeof value !== "object" || value === null) return found.length > 0 ? fail("") : value;
  let throws = true;
  const places = pathsOf(value, new Set(found.map(({ holder }) => holder)));
  for (const { holder, key, value: number, source } of found) {
    // Of two members with one name the last one counts, and it may be another value.
    if ((holder as Record<string, unknown>)[key] !== number) continue;
    const above = places.get(holder);
    if (above === undefined) continue;
    const where = above === "" ? key : `${above}.${key}`;
    Object.defineProperty(holder, key, {
      enumerable: true,
      configurable: true,
      // Canonical JSON has no infinite number, and is made of the whole body.
      get: () => (throws ? fail(where) : Number.isFinite(number) ? number : source),
    });
  }
  const arm = (armed: boolean) => {
    throws = armed;
  };
  // In an envelope the data is one level down.
  for (const each of [
    value,
    ...Object.entries(Object.getOwnPropertyDescriptors(value)).map(([, { value: own }]) => own),
  ]) {
    if (typeof each === "object" && each !== null) Object.defineProperty(each, armed, { value: arm });
  }
  return value;
}

/** Whether `parseArmed` made the value, or the value around it. */
export function isArmed(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, armed);
}

/** Gives what `read` gives, which may read every number of a value that `parseArmed` made. */
export function readReleased<T>(value: unknown, read: () => T): T {
  const arm = typeof value === "object" && value !== null ? (value as Armed)[armed] : undefined;
  arm?.(false);
  try {
    return read();
  } finally {
    arm?.(true);
  }
}

/** Finds the paths of some of the objects below a value. */
function pathsOf(root: object, wanted: ReadonlySet<object>): ReadonlyMap<object, string> {
  const paths = new Map<object, string>();
  const look = (value: object, path: string): void => {
    if (wanted.has(value)) paths.set(value, path);
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === "object" && inner !== null) look(inner, path === "" ? key : `${path}.${key}`);
    }
  };
  look(root, "");
  return paths;
}
