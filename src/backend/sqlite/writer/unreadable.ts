/** Lets go of orders whose rows cannot be read: they are counted as failed, and their rows stay as they are. */
import type { DatabaseSync } from "node:sqlite";
import { unreadableStatus } from "../../unreadable.ts";
import type { Decoder } from "../batch/codec.ts";
import type { Unsuccessful } from "../batch/protocol.ts";
import { isRowOf, numberIn, orderOfRead } from "../batch/readRow.ts";
import { kindNumber } from "../schema.ts";
import { type CommitWriter, leave } from "./commit.ts";
import { bucketOf, endLease, surfaceNext } from "./queue.ts";
import { type CurrentRow, count, current, type Queued, queuedOf, type Writer } from "./state.ts";

const { at } = current;

export type UnreadableWriter = CommitWriter & Writer<ReturnType<typeof unreadableStatements>>;
export const unreadableStatements = (db: DatabaseSync) => ({
  // Sets what the store finds failed orders by, and none of the columns that make the order. A failure that cannot be
  // read is one of those.
  mark: db.prepare(
    `UPDATE orders SET queue = NULL, position = NULL, lane = NULL, due = NULL, redelivered = 0,
     fingerprint = ?, failed_status = ?, failure = coalesce(failure, ?) WHERE seq = ?`,
  ),
});

/** Whether the row of a key cannot be read now. */
export function isUnreadable({ statements }: UnreadableWriter, seq: number): boolean {
  const row = statements.selectStored.get(seq);
  if (row === undefined) return false;
  return orderOfRead(row, (of) => statements.selectBytes.get(of)).unreadable !== undefined;
}

/** Takes an order out of its queue, or out of the orders that wait or have failed. Its group goes on after that. */
export function leaveQueue(writer: UnreadableWriter, row: CurrentRow): Queued {
  const order = queuedOf(writer, row);
  const lease = writer.leases.get(order.seq);
  // Where the status cannot be read, the order was counted under another one.
  if (order.queue.status !== unreadableStatus || row[at.fingerprint] !== null) leave(writer, { order, lease, row });
  else if (lease !== undefined) endLease(writer, lease);
  return order;
}

/**
 * Marks an order failed whose row cannot be read. `stale` where the row can be read again, the order is marked already, or
 * it is final: then nothing waits for it.
 */
export function markUnreadable(writer: UnreadableWriter, from: Decoder): Unsuccessful | undefined {
  const [seq, id, failedAt] = [from.number(), from.text(), from.number()];
  const [fingerprint, message, failure] = [from.text(), from.text(), from.text()];
  const { statements } = writer;
  const row = statements.selectCurrent.get(seq);
  if (row === undefined || !isRowOf(id, row[at.id], seq) || row[at.fingerprint] !== null) return { is: "stale" };
  if (row[at.kind] === kindNumber.final || !isUnreadable(writer, seq)) return { is: "stale" };
  const order = leaveQueue(writer, row);
  const { queue } = order;
  statements.mark.run(fingerprint, queue.status, failure, seq);
  count(writer, queue, bucketOf(numberIn(row[at.kind]), true), 1);
  statements.failed.run(queue.status, fingerprint, message, failedAt, failedAt);
  surfaceNext(writer, order);
  return undefined;
}
