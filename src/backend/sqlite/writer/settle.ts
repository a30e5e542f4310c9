/** What ends a lease without changing the order, and what queues a delivery again. */
import { kindNumber, redelivery } from "../schema.ts";
import { endLease, join, putBack, type QueueWriter, surface, surfaceNext } from "./queue.ts";
import { current, type Lease } from "./state.ts";

const { at } = current;

/** Ends the lease of a visit's delivery; undefined where that lease has ended already. */
function endLeaseOf(writer: QueueWriter, seq: number, visit: number): Lease | undefined {
  const lease = writer.leases.get(seq);
  if (lease === undefined || lease.visit !== visit) return undefined;
  endLease(writer, seq, lease);
  return lease;
}

function redeliveredOf(writer: QueueWriter, seq: number): number {
  return writer.statements.selectCurrent.get(seq)?.[at.redelivered] ?? redelivery.no;
}

/** Takes a delivery off its queue. */
export function settleDone(writer: QueueWriter, seq: number, visit: number): void {
  const lease = endLeaseOf(writer, seq, visit);
  if (lease === undefined) return;
  writer.statements.setSlot.run(null, null, null, null, redelivery.no, seq);
  surfaceNext(writer, lease);
}

/** Puts a delivery back until `due`. That it ended in an orderly way clears the mark of a process that died. */
export function settleAgain(writer: QueueWriter, seq: number, visit: number, due: number): void {
  const lease = endLeaseOf(writer, seq, visit);
  if (lease === undefined) return;
  const redelivered = Math.min(redeliveredOf(writer, seq), redelivery.leaseEnded);
  if (due <= writer.now) surface(writer, seq, lease, redelivered);
  else {
    const { queue, position, group } = putBack(writer, lease, due);
    writer.statements.setSlot.run(queue, position, group, due, redelivered, seq);
  }
}

/** Delivers again what was not settled within its lease. */
export function leaseEnded(writer: QueueWriter, seq: number, visit: number): void {
  const lease = endLeaseOf(writer, seq, visit);
  if (lease !== undefined) surface(writer, seq, lease, redelivery.leaseEnded);
}

/** Takes back a delivery that no handler began: it comes again as it would have come. */
export function giveBack(writer: QueueWriter, seq: number, visit: number): void {
  const lease = endLeaseOf(writer, seq, visit);
  if (lease !== undefined) surface(writer, seq, lease, redeliveredOf(writer, seq));
}

/** Queues the delivery of a visit, where the order has none. */
export function redeliver(writer: QueueWriter, seq: number, visit: number): void {
  const { statements, fifo } = writer;
  const row = statements.selectCurrent.get(seq);
  if (row === undefined || row[at.visit] !== visit || row[at.kind] !== kindNumber.handled) return;
  if (row[at.queue] !== null || row[at.fingerprint] !== null) return;
  const { [at.status]: status, [at.version]: version, [at.group_key]: groupKey } = row;
  const order = { seq, status, group: fifo ? groupKey : null, visit, version, plain: false };
  const { queue, position, group } = join(writer, order, undefined);
  statements.setSlot.run(queue, position, group, null, redelivery.no, seq);
}
