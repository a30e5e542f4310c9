import { DatabaseSync } from "node:sqlite";
import { createDecoder } from "./codec.ts";
import { storeFault } from "./faults.ts";
import { createOperations } from "./operations.ts";
import type { Answer, Batch, Outgoing } from "./protocol.ts";
import { createQueues } from "./queues.ts";
import { setDelivery } from "./relane.ts";
import { migrate, queueState, redelivery } from "./schema.ts";
import { prepareStatements, type Statements } from "./statements.ts";

/** A batch, and whether the owner of the store sent it: the process's engine, which alone receives deliveries. */
export interface Sent {
  readonly batch: Batch;
  readonly owner: boolean;
}

export interface Writer {
  readonly nextDelayed: number | null;
  /**
   * Applies the batches in one transaction that is on the disk when this returns. Rolled back, every answer has
   * `fault`. At most one batch may be the owner's.
   */
  apply(sent: readonly Sent[]): { readonly answers: readonly Answer[]; readonly out: Outgoing | undefined };
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
      UPDATE orders SET queue = ${queueState.ready}, redelivered = ${redelivery.processDied} WHERE queue = ${queueState.claimed};
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

function createWriter(db: DatabaseSync, statements: Statements, file: string, fifo: boolean): Writer {
  const queues = createQueues(statements);
  queues.load();
  const operations = createOperations(statements, queues, fifo);

  const applyAll = (sent: readonly Sent[]) => {
    statements.begin.run();
    const answers = sent.map(({ batch, owner }) => operations.apply(createDecoder(batch.ops), owner, batch.now));
    queues.claimReady(Math.max(...sent.map(({ batch }) => batch.now)));
    const out = queues.flush();
    statements.commit.run();
    return { answers, out };
  };

  return {
    db,
    nextDelayed: queues.nextDelayed(),

    apply(sent) {
      for (const { batch } of sent) {
        const { grants } = batch;
        for (let at = 0; at < grants.length; at += 2) queues.grant(grants[at] as string, grants[at + 1] as number);
      }
      if (sent.every(({ batch }) => batch.ops.numbers.length === 0) && !queues.claimable()) {
        return { answers: sent.map(() => nothing), out: undefined };
      }
      const demand = queues.snapshotDemand();
      try {
        return applyAll(sent);
      } catch (error) {
        const { code, message } = storeFault(error, file);
        if (db.isTransaction) db.exec("ROLLBACK");
        operations.discard();
        queues.discard();
        queues.restoreDemand(demand);
        queues.load();
        return { answers: sent.map(() => ({ ...nothing, fault: { code, message } })), out: undefined };
      }
    },

    close: () => db.close(),
  };
}

const nothing: Answer = { exceptions: [], placed: { numbers: new Float64Array(), text: "" } };
