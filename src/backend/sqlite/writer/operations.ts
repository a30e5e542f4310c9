import { createIds } from "../../ids.ts";
import { createEncoder, type Decoder } from "../batch/codec.ts";
import {
  type BatchResult,
  type CommitOp,
  decodeCommit,
  decodePlace,
  deliveryCode,
  isPlain,
  messageOf,
  op,
  type PlaceOp,
  released,
  type Unsuccessful,
} from "../batch/protocol.ts";
import { blockSize, kindNumber, queueState, redelivery } from "../schema.ts";
import { bucketOf, type Lease, type QueueSlot, type Queues, unqueued } from "./queue.ts";
import type { Statements } from "./statements.ts";

/** What the writer does for each operation of a batch, within its transaction. */
export function createOperations(statements: Statements, queues: Queues, fifo: boolean) {
  const removal = createRemoval(statements);
  const ids = createIds(removal.lastSeq());
  const placed = createEncoder();
  const blocks = createBlocks(statements);

  const place = (o: PlaceOp, index: number): Unsuccessful | undefined => {
    const { status, kind, group, createdAt, entry } = o;
    if (o.keyHash !== null) {
      const found = statements.findKey.get(o.keyHash) as unknown as [string, string] | undefined;
      if (found !== undefined) {
        const same = found[1].toLowerCase() === o.contentHash;
        return { index, is: same ? "repeated" : "conflict", orderId: found[0] };
      }
    }
    const { seq, id } = ids.next(createdAt);
    if (o.keyHash !== null) statements.insertKey.run(o.keyHash, o.contentHash, seq);
    let queued = unqueued;
    if (kind === kindNumber.handled) {
      queued = queues.join(seq, status, fifo ? group : null, 0, 1, index);
    }
    const bucket = kind === kindNumber.handled ? undefined : bucketOf(kind, false);
    if (bucket !== undefined) queues.count(status, bucket, 1);
    const { queue, position } = queued;
    statements.insertOrder.run(
      seq,
      id,
      status,
      kind,
      queue,
      position,
      queued.group,
      o.expiresAt,
      group,
      group === null ? null : blocks.next(),
      createdAt,
      createdAt,
      entry,
    );
    statements.insertData.run(seq, o.data, o.keyHash);
    if (o.extras !== null) statements.setExtras.run(o.extras, seq);
    placed.number(seq);
    placed.text(id);
    return undefined;
  };

  /**
   * Compare-and-set on `version`. The writer is alone, so between reading the version and writing the row nothing can
   * come: of two changes that were decided at one version, the second finds the first one's version and is stale.
   */
  const commit = (o: CommitOp, index: number, now: number): Unsuccessful | undefined => {
    const { seq, version, status, kind, visit, notBefore, fingerprint, delivery } = o;
    const lease = queues.leases.get(seq);
    const old = lease === undefined || o.id !== "" ? read(seq) : ofLease(lease);
    if (old === undefined || old.version !== version || old.id !== o.id) return { index, is: "stale" };
    if (o.extras !== undefined) statements.setExtras.run(o.extras, seq);

    let queued: QueueSlot;
    if (delivery === deliveryCode.keep) {
      queued = old;
      if (lease !== undefined) {
        lease.version = version + 1;
        lease.plain = false;
      }
    } else {
      if (old.queue !== null) queues.count(old.status, old.queue, -1);
      else leaveBucket(old);
      queues.endLease(seq);
      if (delivery === deliveryCode.enter) {
        const group = fifo ? old.groupKey : null;
        queued = queues.join(seq, status, group, visit, version + 1, index);
      } else if (delivery === deliveryCode.again && old.position !== null) {
        queued = queues.putBack(status, old.position, old.group, notBefore ?? now, now);
      } else {
        queued = unqueued;
        const bucket = bucketOf(kind, fingerprint !== null);
        if (bucket !== undefined) queues.count(status, bucket, 1);
      }
      if (fingerprint !== null)
        statements.failed.run(status, fingerprint, messageOf(o.failure), o.updatedAt, o.updatedAt);
    }
    if (lease?.plain && isPlain(o)) {
      const { updatedAt, entry, ended, results } = o;
      const { queue, position } = queued;
      if (queue === queueState.leased)
        statements.transitionLeased.run(
          status,
          kind,
          visit,
          version + 1,
          position,
          updatedAt,
          entry,
          ended,
          results,
          seq,
        );
      else
        statements.transition.run(
          status,
          kind,
          visit,
          version + 1,
          queue,
          position,
          updatedAt,
          entry,
          ended,
          results,
          seq,
        );
      return undefined;
    }
    const statement = o.past === null ? statements.changeAppending : statements.changeReplacing;
    statement.run(
      status,
      kind,
      visit,
      version + 1,
      o.attempts,
      o.attempting,
      queued.queue,
      queued.position,
      queued.group,
      queued.due,
      notBefore,
      o.expiresAt,
      fingerprint,
      fingerprint === null ? null : status,
      o.failure,
      o.updatedAt,
      o.entry,
      o.past ?? o.ended,
      o.pastOmitted,
      o.results,
      seq,
    );
    if (old.group !== null && (delivery === deliveryCode.enter || delivery === deliveryCode.end)) {
      queues.surfaceNext(old.status, old.group, now);
    }
    return undefined;
  };

  interface OrderState extends QueueSlot {
    readonly id: string;
    readonly version: number;
    readonly status: string;
    readonly kind: number;
    readonly visit: number;
    readonly groupKey: string | null;
    readonly fingerprint: string | null;
  }

  // In FIFO delivery a leased order has its group key as its group; in standard delivery nobody asks for either.
  const ofLease = (lease: Lease): OrderState => ({
    ...lease,
    id: "",
    queue: queueState.leased,
    due: null,
    kind: 0,
    groupKey: lease.group,
    fingerprint: null,
  });

  const read = (seq: number) =>
    statements.selectOrder.get(seq) as unknown as (OrderState & { readonly redelivered: number }) | undefined;

  const leaveBucket = (old: OrderState): void => {
    const bucket = bucketOf(old.kind, old.fingerprint !== null);
    if (bucket !== undefined) queues.count(old.status, bucket, -1);
    if (old.fingerprint !== null) {
      statements.unfailed.run(old.status, old.fingerprint);
      statements.emptied.run(old.status, old.fingerprint);
    }
  };

  /** Ends a lease without changing the order; undefined when it has ended already. */
  const endLease = (seq: number, visit: number): Lease | undefined => {
    const lease = queues.leases.get(seq);
    if (lease === undefined || lease.visit !== visit) return undefined;
    queues.endLease(seq);
    queues.count(lease.status, queueState.leased, -1);
    return lease;
  };

  const settleDone = (seq: number, visit: number, now: number): void => {
    const lease = endLease(seq, visit);
    if (lease === undefined) return;
    statements.setQueue.run(null, null, null, null, 0, seq);
    queues.surfaceNext(lease.status, lease.group, now);
  };

  const settleAgain = (seq: number, visit: number, due: number, now: number): void => {
    const lease = endLease(seq, visit);
    if (lease === undefined) return;
    const redelivered = Math.min(read(seq)?.redelivered ?? 0, redelivery.leaseEnded);
    if (due <= now) queues.surface(seq, lease, redelivered);
    else {
      const { queue, position, group } = queues.putBack(lease.status, lease.position, lease.group, due, now);
      statements.setQueue.run(queue, position, group, due, redelivered, seq);
    }
  };

  const release = (seq: number, visit: number, why: number): void => {
    const lease = endLease(seq, visit);
    if (lease === undefined) return;
    queues.surface(seq, lease, why === released.asItWas ? (read(seq)?.redelivered ?? redelivery.no) : why);
  };

  const apply = (from: Decoder, now: number): Pick<BatchResult, "unsuccessful" | "placed"> => {
    const unsuccessful: Unsuccessful[] = [];
    for (let index = 0; !from.done(); index++) {
      const each = applyOne(from, index, now);
      if (each !== undefined) unsuccessful.push(each);
    }
    return { unsuccessful, placed: placed.take() };
  };

  const applyOne = (from: Decoder, index: number, now: number): Unsuccessful | undefined => {
    const code = from.number();
    switch (code) {
      case op.place:
      case op.placeWithExtras:
        return place(decodePlace(from, code === op.placeWithExtras), index);
      case op.commit:
      case op.commitWithExtras:
        return commit(decodeCommit(from, code === op.commitWithExtras), index, now);
      case op.settleDone:
        settleDone(from.number(), from.number(), now);
        return;
      case op.settleAgain:
        settleAgain(from.number(), from.number(), from.number(), now);
        return;
      case op.release:
        release(from.number(), from.number(), from.number());
        return;
      case op.promote:
        queues.promote(now);
        return;
      case op.redeliver:
        redeliver(from.number(), from.number());
        return;
      case op.pause:
        queues.pause(from.text());
        return;
      case op.resume:
        queues.resume(from.text());
        return;
      case op.remove:
        return removal.remove(index, from.number(), from.text());
      case op.removeFinal:
        return removal.walk(index, from.number(), from.number(), from.number(), from.number());
      case op.probe:
        statements.probed.run(now);
        return;
    }
  };

  const redeliver = (seq: number, visit: number): void => {
    const row = read(seq);
    if (
      row === undefined ||
      row.visit !== visit ||
      row.kind !== kindNumber.handled ||
      row.queue !== null ||
      row.fingerprint !== null
    )
      return;
    const queued = queues.join(seq, row.status, fifo ? row.groupKey : null, visit, row.version);
    statements.setQueue.run(queued.queue, queued.position, queued.group, null, 0, seq);
  };

  return {
    apply,
    /** Forgets what was rolled back. */
    discard(): void {
      placed.take();
      blocks.load();
    },
  };
}

/**
 * Erases final orders, within the writer's transaction. Nobody counts them, no queue holds them and no lease is out on
 * them, so nothing but their three rows has to go.
 */
export function createRemoval(statements: Statements) {
  const erase = (seq: number): void => {
    // Keys of rows follow the last one, and after a restart the last one is read from the rows: without this, the next
    // order would get the key of one that is gone.
    const [last] = statements.lastSeq.get() as unknown as [number];
    if (seq === last) statements.setLastRemoved.run(seq);
    statements.removeKey.run(seq);
    statements.removeData.run(seq);
    statements.removeOrder.run(seq);
  };

  return {
    /** The last key that was given, to a row that is there or was removed. */
    lastSeq(): number {
      const [removed] = (statements.lastRemoved.get() ?? [0]) as unknown as [number];
      const [last] = statements.lastSeq.get() as unknown as [number];
      return Math.max(last, removed);
    },

    remove(index: number, seq: number, id: string): Unsuccessful | undefined {
      const found = statements.selectOrder.get(seq) as unknown as { id: string; kind: number } | undefined;
      if (found === undefined || found.id !== id) return { index, is: "not_found" };
      if (found.kind !== kindNumber.final) return { index, is: "not_final" };
      erase(seq);
      return undefined;
    },

    /** Looks at up to `limit` orders after `afterSeq` that were placed before `endSeq`. */
    walk(index: number, afterSeq: number, endSeq: number, before: number, limit: number): Unsuccessful {
      const rows = statements.walk.all(afterSeq, endSeq, limit) as unknown as [number, number, number][];
      let removed = 0;
      for (const [seq, kind, updatedAt] of rows) {
        if (kind !== kindNumber.final || updatedAt >= before) continue;
        erase(seq);
        removed++;
      }
      return { index, is: "walked", removed, lastSeq: rows.length < limit ? null : (rows.at(-1)?.[0] ?? null) };
    },
  };
}

/** Numbers orders with a group in blocks, as they come. */
export function createBlocks(statements: Statements) {
  let block = 1;
  let filled = 0;
  const blocks = {
    load(): void {
      [block] = statements.lastBlock.get() as unknown as [number];
      [filled] = statements.blockCount.get(block) as unknown as [number];
    },
    /** The block of the next order with a group. */
    next(): number {
      if (filled >= blockSize) {
        block++;
        filled = 0;
      }
      filled++;
      return block;
    },
  };
  blocks.load();
  return blocks;
}
