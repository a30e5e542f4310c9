import { CauceError } from "../../core/errors.ts";

/** Where a list, a removal or the sweep stands, as text that callers hand back. */
export function cursorOf(...position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

function positionOf(cursor: string): unknown[] {
  try {
    const position: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    // Buffer.from skips what is not base64url, so only a cursor that comes out the same was one of ours.
    if (Array.isArray(position) && cursorOf(...position) === cursor) return position;
  } catch {
    // No JSON: refused below.
  }
  return [];
}

export function indexOf(of: "list" | "remove", cursor: string, length: number): number {
  const [kind, index] = positionOf(cursor);
  if (kind === of && typeof index === "number" && Number.isInteger(index) && index >= 0 && index < length) {
    return index;
  }
  throw invalidCursor();
}

export function overduePosition(cursor: string): { at: number; id: string } {
  const [kind, at, id] = positionOf(cursor);
  if (kind === "overdue" && typeof at === "number" && typeof id === "string") return { at, id };
  throw invalidCursor();
}

function invalidCursor(): CauceError {
  return new CauceError("invalid_cursor", "the cursor is not one that a list returned; leave it out to start anew");
}
