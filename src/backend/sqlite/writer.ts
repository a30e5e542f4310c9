import { DatabaseSync } from "node:sqlite";
import { createDecoder, type Decoder } from "./codec.ts";
import { storeFault } from "./faults.ts";
import {
  type Answer,
  type Batch,
  type CommitOp,
  decodeCommit,
  decodePlace,
  deliveryCode,
  type Exception,
  op,
  type PlaceOp,
} from "./protocol.ts";
import { bucketOf, type Claim, createQueues, type Place, unqueued } from "./queues.ts";
import { setDelivery } from "./relane.ts";
import { kindNumber, migrate, queueState } from "./schema.ts";
import { prepareStatements } from "./statements.ts";

export interface Writer {
  readonly lastSeq: number;
  readonly nextDelayed: number | null;
  /** Applies a batch in one transaction that is on the disk when this returns; rolled back, its answer has `fault`. */
  apply(batch: Batch): Answer;
  /** For tests: the connection that writes. */
  readonly db: DatabaseSync;
  close(): void;
}

// A batch dirties the same few pages again and again; a checkpoint copies each once, so fewer checkpoints cost less.
const checkpointPages = 8_192;
const cacheKibibytes = 65_536;

/** Opens the store for writing: durable on return of every commit, migrated, and with nothing in flight. */
export function openWriter({ file, workflow, fifo }: { file: string; workflow: string; fifo: boolean }): Writer {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA cache_size = -${cacheKibibytes}; PRAGMA temp_store = MEMORY;`);
    migrate(db, file, workflow);
    const statements = prepareStatements(db);
    // Whoever held these is gone, since this process owns the store: they come back at once, and their attempt counts.
    db.exec(`BEGIN IMMEDIATE;
      UPDATE orders SET queue = ${queueState.ready}, redelivered = 1 WHERE queue = ${queueState.claimed};
      INSERT INTO counts SELECT status, ${queueState.ready}, count FROM counts WHERE bucket = ${queueState.claimed} AND count > 0
        ON CONFLICT DO UPDATE SET count = count + excluded.count;
      UPDATE counts SET count = 0 WHERE bucket = ${queueState.claimed};
      COMMIT`);
    setDelivery(db, fifo);
    return createWriter(db, statements, file, fifo);
  } catch (error) {
    db.close();
    throw error;
  }
}

function createWriter(
  db: DatabaseSync,
  statements: ReturnType<typeof prepareStatements>,
  file: string,
  fifo: boolean,
): Writer {
  const queues = createQueues(statements);
  queues.load();

  const place = (o: PlaceOp, index: number): Exception | undefined => {
    const { seq, status, kind, group, createdAt } = o;
    if (o.keyHash !== null) {
      const found = statements.findKey.get(o.keyHash) as unknown as [string, string] | undefined;
      if (found !== undefined) {
        const same = found[1].toLowerCase() === o.contentHash;
        return { index, is: same ? "repeated" : "conflict", orderId: found[0] };
      }
      statements.insertKey.run(o.keyHash, o.contentHash, seq);
    }
    const handled = kind === kindNumber.handled;
    const queued = handled ? queues.join(seq, status, fifo ? group : null, 0, 1, index) : unqueued;
    const standing = handled ? undefined : bucketOf(kind, false);
    if (standing !== undefined) queues.count(status, standing, 1);
    const { queue, position, lane } = queued;
    statements.insertOrder.run(
      seq,
      o.id,
      status,
      kind,
      queue,
      position,
      lane,
      o.expiresAt,
      group,
      createdAt,
      createdAt,
      o.entry,
    );
    statements.insertData.run(seq, o.data);
    return undefined;
  };

  /**
   * Compare-and-set on `version`. The writer is alone, so between reading the version and writing the row nothing can
   * come: of two changes that were decided at one version, the second finds the first one's version and is stale.
   */
  const commit = (o: CommitOp, index: number, now: number): Exception | undefined => {
    const { seq, version, status, kind, visit, notBefore, fingerprint, delivery } = o;
    const claim = queues.claims.get(seq);
    const old = claim === undefined || o.id !== "" ? read(seq) : ofClaim(claim);
    if (old === undefined || old.version !== version || old.id !== o.id) return { index, is: "stale" };

    let queued: Place;
    if (delivery === deliveryCode.keep) {
      queued = old;
      if (claim !== undefined) claim.version = version + 1;
    } else {
      if (old.queue !== null) queues.count(old.status, old.queue, -1);
      else leaveStanding(old);
      queues.claims.delete(seq);
      if (delivery === deliveryCode.enter) {
        queued = queues.join(seq, status, fifo ? old.group : null, visit, version + 1, index);
      } else if (delivery === deliveryCode.again && old.position !== null) {
        queued = queues.putBack(status, old.position, old.lane, notBefore ?? now, now);
      } else {
        queued = unqueued;
        const standing = bucketOf(kind, fingerprint !== null);
        if (standing !== undefined) queues.count(status, standing, 1);
      }
      if (fingerprint !== null)
        statements.failed.run(status, fingerprint, messageOf(o.failure), o.updatedAt, o.updatedAt);
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
      queued.lane,
      queued.due,
      notBefore,
      o.expiresAt,
      fingerprint,
      o.failure,
      o.updatedAt,
      o.entry,
      o.past ?? o.ended,
      o.pastOmitted,
      o.results,
      seq,
    );
    if (old.lane !== null && (delivery === deliveryCode.enter || delivery === deliveryCode.end)) {
      queues.surfaceNext(old.status, old.lane, now);
    }
    return undefined;
  };

  interface Standing extends Place {
    readonly id: string;
    readonly version: number;
    readonly status: string;
    readonly kind: number;
    readonly visit: number;
    readonly group: string | null;
    readonly fingerprint: string | null;
    readonly redelivered: number;
  }

  // In FIFO delivery a claimed order's lane is its group; in standard delivery nobody asks for either.
  const ofClaim = (claim: Claim): Standing => ({
    ...claim,
    id: "",
    queue: queueState.claimed,
    due: null,
    kind: 0,
    group: claim.lane,
    fingerprint: null,
    redelivered: 0,
  });

  const read = (seq: number) => statements.standing.get(seq) as unknown as Standing | undefined;

  const leaveStanding = (old: Standing): void => {
    const standing = bucketOf(old.kind, old.fingerprint !== null);
    if (standing !== undefined) queues.count(old.status, standing, -1);
    if (old.fingerprint !== null) {
      statements.unfailed.run(old.status, old.fingerprint);
      statements.emptied.run(old.status, old.fingerprint);
    }
  };

  /** Ends a claim without changing the order; undefined when it has ended already. */
  const unclaim = (seq: number, visit: number): Claim | undefined => {
    const claim = queues.claims.get(seq);
    if (claim === undefined || claim.visit !== visit) return undefined;
    queues.claims.delete(seq);
    queues.count(claim.status, queueState.claimed, -1);
    return claim;
  };

  const settleDone = (seq: number, visit: number, now: number): void => {
    const claim = unclaim(seq, visit);
    if (claim === undefined) return;
    statements.setQueue.run(null, null, null, null, 0, seq);
    queues.surfaceNext(claim.status, claim.lane, now);
  };

  const settleAgain = (seq: number, visit: number, due: number, now: number): void => {
    const claim = unclaim(seq, visit);
    if (claim === undefined) return;
    const redelivered = read(seq)?.redelivered ?? 0;
    if (due <= now) queues.surface(seq, claim, redelivered);
    else {
      const { queue, position, lane } = queues.putBack(claim.status, claim.position, claim.lane, due, now);
      statements.setQueue.run(queue, position, lane, due, redelivered, seq);
    }
  };

  const release = (seq: number, visit: number, redelivered: number): void => {
    const claim = unclaim(seq, visit);
    if (claim !== undefined) queues.surface(seq, claim, redelivered);
  };

  const apply = (from: Decoder, now: number): Exception[] => {
    const exceptions: Exception[] = [];
    for (let index = 0; !from.done; index++) {
      const exception = applyOne(from, index, now);
      if (exception !== undefined) exceptions.push(exception);
    }
    return exceptions;
  };

  const applyOne = (from: Decoder, index: number, now: number): Exception | undefined => {
    switch (from.number()) {
      case op.place:
        return place(decodePlace(from), index);
      case op.commit:
        return commit(decodeCommit(from), index, now);
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
    const queued = queues.join(seq, row.status, fifo ? row.group : null, visit, row.version);
    statements.setQueue.run(queued.queue, queued.position, queued.lane, null, 0, seq);
  };

  return {
    db,
    lastSeq: (statements.lastSeq.get() as unknown as [number])[0],
    nextDelayed: queues.nextDelayed(),

    apply({ ops, grants, now }) {
      for (let at = 0; at < grants.length; at += 2) queues.grant(grants[at] as string, grants[at + 1] as number);
      if (ops.numbers.length === 0 && !queues.claimable()) return { exceptions: [], deliveries: [] };
      const demand = queues.snapshotDemand();
      try {
        statements.begin.run();
        const exceptions = apply(createDecoder(ops), now);
        queues.claimReady();
        const { deliveries, nextDelayed } = queues.flush();
        statements.commit.run();
        return nextDelayed === undefined ? { exceptions, deliveries } : { exceptions, deliveries, nextDelayed };
      } catch (error) {
        const { code, message } = storeFault(error, file);
        if (db.isTransaction) db.exec("ROLLBACK");
        queues.discard();
        queues.restoreDemand(demand);
        queues.load();
        return { exceptions: [], deliveries: [], fault: { code, message } };
      }
    },

    close: () => db.close(),
  };
}

function messageOf(failureJson: string | null): string {
  return (JSON.parse(failureJson ?? "{}") as { message?: string }).message ?? "";
}
