import { CauceError } from "./errors.ts";

/** Makes a cursor: text that a caller hands back to go on, and does not look into. */
export function writeCursor(text: string): string {
  return Buffer.from(text).toString("base64url");
}

/**
 * Gives what `parse` makes of a cursor's text. `whose` says what returns such cursors, such as "a list". Throws
 * `invalid_cursor` for a cursor that `writeCursor` did not write, and where `parse` gives undefined.
 */
export function readCursor<Position>(
  cursor: string,
  whose: string,
  parse: (text: string) => Position | undefined,
): Position {
  const text = Buffer.from(cursor, "base64url").toString();
  // `Buffer.from` skips what is not base64url, so only a cursor of Cauce's own comes out the same.
  const position = writeCursor(text) === cursor ? parse(text) : undefined;
  if (position !== undefined) return position;
  throw new CauceError("invalid_cursor", `the cursor is not one that ${whose} returned; leave it out to begin again`);
}

/** Makes a cursor of a name and whole numbers from 0 on: `after:12:34`. */
export function writeNumbers(name: string, ...numbers: readonly number[]): string {
  return writeCursor([name, ...numbers].join(":"));
}

/** Reads the numbers of a cursor. Throws `invalid_cursor` for another name or another count of numbers. */
export function readNumbers(cursor: string, whose: string, name: string, count: number): number[] {
  return readCursor(cursor, whose, (text) => {
    const numbers = text.split(":").slice(1).map(Number);
    const isOurs = numbers.length === count && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    return isOurs && [name, ...numbers].join(":") === text ? numbers : undefined;
  });
}

/** Parses JSON; undefined for text that is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
