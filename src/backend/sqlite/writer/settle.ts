/** What ends a lease without changing the order, and what queues a delivery again. */
import type { Decoder } from "../batch/codec.ts";
import { isAttemptLost, kindNumber, redelivery } from "../schema.ts";
import { endLease, join, putBack, type QueueWriter, surface, surfaceNext } from "./queue.ts";
import { current, type LeasedRow } from "./state.ts";

const { at } = current;

/** Reads which delivery is meant, and ends its lease; undefined where the lease of that visit has ended already. */
function endLeaseOf(writer: QueueWriter, from: Decoder): LeasedRow | undefined {
  const lease = writer.leases.get(from.number());
  if (lease?.visit !== from.number()) return undefined;
  endLease(writer, lease);
  return lease;
}

function redeliveredOf(writer: QueueWriter, { seq }: LeasedRow): number {
  return writer.statements.selectCurrent.get(seq)?.[at.redelivered] ?? redelivery.no;
}

function isLost(writer: QueueWriter, { seq }: LeasedRow): boolean {
  const row = writer.statements.selectCurrent.get(seq);
  return row !== undefined && isAttemptLost(row[at.redelivered], row[at.attempting]);
}

/** Takes a delivery off its queue. */
export function settleDone(writer: QueueWriter, from: Decoder): undefined {
  const lease = endLeaseOf(writer, from);
  if (lease === undefined) return;
  writer.statements.setSlot.run(null, null, null, null, redelivery.no, lease.seq);
  surfaceNext(writer, lease);
}

/** Puts a delivery back until `due`. That it ended in an orderly way clears the mark of a process that died. */
export function settleAgain(writer: QueueWriter, from: Decoder): undefined {
  const lease = endLeaseOf(writer, from);
  const due = from.number();
  if (lease === undefined) return;
  const redelivered = isLost(writer, lease) ? redelivery.leaseEnded : redelivery.no;
  if (due <= writer.now) surface(writer, lease, redelivered);
  else {
    const { queue, position, group } = putBack(writer, lease, due);
    writer.statements.setSlot.run(queue, position, group, due, redelivered, lease.seq);
  }
}

/** Delivers again what was not settled within its lease. */
export function leaseEnded(writer: QueueWriter, from: Decoder): undefined {
  const lease = endLeaseOf(writer, from);
  if (lease !== undefined) surface(writer, lease, redelivery.leaseEnded);
}

/** Takes back a delivery that no handler began: it comes again as it would have come. */
export function giveBack(writer: QueueWriter, from: Decoder): undefined {
  const lease = endLeaseOf(writer, from);
  if (lease !== undefined) surface(writer, lease, redeliveredOf(writer, lease));
}

/** Queues the delivery of a visit, where the order has none. */
export function redeliver(writer: QueueWriter, from: Decoder): undefined {
  const { statements, fifo } = writer;
  const seq = from.number();
  const visit = from.number();
  const row = statements.selectCurrent.get(seq);
  if (row === undefined || row[at.visit] !== visit || row[at.kind] !== kindNumber.handled) return;
  if (row[at.queue] !== null || row[at.fingerprint] !== null) return;
  const { [at.status]: status, [at.version]: version, [at.group_key]: groupKey } = row;
  const order = { seq, status, group: fifo ? groupKey : null, visit, version, plain: false };
  const { queue, position, group } = join(writer, order, undefined);
  statements.setSlot.run(queue, position, group, null, redelivery.no, seq);
}

/** Queues the delivery of a later visit, and then takes the delivery of an earlier one off its queue. */
export function supersede(writer: QueueWriter, from: Decoder): undefined {
  redeliver(writer, from);
  settleDone(writer, from);
}
