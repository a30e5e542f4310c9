import { CauceError } from "../../core/errors.ts";

/** Where a list or a walk stands: row keys and times, as text that callers hand back. */
export function writeCursor(values: readonly number[]): string {
  return Buffer.from(`after:${values.join(":")}`).toString("base64url");
}

/** Throws `invalid_cursor` for anything that `writeCursor` did not write. */
export function readCursor(cursor: string, length: number): number[] {
  const text = Buffer.from(cursor, "base64url").toString();
  const values = text.split(":").slice(1).map(Number);
  if (writeCursor(values) !== cursor || values.length !== length || !values.every(Number.isSafeInteger)) {
    throw new CauceError("invalid_cursor", "the cursor is not one that a list returned; start without a cursor");
  }
  return values;
}
