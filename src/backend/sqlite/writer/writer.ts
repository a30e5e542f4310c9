import { DatabaseSync } from "node:sqlite";
import { createDecoder } from "../batch/codec.ts";
import type { Batch, BatchResult } from "../batch/protocol.ts";
import { migrate, queueState, redelivery, switchDelivery } from "../schema.ts";
import { storeFault } from "../storeFiles.ts";
import { createOperations } from "./operations.ts";
import { createQueues } from "./queue.ts";
import { prepareStatements, type Statements } from "./statements.ts";

export interface Writer {
  readonly nextDelayed: number | null;
  /** Applies a batch in one transaction that is on the disk when this returns; rolled back, its answer has `fault`. */
  apply(batch: Batch): BatchResult;
  /** For tests: the connection that writes. */
  readonly db: DatabaseSync;
  close(): void;
}

// A batch dirties the same few pages again and again; a checkpoint copies each once, so fewer checkpoints cost less.
const checkpointPages = 8_192;
// All writing is at the ends of tables and indexes, so a few pages serve.
const cacheKibibytes = 8_192;

/** Opens the store for writing: durable on return of every commit, migrated, and with nothing in flight. */
export function openWriter({ file, workflow, fifo }: { file: string; workflow: string; fifo: boolean }): Writer {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA cache_size = -${cacheKibibytes}; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;`);
    migrate(db, file, workflow);
    const statements = prepareStatements(db);
    // Whoever held these is gone, since this process owns the store: they come back at once, and their attempt counts.
    db.exec(`BEGIN IMMEDIATE;
      UPDATE orders INDEXED BY orders_claimed SET queue = ${queueState.ready}, redelivered = ${redelivery.processDied} WHERE queue = ${queueState.leased};
      INSERT INTO counts SELECT status, ${queueState.ready}, count FROM counts WHERE bucket = ${queueState.leased} AND count > 0
        ON CONFLICT DO UPDATE SET count = count + excluded.count;
      UPDATE counts SET count = 0 WHERE bucket = ${queueState.leased};
      COMMIT`);
    switchDelivery(db, fifo);
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

  const transact = ({ ops, now }: Batch): BatchResult => {
    const startedAt = performance.now();
    statements.begin.run();
    const { unsuccessful, placed } = operations.apply(createDecoder(ops), now);
    queues.leaseReady(now);
    const out = queues.flush();
    statements.commit.run();
    return { unsuccessful, placed, ...out, milliseconds: performance.now() - startedAt };
  };

  return {
    db,
    nextDelayed: queues.nextDelayed(),

    apply(batch) {
      const { ops, grants } = batch;
      for (let at = 0; at < grants.length; at += 2) queues.grant(grants[at] as string, grants[at + 1] as number);
      if (ops.numbers.length === 0 && !queues.hasLeasable()) return nothing;
      const demand = queues.snapshotDemand();
      try {
        return transact(batch);
      } catch (error) {
        const { code, message } = storeFault(error, file);
        if (db.isTransaction) db.exec("ROLLBACK");
        operations.discard();
        queues.discard();
        queues.restoreDemand(demand);
        queues.load();
        return { ...nothing, fault: { code, message } };
      }
    },

    close: () => db.close(),
  };
}

const empty = { numbers: new Float64Array(), text: "" };
const nothing: BatchResult = { unsuccessful: [], placed: empty, deliveries: [], rows: empty, milliseconds: 0 };
