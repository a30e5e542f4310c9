import { DatabaseSync } from "node:sqlite";
import { storeFault } from "./faults.ts";
import { type Answer, type Batch, deliveryCode, type Exception, type Field, fieldCounts, op } from "./protocol.ts";
import { bucketOf, type Claim, createQueues, type Place, unqueued } from "./queues.ts";
import { setDelivery } from "./relane.ts";
import { migrate, queueState } from "./schema.ts";
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

  const place = (f: readonly Field[], at: number, index: number): Exception | undefined => {
    const seq = f[at] as number;
    const status = f[at + 2] as string;
    const kind = f[at + 3] as number;
    const group = f[at + 5] as string | null;
    const keyHash = f[at + 9] as string | null;
    if (keyHash !== null) {
      const found = statements.findKey.get(keyHash) as unknown as [string, string] | undefined;
      if (found !== undefined) {
        const same = found[1].toLowerCase() === f[at + 10];
        return { index, is: same ? "repeated" : "conflict", orderId: found[0] };
      }
      statements.insertKey.run(keyHash, f[at + 10] as string, seq);
    }
    const queued = kind === 0 ? queues.join(seq, status, fifo ? group : null, 0, 1, index) : unqueued;
    const standing = kind === 0 ? undefined : bucketOf(kind, false);
    if (standing !== undefined) queues.count(status, standing, 1);
    const createdAt = f[at + 6] as number;
    statements.insertOrder.run(
      seq,
      f[at + 1] as string,
      status,
      kind,
      queued.queue,
      queued.position,
      queued.lane,
      f[at + 7] as number | null,
      group,
      createdAt,
      createdAt,
      f[at + 8] as string,
    );
    statements.insertData.run(seq, f[at + 4] as string);
    return undefined;
  };

  /**
   * Compare-and-set on `version`. The writer is alone, so between reading the version and writing the row nothing can
   * come: of two changes that were decided at one version, the second finds the first one's version and is stale.
   */
  const commit = (f: readonly Field[], at: number, index: number, now: number): Exception | undefined => {
    const seq = f[at] as number;
    const version = f[at + 1] as number;
    const status = f[at + 2] as string;
    const kind = f[at + 3] as number;
    const visit = f[at + 4] as number;
    const notBefore = f[at + 7] as number | null;
    const fingerprint = f[at + 10] as string | null;
    const delivery = f[at + 17] as number;
    const claim = queues.claims.get(seq);
    const old = claim === undefined ? readPlace(seq) : ofClaim(claim);
    if (old === undefined || old.version !== version) return { index, is: "stale" };

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
    }
    if (fingerprint !== null && delivery !== deliveryCode.keep) {
      statements.failed.run(
        status,
        fingerprint,
        messageOf(f[at + 9] as string),
        f[at + 11] as number,
        f[at + 11] as number,
      );
    }
    const replaced = f[at + 14] as string | null;
    const statement = replaced === null ? statements.changeAppending : statements.changeReplacing;
    statement.run(
      status,
      kind,
      visit,
      version + 1,
      f[at + 5] as number,
      f[at + 6] as number,
      queued.queue,
      queued.position,
      queued.lane,
      queued.due,
      notBefore,
      f[at + 8] as number | null,
      fingerprint,
      f[at + 9] as string | null,
      f[at + 11] as number,
      f[at + 12] as string,
      replaced ?? (f[at + 13] as string | null) ?? "",
      f[at + 15] as number,
      f[at + 16] as string | null,
      seq,
    );
    if (old.lane !== null && (delivery === deliveryCode.enter || delivery === deliveryCode.end)) {
      queues.surfaceNext(old.status, old.lane, now);
    }
    return undefined;
  };

  interface Standing extends Place {
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
    queue: queueState.claimed,
    due: null,
    kind: 0,
    group: claim.lane,
    fingerprint: null,
    redelivered: 0,
  });

  const readPlace = (seq: number): Standing | undefined => {
    const row = statements.place.get(seq) as unknown as
      | [
          number,
          string,
          number,
          number,
          number | null,
          number | null,
          string | null,
          number | null,
          string | null,
          string | null,
          number,
        ]
      | undefined;
    if (row === undefined) return undefined;
    const [version, status, kind, visit, queue, position, lane, due, group, fingerprint, redelivered] = row;
    return { version, status, kind, visit, queue, position, lane, due, group, fingerprint, redelivered };
  };

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

  const apply = (f: readonly Field[], now: number): Exception[] => {
    const exceptions: Exception[] = [];
    for (let at = 0, index = 0; at < f.length; index++) {
      const code = f[at++] as number;
      let exception: Exception | undefined;
      const seq = f[at] as number;
      if (code === op.place) exception = place(f, at, index);
      else if (code === op.commit) exception = commit(f, at, index, now);
      else if (code === op.promote) queues.promote(now);
      else if (code === op.redeliver) redeliver(seq, f[at + 1] as number);
      else {
        const claim = unclaim(seq, f[at + 1] as number);
        if (claim !== undefined && code === op.settleDone) {
          statements.setQueue.run(null, null, null, null, 0, seq);
          queues.surfaceNext(claim.status, claim.lane, now);
        } else if (claim !== undefined && code === op.settleAgain) {
          const due = f[at + 2] as number;
          if (due > now) {
            const queued = queues.putBack(claim.status, claim.position, claim.lane, due, now);
            statements.setQueue.run(
              queued.queue,
              queued.position,
              queued.lane,
              due,
              readPlace(seq)?.redelivered ?? 0,
              seq,
            );
          } else queues.surface(seq, claim, readPlace(seq)?.redelivered ?? 0);
        } else if (claim !== undefined) queues.surface(seq, claim, f[at + 2] as number);
      }
      if (exception !== undefined) exceptions.push(exception);
      at += fieldCounts[code] as number;
    }
    return exceptions;
  };

  const redeliver = (seq: number, visit: number): void => {
    const row = readPlace(seq);
    if (row === undefined || row.visit !== visit || row.kind !== 0 || row.queue !== null || row.fingerprint !== null)
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
      if (ops.length === 0 && !queues.claimable()) return { exceptions: [], deliveries: [] };
      const demand = queues.snapshotDemand();
      try {
        statements.begin.run();
        const exceptions = apply(ops, now);
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

function messageOf(failureJson: string): string {
  return (JSON.parse(failureJson) as { message: string }).message;
}
