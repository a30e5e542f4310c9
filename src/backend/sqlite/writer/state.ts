/** What the writer knows between batches, so that it reads no row again: how it is read at the start, and written. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import { createEncoder } from "../batch/codec.ts";
import { type BatchLimits, type BatchResult, unreadable } from "../batch/protocol.ts";
import { numberIn, statusIn, unsoundOrder } from "../batch/readRow.ts";
import {
  bytesBySeq,
  columnSet,
  encodeStored,
  type placed,
  type QueuedRow,
  type ReadRow,
  type RowOf,
  read,
} from "../batch/row.ts";
import { attempting, blockSize, query, queueState, redelivery } from "../schema.ts";
import { createSlotMap } from "../slotMap.ts";
import { createRecentKeys, type RecentKeys } from "./recentKeys.ts";
import { createCrashSuspects, loadCrashSuspects } from "./suspects.ts";

/** The writer, with the statements that a function needs of it. */
export interface Writer<Statements> extends State {
  readonly statements: Statements;
}

type State = ReturnType<typeof createState>;

/** What the writer counts of one status. */
export interface StatusQueue {
  readonly status: string;
  /** How many more deliveries the front has asked for. */
  demand: number;
  /** The front has asked for deliveries since the store was opened: this process handles the status. */
  isHandled: boolean;
  paused: boolean;
  /** How many orders are in each bucket. The states of the queue are the first buckets. */
  readonly counts: number[];
  /** A bit for each bucket whose count changed in this batch. */
  changedBuckets: number;
}

/** An order in its queue: what the writer must know to take the order further without reading it again. */
export interface Queued {
  readonly seq: number;
  readonly queue: StatusQueue;
  /** The order's group in FIFO delivery; null in standard delivery. */
  readonly group: string | null;
  readonly visit: number;
  readonly position: number;
  version: number;
}

export interface LeasedRow extends Queued {
  /** The row has no delay, failure, expiry, attempt or group, so that the next transition need not reset any. */
  plain: boolean;
  /** What the front gets once the batch is committed: an operation's index, or a row. Undefined from then on. */
  source: number | ReadRow | QueuedRow | undefined;
}

/** A placing that is read from the batch and not stored yet. */
export interface Placing {
  /** The index of its operation in the batch. */
  readonly index: number;
  readonly seq: number;
  readonly values: RowOf<typeof placed>;
  readonly dataJson: string;
  readonly keyHash: string | null;
  readonly contentHash: string;
  readonly extrasJson: string | null;
}

/** What the writer reads of an order whose lease it does not know. */
export const current = columnSet([
  ["seq", "number"],
  ["id", "text"],
  ["status", "text"],
  ["kind", "number"],
  ["visit", "number"],
  ["version", "number"],
  ["queue", "numberOrNull"],
  ["position", "numberOrNull"],
  ["lane", "textOrNull"],
  ["due", "numberOrNull"],
  ["attempting", "number"],
  ["redelivered", "number"],
  ["fingerprint", "textOrNull"],
  ["group_key", "textOrNull"],
]);
export type CurrentRow = RowOf<typeof current>;

export function queuedOf(writer: State, row: CurrentRow): Queued {
  const { [at.seq]: seq, [at.lane]: group } = row;
  const queue = queueOf(writer, statusIn(row[at.status]));
  const [visit, version] = [numberIn(row[at.visit]), numberIn(row[at.version])];
  return { seq, queue, group, visit, position: numberIn(row[at.position]), version };
}

const { at } = current;
const buckets = 8;
/** The largest position or block. SQLite sorts text and blobs after every number, so `max` would find a damaged column. */
const largest = Number.MAX_SAFE_INTEGER;
/** Enough that a page of the index takes many keys at once, few enough to read at a start: a tenth of a second. */
export const recentKeysMax = 65_536;

export type StateStatements = ReturnType<typeof stateStatements>;
export const stateStatements = (db: DatabaseSync) => ({
  selectCounts: query<[status: string, bucket: number, count: number]>(db, "SELECT status, bucket, count FROM counts"),
  setCount: db.prepare("INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = excluded.count"),
  selectPaused: query<[status: string]>(db, "SELECT status FROM paused"),
  leasedRows: query<CurrentRow>(
    db,
    `SELECT ${current.names} FROM orders INDEXED BY orders_claimed WHERE queue = ${queueState.leased}`,
  ),
  // `queue <> 2` is what the index says of itself; SQLite takes it for these rows only where it reads the same words.
  lastPosition: query<[position: number | null]>(
    db,
    `SELECT max(position) FROM orders WHERE queue = ? AND queue <> 2 AND status = ? AND position <= ${largest}`,
  ),
  crashSuspectCount: query<[count: number]>(
    db,
    "SELECT count(*) FROM orders INDEXED BY orders_suspect WHERE redelivered = 2 AND queue = 1",
  ),
  deaths: query<[deaths: number]>(db, "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'deaths'"),
  // Says what the index of groups says of itself; without that SQLite reads every order.
  lastBlock: query<[block: number | null]>(
    db,
    `SELECT max(block) FROM orders WHERE block IS NOT NULL AND block <= ${largest}`,
  ),
  blockCount: query<[count: number]>(db, "SELECT count(*) FROM orders INDEXED BY orders_group WHERE block = ?"),
  selectBytes: query<SQLOutputValue[]>(db, bytesBySeq),
  nextDue: query<[due: number | null]>(db, "SELECT min(due) FROM orders WHERE queue = 3 AND due IS NOT NULL"),
  lastSeq: query<[seq: number | null]>(db, "SELECT max(seq) FROM orders"),
  lastRemoved: query<[seq: number]>(db, "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_removed'"),
});

/** The rows of placings that are not written yet, each list with the values of its rows one after another. */
const createRows = () => ({
  orders: [] as SQLInputValue[],
  data: [] as SQLInputValue[],
  keys: [] as SQLInputValue[],
  extras: [] as [extrasJson: string, seq: number][],
  /** The groups of the orders, where they must queue behind each other. */
  groups: new Set<string>(),
});

export function createState(fifo: boolean, limits: BatchLimits) {
  return {
    fifo,
    /** The time of the batch, in milliseconds since 1970. */
    now: 0,
    queues: new Map<string, StatusQueue>(),
    leases: createSlotMap<number, LeasedRow>(),
    /** The leases that began in this batch, in their order. */
    begun: [] as LeasedRow[],
    /** The queues whose counts changed in this batch. */
    changed: [] as StatusQueue[],
    /** The last position that was given in any queue. */
    position: 0,
    /** The last key that an order was given. The order may have been removed since. */
    lastSeq: 0,
    /** The block of the last order with a group, and how many orders are in the block. */
    block: 1,
    blockOrders: 0,
    /** The placings that came one after another, up to the operation that is read. They are stored together. */
    placings: [] as Placing[],
    rows: createRows(),
    keys: {
      /** The keys that came last. */
      recent: createRecentKeys(recentKeysMax),
      /** The recent keys of before, on their way into `key_index`. */
      merging: undefined as RecentKeys | undefined,
      /** How many slots of `merging` are in the index. */
      mergedSlots: 0,
      /** How many keys were placed since keys were last moved into the index. */
      placed: 0,
      /** This batch changed these tables or the index. */
      changed: false,
    },
    /** Whether the time of the next wake-up may have changed in this batch. */
    wakeChanged: false,
    crashSuspects: createCrashSuspects(),
    limits,
    /** The characters of the rows that go out with this batch. */
    textLength: 0,
    deliveries: createEncoder(),
  };
}

/** Reads how the store stands. What was asked for is known here alone, so it stays. */
export function load(writer: Writer<StateStatements>): void {
  const { statements, queues, leases, crashSuspects } = writer;
  const tried: number[] = [];
  for (const queue of queues.values()) {
    queue.paused = false;
    queue.counts.fill(0);
  }
  for (const [status] of statements.selectPaused.all()) queueOf(writer, status).paused = true;
  for (const [status, bucket, count] of statements.selectCounts.all()) queueOf(writer, status).counts[bucket] = count;
  leases.clear();
  for (const row of statements.leasedRows.all()) {
    const order = queuedOf(writer, row);
    leases.set(order.seq, { ...order, plain: false, source: undefined });
    if (row[at.redelivered] === redelivery.processDied || row[at.attempting] !== attempting.no) tried.push(order.seq);
    writer.position = Math.max(writer.position, order.position);
  }
  for (const status of queues.keys()) {
    for (const state of [queueState.ready, queueState.delayed, queueState.parked]) {
      writer.position = Math.max(writer.position, numberOf(statements.lastPosition.get(state, status)));
    }
  }
  const mayBe = numberOf(statements.crashSuspectCount.get()) > 0;
  loadCrashSuspects(crashSuspects, mayBe, numberOf(statements.deaths.get()), tried);
  writer.lastSeq = Math.max(numberOf(statements.lastSeq.get()), numberOf(statements.lastRemoved.get()));
  writer.block = Math.max(1, numberOf(statements.lastBlock.get()));
  writer.blockOrders = numberOf(statements.blockCount.get(writer.block));
}

const numberOf = (row: readonly [number | null] | undefined): number => numberIn(row?.[0] ?? null);

export function queueOf({ queues }: State, status: string): StatusQueue {
  let queue = queues.get(status);
  if (queue === undefined) {
    const counts = new Array<number>(buckets).fill(0);
    queue = { status, demand: 0, isHandled: false, paused: false, counts, changedBuckets: 0 };
    queues.set(status, queue);
  }
  return queue;
}

/** Adds to the count of a bucket; undefined is of orders that are not counted. */
export function count(writer: State, queue: StatusQueue, bucket: number | undefined, by: number): void {
  if (bucket === undefined) return;
  queue.counts[bucket] = (queue.counts[bucket] as number) + by;
  if (queue.changedBuckets === 0) writer.changed.push(queue);
  queue.changedBuckets |= 1 << bucket;
  if (bucket === queueState.delayed) writer.wakeChanged = true;
}

/** Gives the block of the next order with a group. */
export function nextBlock(writer: State): number {
  if (writer.blockOrders >= blockSize) {
    writer.block++;
    writer.blockOrders = 0;
  }
  writer.blockOrders++;
  return writer.block;
}

/** Writes the counts that changed, and gives what goes out with the batch's result, once that is committed. */
export function flush(writer: Writer<StateStatements>): Pick<BatchResult, "deliveries" | "nextDelayed"> {
  const { statements, changed, begun, deliveries, wakeChanged } = writer;
  for (const { status, counts, changedBuckets } of changed) {
    for (const [bucket, count] of counts.entries()) {
      if (changedBuckets & (1 << bucket)) statements.setCount.run(status, bucket, count);
    }
  }
  for (const { source } of begun) {
    if (source === undefined) continue;
    if (typeof source === "number") deliveries.number(source);
    else putRow(writer, source);
  }
  return { deliveries: deliveries.take(), nextDelayed: wakeChanged ? nextDelayed(writer) : undefined };
}

/** Writes a row that was leased: its columns, or what stands for a row that cannot be read. */
function putRow({ statements, deliveries }: Writer<StateStatements>, row: ReadRow | QueuedRow): void {
  const order = unsoundOrder(row, (seq) => statements.selectBytes.get(seq));
  if (order === undefined) {
    deliveries.number(null);
    encodeStored(deliveries, row);
    return;
  }
  deliveries.number(unreadable);
  deliveries.number(row[read.at.seq]);
  deliveries.number(numberIn(row[read.at.redelivered]));
  deliveries.number(numberIn(row[read.at.attempting]));
  deliveries.text(JSON.stringify(order));
}

/** Whether more rows may go out with this batch. Those that may not stay ready, for the next one. */
export function hasRoom({ textLength, limits }: State): boolean {
  return textLength < limits.textLengthMax;
}

/** Ends a batch that is committed. */
export function endBatch(writer: State): void {
  for (const queue of writer.changed) queue.changedBuckets = 0;
  for (const lease of writer.begun) lease.source = undefined;
  writer.changed = [];
  writer.begun = [];
  writer.textLength = 0;
  writer.keys.changed = false;
  writer.wakeChanged = false;
}

/** Forgets what was rolled back. What was leased is asked for again. */
export function rollBack(writer: Writer<StateStatements>): void {
  writer.placings = [];
  writer.rows = createRows();
  for (const { queue, source } of writer.begun) if (source !== undefined) queue.demand++;
  writer.deliveries.take();
  endBatch(writer);
  load(writer);
  writer.wakeChanged = true;
}

/** When the writer should be woken next: a delivery is due, or the suspects on trial have shown themselves harmless. */
export function nextDelayed({ statements, crashSuspects }: Writer<StateStatements>): number | null {
  const [next] = statements.nextDue.get() ?? [];
  const due = typeof next === "number" ? next : null;
  const { group, until } = crashSuspects;
  return group.size === 0 ? due : Math.min(due ?? Number.POSITIVE_INFINITY, until);
}
