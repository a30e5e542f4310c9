import { DatabaseSync } from "node:sqlite";
import { CauceError } from "../../../core/errors.ts";
import { createDecoder, type Decoder } from "../batch/codec.ts";
import {
  type Batch,
  type BatchLimits,
  type BatchResult,
  batchLimits,
  op,
  type StoreState,
  type Unsuccessful,
  type WriterData,
} from "../batch/protocol.ts";
import { refuseForeignLog } from "../restored.ts";
import { migrate, switchDelivery } from "../schema.ts";
import { storeFault } from "../storeFiles.ts";
import { commit, commitStatements } from "./commit.ts";
import { keyStatements, loadKeys, mergeKeys } from "./keys.ts";
import { place, placeStatements, storePlacings } from "./place.ts";
import { hasLeasable, leaseReady, promote, queueStatements, setPaused } from "./queue.ts";
import { remove, removeOld, removeStatements } from "./remove.ts";
import { giveBack, leaseEnded, redeliver, settleAgain, settleDone, supersede } from "./settle.ts";
import {
  createState,
  endBatch,
  flush,
  hasRoom,
  load,
  nextDelayed,
  queueOf,
  rollBack,
  stateStatements,
  type Writer,
} from "./state.ts";
import { queueCrashSuspects } from "./suspects.ts";
import { markUnreadable, unreadableStatements } from "./unreadable.ts";

// A batch dirties the same few pages again and again; a checkpoint copies each once, so fewer checkpoints cost less.
const checkpointPages = 8_192;
// All writing is at the ends of tables and indexes, so a few pages serve.
const cacheKibibytes = 8_192;
// While a reader stays, the log cannot begin again and grows. Once the reader has gone, the log shrinks to this: twice
// what lies between two checkpoints, so that the log of a busy store keeps its length.
const logBytesMax = 67_108_864;

interface OpenWriterOptions extends Pick<WriterData, "file" | "workflow" | "fifo"> {
  readonly limits?: BatchLimits;
  /** Told before each step that may take long. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/** Opens the store for writing: durable on return of every commit, migrated, and with nothing leased. */
export function openWriter({ file, workflow, fifo: wish, limits = batchLimits, onStep = () => {} }: OpenWriterOptions) {
  refuseForeignLog(file);
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    writeToLog(db, file);
    db.exec(`PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA journal_size_limit = ${logBytesMax}; PRAGMA cache_size = -${cacheKibibytes}; PRAGMA secure_delete = ON;`);
    // Before `temp_store`: a migration may sort more than memory holds.
    migrate(db, file, workflow, onStep);
    db.exec("PRAGMA temp_store = MEMORY");
    queueCrashSuspects(db);
    const { fifo, requeued } = switchDelivery(db, wish, onStep);
    const statements = prepareStatements(db);
    const writer = { ...createState(fifo, limits), statements };
    load(writer);
    loadKeys(writer);
    const state: StoreState = { lastSeq: writer.lastSeq, nextDelayed: nextDelayed(writer), fifo, requeued };
    // The connection and its statements are for tests.
    const apply = (batch: Batch) => applyBatch(writer, batch, db, file);
    return { db, statements, state, apply, close: () => db.close() };
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Switches the store to a write-ahead log. SQLite writes that into the header of a new store and of a backup that was put
 * back, with a rollback journal. Throws `store_unreadable` where the file system cannot have such a log.
 */
function writeToLog(db: DatabaseSync, file: string): void {
  // EXTRA syncs the directory, too, before the switch ends. Were the journal there again after a power failure, it would
  // undo the header while commits stand in the log.
  db.exec("PRAGMA synchronous = EXTRA");
  if (db.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode === "wal") return;
  throw new CauceError(
    "store_unreadable",
    `${file} cannot have a write-ahead log, since its file system gives processes no shared memory; give a directory on a local disk`,
  );
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
  ...unreadableStatements(db),
});

/** Applies a batch in one transaction that is on the disk when this returns; rolled back, its result has `fault`. */
function applyBatch(
  writer: Writer<Statements>,
  { ops, count, grants, now }: Batch,
  db: DatabaseSync,
  file: string,
): BatchResult {
  const { statements } = writer;
  writer.now = now;
  for (let at = 0; at < grants.length; at += 2) {
    const queue = queueOf(writer, grants[at] as string);
    queue.demand += grants[at + 1] as number;
    queue.isHandled = true;
  }
  if (count === 0 && !hasLeasable(writer)) return nothing;
  const startedAt = performance.now();
  try {
    statements.begin.run();
    const from = createDecoder(ops);
    const unsuccessful: (Unsuccessful & { readonly index: number })[] = [];
    for (let index = 0; index < count; index++) {
      const code = from.number();
      const verb = verbs[code as OperationCode] as Verb | undefined;
      // Without a verb the rest cannot be read, which `checkEnd` tells.
      if (verb === undefined) break;
      if (code !== op.place && code !== op.placeWithExtras) storePlacings(writer, unsuccessful);
      const each = verb(writer, from, index, code);
      if (each !== undefined) unsuccessful.push({ ...each, index });
    }
    from.checkEnd();
    storePlacings(writer, unsuccessful);
    mergeKeys(writer);
    leaseReady(writer);
    const more = !hasRoom(writer) && hasLeasable(writer);
    const out = flush(writer);
    statements.commit.run();
    endBatch(writer);
    return { unsuccessful, ...out, more, milliseconds: performance.now() - startedAt };
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
  [op.markUnreadable]: markUnreadable,
  [op.settleDone]: settleDone,
  [op.settleAgain]: settleAgain,
  [op.leaseEnded]: leaseEnded,
  [op.giveBack]: giveBack,
  [op.redeliver]: redeliver,
  [op.supersede]: supersede,
  [op.promote]: promote,
  [op.pause]: setPaused,
  [op.resume]: setPaused,
  [op.remove]: remove,
  [op.removeOld]: removeOld,
  [op.probe]: ({ statements, now }) => void statements.probe.run(now),
};

const empty = { numbers: new Float64Array(), text: "" };
const nothing: BatchResult = { unsuccessful: [], deliveries: empty, milliseconds: 0 };
