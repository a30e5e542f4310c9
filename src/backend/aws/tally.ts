import type { Standing } from "./item.ts";

/** How many orders stand in one status. A definition may change a status's kind, so both kinds may have a row. */
export interface Row {
  readonly kind: "handled" | "waiting";
  readonly status: string;
  /** Open, and not put off. */
  readonly standing: number;
  /** Open, and not before a time. */
  readonly delayed: number;
  /** When the one of `standing` changed that did so first, in milliseconds since 1970. */
  readonly oldestAt: number | null;
  readonly failed: number;
}

/** So many of a row are counted; past that its counts are lower bounds. */
export const countedMost = 10_000;

/** The rows with these entries counted too, open or failed ones. */
export function tallied(rows: readonly Row[], entries: readonly Standing[], now: number): Row[] {
  const all = new Map<string, { -readonly [Field in keyof Row]: Row[Field] }>();
  for (const row of rows) all.set(`${row.kind} ${row.status}`, { ...row });
  for (const { status, kind: stood, notBefore, updatedAt, failure } of entries) {
    const kind = stood === "waiting" ? "waiting" : "handled";
    const key = `${kind} ${status}`;
    const row = all.get(key) ?? { kind, status, standing: 0, delayed: 0, oldestAt: null, failed: 0 };
    all.set(key, row);
    if (failure !== null) row.failed++;
    else if (kind === "handled" && (notBefore ?? 0) > now) row.delayed++;
    else {
      row.standing++;
      row.oldestAt = Math.min(row.oldestAt ?? updatedAt, updatedAt);
    }
  }
  return [...all.values()];
}

/** Whether so many of its open orders are counted that the rest need not be. */
export function isFull({ standing, delayed }: Row, most: number): boolean {
  return standing + delayed > most;
}

/** As short as it may be: a sweep's cursor and an item of the table hold it. */
export function encodeRows(rows: readonly Row[]): unknown[][] {
  return rows.map(({ kind, status, standing, delayed, oldestAt, failed }) => [
    kind,
    status,
    standing,
    delayed,
    oldestAt,
    failed,
  ]);
}

/** Undefined for what `encodeRows` did not write. */
export function decodeRows(encoded: unknown): Row[] | undefined {
  if (!Array.isArray(encoded)) return undefined;
  const rows: Row[] = [];
  for (const each of encoded) {
    if (!Array.isArray(each)) return undefined;
    const [kind, status, standing, delayed, oldestAt, failed] = each;
    const counts = [standing, delayed, failed, oldestAt ?? 0];
    if ((kind !== "handled" && kind !== "waiting") || typeof status !== "string") return undefined;
    if (!counts.every((count) => Number.isSafeInteger(count))) return undefined;
    rows.push({ kind, status, standing, delayed, oldestAt, failed });
  }
  return rows;
}
