import { CauceError } from "./errors.ts";

/** Where a list or a walk stands, as text that callers hand back and do not look into. */
export function writeCursor(text: string): string {
  return Buffer.from(text).toString("base64url");
}

/**
 * What `parse` makes of a cursor's text. Throws `invalid_cursor` for a cursor that `writeCursor` did not write and for
 * one of which `parse` makes undefined; `whose` says what returns such cursors ("a list").
 */
export function readCursor<Position>(
  cursor: string,
  whose: string,
  parse: (text: string) => Position | undefined,
): Position {
  const text = Buffer.from(cursor, "base64url").toString();
  // Buffer.from leaves out what is not base64url, so a cursor that comes out the same was one of ours.
  const position = writeCursor(text) === cursor ? parse(text) : undefined;
  if (position !== undefined) return position;
  throw new CauceError("invalid_cursor", `the cursor is not one that ${whose} returned; leave it out to begin again`);
}

/** A cursor of whole numbers from 0 on under a name: `after:12:34`. */
export function writeNumbers(name: string, ...numbers: readonly number[]): string {
  return writeCursor([name, ...numbers].join(":"));
}

/** The numbers, so many, of a cursor of that name. Throws `invalid_cursor` for any other. */
export function readNumbers(cursor: string, whose: string, name: string, count: number): number[] {
  return readCursor(cursor, whose, (text) => {
    const numbers = text.split(":").slice(1).map(Number);
    const isOurs = numbers.length === count && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    return isOurs && [name, ...numbers].join(":") === text ? numbers : undefined;
  });
}

/** A text as JSON; undefined for one that is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
