/**
 * Erases final orders, which are not counted, which no queue holds and of which none is leased: just their rows have to
 * go. An order that cannot be read may stand anywhere.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Decoder } from "../batch/codec.ts";
import type { Unsuccessful } from "../batch/protocol.ts";
import { isRowOf } from "../batch/readRow.ts";
import { kindNumber, query } from "../schema.ts";
import { type keyStatements, removeKey } from "./keys.ts";
import { surfaceNext } from "./queue.ts";
import { current, type Writer } from "./state.ts";
import { isUnreadable, leaveQueue, type UnreadableWriter } from "./unreadable.ts";

type RemoveWriter = UnreadableWriter & Writer<ReturnType<typeof keyStatements> & ReturnType<typeof removeStatements>>;
export const removeStatements = (db: DatabaseSync) => ({
  selectPage: query<[seq: number, kind: number, updatedAt: number]>(
    db,
    "SELECT seq, kind, updated_at FROM orders WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?",
  ),
  setLastRemoved: db.prepare(
    "INSERT INTO meta VALUES ('last_removed', CAST(? AS INTEGER)) ON CONFLICT DO UPDATE SET value = excluded.value",
  ),
  removeData: db.prepare("DELETE FROM order_data WHERE seq = ?"),
  removeOrder: db.prepare("DELETE FROM orders WHERE seq = ?"),
});

function erase(writer: RemoveWriter, seq: number): void {
  const { statements, lastSeq } = writer;
  // A start reads the last key from the rows. Without this note, an order that is placed after the start could get the
  // key of an order that is gone.
  if (seq === lastSeq) statements.setLastRemoved.run(seq);
  removeKey(writer, seq);
  statements.removeData.run(seq);
  statements.removeOrder.run(seq);
}

/** Erases one order, if it is final or cannot be read: `not_final` for any other, `not_found` for none. */
export function remove(writer: RemoveWriter, from: Decoder): Unsuccessful | undefined {
  const seq = from.number();
  const id = from.text();
  const row = writer.statements.selectCurrent.get(seq);
  if (row === undefined || !isRowOf(id, row[current.at.id], seq)) return { is: "not_found" };
  if (row[current.at.kind] !== kindNumber.final) {
    if (!isUnreadable(writer, seq)) return { is: "not_final" };
    const order = leaveQueue(writer, row);
    erase(writer, seq);
    surfaceNext(writer, order);
  } else erase(writer, seq);
  return undefined;
}

/** Looks at up to `limit` orders after a key that were placed before another key, and erases those that are old. */
export function removeOld(writer: RemoveWriter, from: Decoder): Unsuccessful {
  const [afterSeq, endSeq, before, limit] = [from.number(), from.number(), from.number(), from.number()];
  const rows = writer.statements.selectPage.all(afterSeq, endSeq, limit);
  const old = rows.filter(([, kind, updatedAt]) => kind === kindNumber.final && updatedAt < before);
  for (const [seq] of old) erase(writer, seq);
  const last = rows.length < limit ? undefined : rows.at(-1);
  return { is: "removed", removed: old.length, lastSeq: last?.[0] ?? null };
}
