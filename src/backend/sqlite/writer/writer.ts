import { DatabaseSync } from "node:sqlite";
import { createDecoder, type Decoder } from "../batch/codec.ts";
import { type Batch, type BatchResult, op, type StoreState, type Unsuccessful } from "../batch/protocol.ts";
import { migrate, queueState, redelivery, switchDelivery } from "../schema.ts";
import { storeFault } from "../storeFiles.ts";
import { commit, commitStatements } from "./commit.ts";
import { keyStatements, loadKeys, mergeKeys } from "./keys.ts";
import { place, placeStatements, storePlacings } from "./place.ts";
import { hasLeasable, leaseReady, promote, queueStatements, setPaused } from "./queue.ts";
import { remove, removeOld, removeStatements } from "./remove.ts";
import { giveBack, leaseEnded, redeliver, settleAgain, settleDone } from "./settle.ts";
import {
  createState,
  endBatch,
  flush,
  load,
  nextDelayed,
  queueOf,
  rollBack,
  stateStatements,
  type Writer,
} from "./state.ts";

// A batch dirties the same few pages again and again; a checkpoint copies each once, so fewer checkpoints cost less.
const checkpointPages = 8_192;
// All writing is at the ends of tables and indexes, so a few pages serve.
const cacheKibibytes = 8_192;

/** Opens the store for writing: durable on return of every commit, migrated, and with nothing leased. */
export function openWriter({ file, workflow, fifo }: { file: string; workflow: string; fifo: boolean }) {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA cache_size = -${cacheKibibytes}; PRAGMA secure_delete = ON;`);
    // Before `temp_store`: a migration may sort more than memory holds.
    migrate(db, file, workflow);
    db.exec("PRAGMA temp_store = MEMORY");
    // This process owns the store, so the process that had leased these orders has ended. They are delivered again at
    // once, and their attempt counts.
    db.exec(`BEGIN IMMEDIATE;
      UPDATE orders INDEXED BY orders_claimed SET queue = ${queueState.ready}, redelivered = ${redelivery.processDied} WHERE queue = ${queueState.leased};
      INSERT INTO counts SELECT status, ${queueState.ready}, count FROM counts WHERE bucket = ${queueState.leased} AND count > 0
        ON CONFLICT DO UPDATE SET count = count + excluded.count;
      UPDATE counts SET count = 0 WHERE bucket = ${queueState.leased};
      COMMIT`);
    switchDelivery(db, fifo);
    const statements = prepareStatements(db);
    const writer = { ...createState(fifo), statements };
    load(writer);
    loadKeys(writer);
    const state: StoreState = { lastSeq: writer.lastSeq, nextDelayed: nextDelayed(writer) };
    // The connection and its statements are for tests.
    const apply = (batch: Batch) => applyBatch(writer, batch, db, file);
    return { db, statements, state, apply, close: () => db.close() };
  } catch (error) {
    db.close();
    throw error;
  }
}

type Statements = ReturnType<typeof prepareStatements>;
const prepareStatements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  // A transaction that changes no page writes nothing, and a full disk would not be noticed.
  probe: db.prepare("INSERT INTO meta VALUES ('probed', ?) ON CONFLICT DO UPDATE SET value = excluded.value"),
  ...stateStatements(db),
  ...queueStatements(db),
  ...keyStatements(db),
  ...placeStatements(db),
  ...commitStatements(db),
  ...removeStatements(db),
});

/** Applies a batch in one transaction that is on the disk when this returns; rolled back, its result has `fault`. */
function applyBatch(
  writer: Writer<Statements>,
  { ops, grants, now }: Batch,
  db: DatabaseSync,
  file: string,
): BatchResult {
  const { statements } = writer;
  writer.now = now;
  for (let at = 0; at < grants.length; at += 2) {
    queueOf(writer, grants[at] as string).demand += grants[at + 1] as number;
  }
  if (ops.numbers.length === 0 && !hasLeasable(writer)) return nothing;
  const startedAt = performance.now();
  try {
    statements.begin.run();
    const from = createDecoder(ops);
    const unsuccessful: (Unsuccessful & { readonly index: number })[] = [];
    for (let index = 0; !from.done(); index++) {
      const code = from.number() as OperationCode;
      if (code !== op.place && code !== op.placeWithExtras) storePlacings(writer, unsuccessful);
      const each = verbs[code](writer, from, index, code);
      if (each !== undefined) unsuccessful.push({ ...each, index });
    }
    storePlacings(writer, unsuccessful);
    mergeKeys(writer);
    leaseReady(writer);
    const out = flush(writer);
    statements.commit.run();
    endBatch(writer);
    return { unsuccessful, ...out, milliseconds: performance.now() - startedAt };
  } catch (error) {
    const { code, message } = storeFault(error, file);
    if (db.isTransaction) db.exec("ROLLBACK");
    const { changed } = writer.keys;
    rollBack(writer);
    if (changed) loadKeys(writer);
    return { ...nothing, fault: { code, message } };
  }
}

type OperationCode = (typeof op)[keyof typeof op];
type Verb = (writer: Writer<Statements>, from: Decoder, index: number, code: number) => Unsuccessful | undefined;

/**
 * What is done for each operation, by its code. A function reads the fields of its operation itself. So the type asks for
 * every code: without its function, the rest of a batch could not be read.
 */
const verbs: Readonly<Record<OperationCode, Verb>> = {
  [op.place]: place,
  [op.placeWithExtras]: place,
  [op.transition]: commit,
  [op.transitionWithExtras]: commit,
  [op.change]: commit,
  [op.changeWithExtras]: commit,
  [op.settleDone]: settleDone,
  [op.settleAgain]: settleAgain,
  [op.leaseEnded]: leaseEnded,
  [op.giveBack]: giveBack,
  [op.redeliver]: redeliver,
  [op.promote]: promote,
  [op.pause]: setPaused,
  [op.resume]: setPaused,
  [op.remove]: remove,
  [op.removeOld]: removeOld,
  [op.probe]: ({ statements, now }) => void statements.probe.run(now),
};

const empty = { numbers: new Float64Array(), text: "" };
const nothing: BatchResult = { unsuccessful: [], deliveries: empty, milliseconds: 0 };
