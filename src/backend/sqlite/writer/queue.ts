/**
 * The queues of the statuses, over the rows of `orders`. A row that is due is `ready`; or `leased` at once when the front
 * has asked for a delivery and no other row is before it. So on an idle or flowing queue an order is written once for
 * each transition, already leased, and never read back. In FIFO delivery only the head of a group is ready. The others
 * are `parked`, out of the index that leasing reads, so a group that is held back costs the others nothing.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Decoder } from "../batch/codec.ts";
import { op } from "../batch/protocol.ts";
import { numberIn, statusIn } from "../batch/readRow.ts";
import { type QueuedRow, queued, type ReadRow, read, selected, textLengthOf, withData } from "../batch/row.ts";
import { bucket, kindNumber, query, queueState, redelivery } from "../schema.ts";
import {
  type CurrentRow,
  count,
  current,
  hasRoom,
  type LeasedRow,
  type Queued,
  queuedOf,
  queueOf,
  type StateStatements,
  type StatusQueue,
  type Writer,
} from "./state.ts";
import { addSuspect, areCleared, beginTrial, endSuspect, isApart, isOnTrial } from "./suspects.ts";

/** Where an order is in its queue, as columns. */
export interface QueueSlot {
  readonly queue: number | null;
  readonly position: number | null;
  readonly group: string | null;
  /** When it may be leased, while it is delayed. */
  readonly due: number | null;
}

export const unqueued: QueueSlot = { queue: null, position: null, group: null, due: null };

const joined = `FROM orders o ${withData}`;

const { at } = current;

export type QueueStatements = StateStatements & ReturnType<typeof queueStatements>;
export type QueueWriter = Writer<QueueStatements>;
export const queueStatements = (db: DatabaseSync) => ({
  setSlot: db.prepare("UPDATE orders SET queue = ?, position = ?, lane = ?, due = ?, redelivered = ? WHERE seq = ?"),
  setQueue: db.prepare("UPDATE orders SET queue = ? WHERE seq = ?"),
  selectCurrent: query<CurrentRow>(db, `SELECT ${current.names} FROM orders WHERE seq = ?`),
  selectStored: query<ReadRow>(db, `SELECT ${selected(read)} ${joined} WHERE o.seq = ?`),
  groupBusy: query<[1]>(db, "SELECT 1 FROM orders WHERE status = ? AND lane = ? AND seq <> ? LIMIT 1"),
  groupHead: query<CurrentRow>(
    db,
    `SELECT ${current.names} FROM orders WHERE status = ? AND lane = ? ORDER BY position LIMIT 1`,
  ),
  due: query<CurrentRow>(
    db,
    `SELECT ${current.names} FROM orders WHERE queue = 3 AND due IS NOT NULL AND due <= ? ORDER BY due LIMIT 500`,
  ),
  // `queue <> 2` is what the index says of itself. `position` is the last column of the index, so this reads just the
  // rows that it returns.
  ready: query<QueuedRow>(
    db,
    `SELECT ${selected(queued)} ${joined}
     WHERE o.queue = 1 AND o.queue <> 2 AND o.status = ? ORDER BY o.position LIMIT ?`,
  ),
  readyFresh: query<QueuedRow>(
    db,
    `SELECT ${selected(queued)} ${joined}
     WHERE o.queue = 1 AND o.queue <> 2 AND o.status = ? AND o.redelivered <> 2 ORDER BY o.position LIMIT ?`,
  ),
  crashSuspects: query<QueuedRow>(
    db,
    `SELECT ${selected(queued)} FROM orders o INDEXED BY orders_suspect ${withData}
     WHERE o.redelivered = 2 AND o.queue = 1 ORDER BY o.position`,
  ),
  suspectsCleared: db.prepare("DELETE FROM meta WHERE name = 'deaths'"),
  // A statement of its own, and not a column of others: nearly every order is placed and changed without extras.
  setExtras: db.prepare("UPDATE orders SET extras = ? WHERE seq = ?"),
  pause: db.prepare("INSERT INTO paused VALUES (?) ON CONFLICT DO NOTHING"),
  resume: db.prepare("DELETE FROM paused WHERE status = ?"),
});

const isAsked = ({ demand, paused }: StatusQueue): boolean => demand > 0 && !paused;
const readyIn = ({ counts }: StatusQueue): number => counts[queueState.ready] as number;

/** Whether the next row of this queue that becomes due may be leased at once. */
function isWanted(writer: QueueWriter, queue: StatusQueue): boolean {
  return !writer.crashSuspects.blockOthers && isAsked(queue) && readyIn(queue) === 0 && hasRoom(writer);
}

function beginLease(writer: QueueWriter, lease: LeasedRow): void {
  lease.queue.demand--;
  if (typeof lease.source === "object") writer.textLength += textLengthOf(lease.source);
  writer.leases.set(lease.seq, lease);
  writer.begun.push(lease);
}

/** Ends a lease. Where the lease began in this batch too, the front never hears of it: what it would hand out is past. */
export function endLease(writer: QueueWriter, lease: LeasedRow): void {
  const { seq, queue, source } = lease;
  count(writer, queue, queueState.leased, -1);
  if (source !== undefined) {
    lease.source = undefined;
    queue.demand++;
  }
  writer.leases.delete(seq);
  endSuspect(writer.crashSuspects, seq);
}

/**
 * Gives the slot at the end of the queue of `status`, for a row that the caller writes. A row that is leased at once goes
 * out as the order of `operation`; where that is undefined, leasing is left to `leaseReady`. `plain` as in a lease.
 */
export function join(
  writer: QueueWriter,
  order: { seq: number; status: string; group: string | null; visit: number; version: number; plain: boolean },
  operation: number | undefined,
): QueueSlot {
  const { seq, status, group, visit, version, plain } = order;
  const queue = queueOf(writer, status);
  const position = ++writer.position;
  let state: number = queueState.ready;
  if (group !== null && writer.statements.groupBusy.get(status, group, seq) !== undefined) state = queueState.parked;
  else if (operation !== undefined && isWanted(writer, queue)) {
    state = queueState.leased;
    const lease = { seq, queue, group, visit, position, version, plain: plain && group === null, source: operation };
    beginLease(writer, lease);
  }
  count(writer, queue, state, 1);
  return { queue: state, position, group, due: null };
}

/** Gives the slot of a row that keeps its position until `due`, or that is ready when `due` is past. */
export function putBack(writer: QueueWriter, { queue, position, group }: Queued, due: number): QueueSlot {
  const isDelayed = due > writer.now;
  const state = isDelayed ? queueState.delayed : queueState.ready;
  count(writer, queue, state, 1);
  return { queue: state, position, group, due: isDelayed ? due : null };
}

/** Makes a row that is on the disk ready, or leased. */
export function surface(writer: QueueWriter, order: Queued, redelivered: number): void {
  const { statements } = writer;
  const { seq, queue, group, visit, position, version } = order;
  const isLeased = isWanted(writer, queue);
  const state = isLeased ? queueState.leased : queueState.ready;
  statements.setSlot.run(state, position, group, null, redelivered, seq);
  count(writer, queue, state, 1);
  if (redelivered === redelivery.processDied) addSuspect(writer.crashSuspects);
  if (!isLeased) return;
  const source = statements.selectStored.get(seq);
  beginLease(writer, { seq, queue, group, visit, position, version, plain: false, source });
}

/** The head of a group has left: the next one is due, unless it is delayed or out already. */
export function surfaceNext(writer: QueueWriter, { queue, group }: Queued): void {
  if (group === null) return;
  const { statements } = writer;
  const head = statements.groupHead.get(queue.status, group);
  if (head === undefined || head[at.queue] !== queueState.parked) return;
  count(writer, queue, queueState.parked, -1);
  if ((head[at.due] ?? 0) <= writer.now) surface(writer, queuedOf(writer, head), head[at.redelivered]);
  else {
    statements.setQueue.run(queueState.delayed, head[at.seq]);
    count(writer, queue, queueState.delayed, 1);
  }
}

/** Makes delayed rows due whose time has come. */
export function promote(writer: QueueWriter): undefined {
  // Also where no row is due yet: the timer that fired is spent, and the front sets a new one.
  writer.wakeChanged = true;
  for (const row of writer.statements.due.all(writer.now)) {
    const order = queuedOf(writer, row);
    count(writer, order.queue, queueState.delayed, -1);
    surface(writer, order, row[at.redelivered]);
  }
}

/** Whether a row is ready in a queue of which the front has asked for a delivery. */
export function hasLeasable({ queues }: QueueWriter): boolean {
  for (const queue of queues.values()) if (isAsked(queue) && readyIn(queue) > 0) return true;
  return false;
}

/** Leases ready rows, the oldest first, as many as the front has asked for and as have room in one batch. */
export function leaseReady(writer: QueueWriter): void {
  const { crashSuspects, statements } = writer;
  leaseCrashSuspects(writer);
  if (crashSuspects.blockOthers) return;
  const ready = crashSuspects.mayBe ? statements.readyFresh : statements.ready;
  for (const queue of writer.queues.values()) {
    if (!isAsked(queue) || readyIn(queue) === 0) continue;
    for (const row of withinRoom(writer, ready.iterate(queue.status, queue.demand))) leaseRow(writer, queue, row);
  }
}

/** Reads rows while they have room. To lease one takes it out of the index that is read, so that is left for later. */
function withinRoom({ textLength, limits }: QueueWriter, rows: Iterable<QueuedRow>): QueuedRow[] {
  const read: QueuedRow[] = [];
  let length = textLength;
  if (length >= limits.textLengthMax) return read;
  for (const row of rows) {
    read.push(row);
    length += textLengthOf(row);
    if (length >= limits.textLengthMax) break;
  }
  return read;
}

function leaseRow(writer: QueueWriter, queue: StatusQueue, row: QueuedRow): void {
  const { [queued.at.seq]: seq, [queued.at.lane]: group, [queued.at.position]: position } = row;
  const [visit, version] = [numberIn(row[queued.at.visit]), numberIn(row[queued.at.version])];
  writer.statements.setQueue.run(queueState.leased, seq);
  count(writer, queue, queueState.ready, -1);
  count(writer, queue, queueState.leased, 1);
  beginLease(writer, { seq, queue, group, visit, position, version, plain: false, source: row });
}

/**
 * Leases the next group of crash suspects, unless the group before is still on trial. A suspect that the front has not
 * asked for blocks no other order: its status may be paused, busy, or gone.
 */
function leaseCrashSuspects(writer: QueueWriter): void {
  const { crashSuspects, statements, now } = writer;
  if (crashSuspects.deaths === 0 && !crashSuspects.mayBe) return;
  if (!isOnTrial(crashSuspects, now)) {
    const group = leaseGroup(writer);
    writer.wakeChanged ||= group.length + crashSuspects.group.size > 0;
    if (group.length > 0) beginTrial(crashSuspects, group, now);
    else crashSuspects.group.clear();
  }
  crashSuspects.blockOthers = isApart(crashSuspects) && crashSuspects.group.size > 0;
  const isLeft = (status: string): boolean => {
    const { paused, isHandled } = queueOf(writer, status);
    return paused || !isHandled;
  };
  if (!areCleared(crashSuspects, isLeft)) return;
  statements.suspectsCleared.run();
  crashSuspects.deaths = 0;
}

function leaseGroup(writer: QueueWriter): number[] {
  const { crashSuspects, statements } = writer;
  const group: number[] = [];
  if (!crashSuspects.mayBe || crashSuspects.unasked?.every((status) => !isAsked(queueOf(writer, status)))) return group;
  const unasked = new Set<string>();
  // To lease a row changes nothing of the index that is read here.
  for (const row of statements.crashSuspects.iterate()) {
    const queue = queueOf(writer, statusIn(row[queued.at.status]));
    if (group.length === crashSuspects.groupMax || !hasRoom(writer)) {
      crashSuspects.unasked = undefined;
      return group;
    }
    if (isAsked(queue)) {
      leaseRow(writer, queue, row);
      group.push(row[queued.at.seq]);
    } else unasked.add(queue.status);
  }
  crashSuspects.mayBe = unasked.size > 0;
  crashSuspects.unasked = [...unasked];
  return group;
}

/** Pauses or resumes a status. Nothing of a paused status is leased; what is leased already stays so. */
export function setPaused(writer: QueueWriter, from: Decoder, _: number, code: number): undefined {
  const status = from.text();
  const isPaused = code === op.pause;
  writer.statements[isPaused ? "pause" : "resume"].run(status);
  queueOf(writer, status).paused = isPaused;
}

/** The bucket of an order that is not queued; undefined for a final order, which is not counted. */
export function bucketOf(kind: number, failed: boolean): number | undefined {
  if (failed) return kind === kindNumber.waiting ? bucket.failedWaiting : bucket.failedHandled;
  return kind === kindNumber.waiting ? bucket.waiting : undefined;
}
