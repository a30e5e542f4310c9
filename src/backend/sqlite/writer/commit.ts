import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Failure } from "../../../core/order.ts";
import type { Decoder } from "../batch/codec.ts";
import { deliveryCode, op, type Unsuccessful } from "../batch/protocol.ts";
import { change, plainValues, type RowOf, transition } from "../batch/row.ts";
import { queueState } from "../schema.ts";
import {
  bucketOf,
  endLease,
  join,
  putBack,
  type QueueSlot,
  type QueueStatements,
  surfaceNext,
  unqueued,
} from "./queue.ts";
import { count, current, queuedOf, queueOf, type Writer } from "./state.ts";

const { at } = change;

export type CommitWriter = Writer<QueueStatements & ReturnType<typeof commitStatements>>;
export const commitStatements = (db: DatabaseSync) => {
  const update = (names: readonly string[], past: string, also = ""): StatementSync => {
    const special: Readonly<Record<string, string>> = { past, results: "coalesce(?, results)" };
    const set = names.map((name) => `${name} = ${special[name] ?? "?"}`).join(", ");
    return db.prepare(`UPDATE orders SET ${set}${also} WHERE seq = ?`);
  };
  const changed = [...change.names, "queue", "position", "lane", "due"];
  return {
    // The transition of an order that has no delay, failure, expiry, attempt or group before or after: nearly every one.
    transition: update([...transition.names, "position", "queue"], "past || ?"),
    // The order is leased before and after, so its queue is not set, and no index of the queue is written.
    transitionLeased: update([...transition.names, "position"], "past || ?"),
    changeAppending: update(changed, "past || ?", ", redelivered = 0"),
    changeReplacing: update(changed, "?", ", redelivered = 0"),
    failed: db.prepare(
      `INSERT INTO failure_groups VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET
       count = count + 1, message = excluded.message, last_at = excluded.last_at`,
    ),
    unfailed: db.prepare("UPDATE failure_groups SET count = count - 1 WHERE status = ? AND fingerprint = ?"),
    emptied: db.prepare("DELETE FROM failure_groups WHERE status = ? AND fingerprint = ? AND count <= 0"),
  };
};

type Commit = ReturnType<typeof decodeCommit>;
export type Found = NonNullable<ReturnType<typeof find>>;

/**
 * Commits a change: compare-and-set on the version. The writer is alone, so nothing comes between reading the version and
 * writing the row. Of two changes that were decided at one version, the second finds the first one's and is stale.
 */
export function commit(writer: CommitWriter, from: Decoder, index: number, code: number): Unsuccessful | undefined {
  const made = decodeCommit(from, code);
  const { seq, delivery, values, changed, extras } = made;
  const found = find(writer, made);
  if (found === undefined || found.order.version + 1 !== values[at.version]) return { is: "stale" };
  if (extras !== undefined) writer.statements.setExtras.run(extras, seq);
  if (delivery === deliveryCode.keep) write(writer, made, found, keptSlot(found, values[at.version]));
  else {
    leave(writer, found);
    const slot = nextSlot(writer, made, found, index);
    if (changed !== undefined) countFailure(writer, changed);
    write(writer, made, found, slot);
    if (delivery !== deliveryCode.again) surfaceNext(writer, found.order);
  }
  return undefined;
}

/** Reads what `encodeCommit` of the front wrote. */
function decodeCommit(from: Decoder, code: number) {
  const isPlain = code === op.transition || code === op.transitionWithExtras;
  const hasExtras = code === op.transitionWithExtras || code === op.changeWithExtras;
  const seq = from.number();
  // Null where the front has leased the order itself, and so knows that `seq` is the order's.
  const id = from.textOrNull();
  const delivery = from.number();
  // The same values, with those that only a change has which is no plain transition.
  const changed = isPlain ? undefined : change.decode(from);
  const values = changed ?? transition.decode(from);
  // Whether `past` replaces the stored visits.
  const isCut = changed !== undefined && from.number() === 1;
  // Undefined leaves the stored ones.
  const extras = hasExtras ? from.textOrNull() : undefined;
  return { seq, id, delivery, values, changed, isCut, extras };
}

/** Finds the order of a change, by its lease or by its row; undefined where there is none of that id. */
function find(writer: CommitWriter, { seq, id }: Commit) {
  const lease = writer.leases.get(seq);
  if (lease !== undefined && id === null) return { order: lease, lease, row: undefined };
  const row = writer.statements.selectCurrent.get(seq);
  return row?.[current.at.id] === id ? { order: queuedOf(writer, row), lease, row } : undefined;
}

/** The slot that an order has, and keeps. */
function keptSlot({ order, lease, row }: Found, version: number): QueueSlot {
  if (lease !== undefined) {
    lease.version = version;
    lease.plain = false;
  }
  if (row === undefined) return { queue: queueState.leased, position: order.position, group: order.group, due: null };
  const { [current.at.queue]: queue, [current.at.position]: position, [current.at.due]: due } = row;
  return { queue, position, group: order.group, due };
}

/** Takes an order out of the queue or the bucket in which it is, and out of its group of failures. */
export function leave(writer: CommitWriter, { order, lease, row }: Found): void {
  if (lease !== undefined) endLease(writer, lease);
  if (row === undefined || lease !== undefined) return;
  const { [current.at.queue]: queue, [current.at.kind]: kind, [current.at.fingerprint]: fingerprint } = row;
  count(writer, order.queue, queue ?? bucketOf(kind, fingerprint !== null), -1);
  if (fingerprint === null) return;
  writer.statements.unfailed.run(order.queue.status, fingerprint);
  writer.statements.emptied.run(order.queue.status, fingerprint);
}

/** Gives the slot of the order after the change, and counts the order there. */
function nextSlot(
  writer: CommitWriter,
  { seq, delivery, values, changed }: Commit,
  { order, row }: Found,
  index: number,
): QueueSlot {
  const { [at.status]: status, [at.kind]: kind, [at.visit]: visit, [at.version]: version } = values;
  if (delivery === deliveryCode.enter) {
    const groupKey = row === undefined ? order.group : row[current.at.group_key];
    const entering = {
      seq,
      status,
      group: writer.fifo ? groupKey : null,
      visit,
      version,
      plain: changed === undefined,
    };
    return join(writer, entering, index);
  }
  // An order that is in no queue has no position to come back to.
  if (delivery === deliveryCode.again && row?.[current.at.position] !== null) {
    return putBack(writer, order, changed?.[at.not_before] ?? writer.now);
  }
  const isFailed = changed !== undefined && changed[at.fingerprint] !== null;
  count(writer, queueOf(writer, status), bucketOf(kind, isFailed), 1);
  return unqueued;
}

function countFailure({ statements }: CommitWriter, changed: RowOf<typeof change>): void {
  const {
    [at.status]: status,
    [at.fingerprint]: fingerprint,
    [at.failure]: failure,
    [at.updated_at]: failedAt,
  } = changed;
  if (fingerprint === null || failure === null) return;
  const { message } = JSON.parse(failure) as Failure;
  statements.failed.run(status, fingerprint, message, failedAt, failedAt);
}

function write(
  { statements }: CommitWriter,
  { seq, values, changed, isCut }: Commit,
  { lease }: Found,
  { queue, position, group, due }: QueueSlot,
): void {
  if (changed !== undefined || !lease?.plain) {
    const statement = isCut ? statements.changeReplacing : statements.changeAppending;
    statement.run(...(changed ?? [...values, ...plainValues]), queue, position, group, due, seq);
  } else if (queue === queueState.leased) statements.transitionLeased.run(...values, position, seq);
  else statements.transition.run(...values, position, queue, seq);
}
