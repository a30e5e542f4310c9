import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { readNumbers, writeNumbers } from "../../core/cursor.ts";
import type { StoredOrder } from "../../core/order.ts";
import { seqOf } from "../newOrder.ts";
import type { Depth, FailureGroup, ListQuery, OrderPage, Swept } from "../port.ts";
import { type BytesOf, isRowOf, numberIn, orderOfRead } from "./batch/readRow.ts";
import { bytesBySeq, type ReadRow, read, selected, withData } from "./batch/row.ts";
import { bucket, type Query, query, queueState } from "./schema.ts";

type SqlRow = readonly SQLOutputValue[];
/** Runs a statement, which is prepared once, and gives its rows. */
type Rows = <Row extends SqlRow>(sql: string, ...parameters: readonly SQLInputValue[]) => Row[];

const { at } = read;
const from = "FROM orders o";
const bySeq = `SELECT ${selected(read)} ${from} ${withData} WHERE o.seq = ?`;
const blocksAtOnceMax = 64;

export type Reader = ReturnType<typeof openReader>;

/** Reads what is committed, on a connection of its own that cannot write. All reads are short: by key or by index. */
export function openReader(file: string) {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const prepared = new Map<string, Query<SqlRow>>();
  const rows: Rows = <Row extends SqlRow>(sql: string, ...parameters: readonly SQLInputValue[]) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = query(db, sql);
      prepared.set(sql, statement);
    }
    return statement.all(...parameters) as readonly SqlRow[] as Row[];
  };

  const bytesOf: BytesOf = (seq) => rows(bytesBySeq, seq)[0];
  const orderOf = (row: ReadRow): StoredOrder => orderOfRead(row, bytesOf);

  return {
    get(id: string): StoredOrder | undefined {
      const seq = seqOf(id);
      const [row] = seq === undefined ? [] : rows<ReadRow>(bySeq, seq);
      if (row === undefined || seq === undefined || !isRowOf(id, row[at.id], seq)) return undefined;
      const order = orderOfRead(row, bytesOf);
      return order.unreadable === undefined ? order : { ...order, id };
    },
    list: (asked: ListQuery): OrderPage => {
      const { page, nextCursor } = list(rows, asked);
      return { items: page.map(orderOf), nextCursor };
    },
    sweep: (asked: { limit: number; cursor?: string | undefined }, now: number): Swept => {
      const { found, ...swept } = sweep(rows, asked, now);
      return { ...swept, expired: found.map(orderOf) };
    },
    depths: (spareOf: SpareOf) => depths(rows, spareOf),
    failures: () => failures(rows),
    close: () => db.close(),
  };
}

function list(rows: Rows, asked: ListQuery): { readonly page: readonly ReadRow[]; readonly nextCursor: string | null } {
  const { limit, group, cursor } = asked;
  const before =
    cursor === undefined ? Number.MAX_SAFE_INTEGER : (readNumbers(cursor, "a list", "after", 1)[0] as number);
  // One more than asked for tells whether there is a next page.
  const found =
    group === undefined
      ? rowsOf(rows, asked, before, limit + 1)
      : seqsOfGroup(rows, asked, group, before, limit + 1).flatMap((seq) => rows<ReadRow>(bySeq, seq));
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const nextCursor = found.length > limit && last !== undefined ? writeNumbers("after", last[at.seq]) : null;
  return { page, nextCursor };
}

/** Newest first by the integer key, along the one index that fits; the join's order is fixed, since there are no statistics. */
function rowsOf(rows: Rows, asked: ListQuery, before: number, limit: number): ReadRow[] {
  const { status, failed, fingerprint } = asked;
  const { conditions, parameters } = filtersOf(asked, before);
  const select = (index: string, also = "") =>
    `SELECT ${selected(read)} ${from} ${index} ${withData} WHERE ${also}${conditions}`;
  const newestFirst = "ORDER BY o.seq DESC LIMIT ?";
  if (status !== undefined && failed !== true && fingerprint === undefined) {
    // One statement, so one moment: an order that is leased meanwhile is neither missed nor met twice.
    const others = select("INDEXED BY orders_status", "o.queue IS NOT 2 AND ");
    const leased = select("INDEXED BY orders_claimed", "o.queue = 2 AND ");
    return rows(`${others} UNION ALL ${leased} ${newestFirst}`, ...parameters, ...parameters, limit);
  }
  let index = "NOT INDEXED";
  if (fingerprint !== undefined) index = "INDEXED BY orders_failed_fingerprint";
  else if (failed === true) index = `INDEXED BY ${status === undefined ? "orders_failed" : "orders_failed_status"}`;
  return rows(`${select(index)} ${newestFirst}`, ...parameters, limit);
}

/**
 * Looks for a group block by block, the newest first: into one block, then into two at once, into four, and so on, so
 * that neither a large group nor one with few orders costs more than it must. Blocks whose orders were all removed are
 * not looked into.
 */
function seqsOfGroup(rows: Rows, asked: ListQuery, group: string, before: number, limit: number): number[] {
  const { conditions, parameters } = filtersOf(asked, before);
  const sql = `WITH RECURSIVE blocks (n) AS (SELECT ? UNION ALL SELECT n - 1 FROM blocks WHERE n > ?)
    SELECT o.seq FROM blocks b CROSS JOIN orders o INDEXED BY orders_group
    WHERE o.block = b.n AND o.group_key = ? AND ${conditions} ORDER BY o.seq DESC LIMIT ?`;
  const blockOf = (select: string, ...parameters: readonly number[]) =>
    rows<[number | null]>(select, ...parameters)[0]?.[0];
  const first = blockOf("SELECT min(block) FROM orders WHERE block IS NOT NULL") ?? 1;
  // The block of the last order of the page before, else the newest block. A later one than needed costs a lookup and
  // finds nothing.
  let newest =
    blockOf("SELECT block FROM orders WHERE seq = ?", before) ??
    blockOf("SELECT max(block) FROM orders WHERE block IS NOT NULL") ??
    0;
  const found: number[] = [];
  for (let width = 1; newest >= first && found.length < limit; width = Math.min(width * 2, blocksAtOnceMax)) {
    const oldest = Math.max(first, newest - width + 1);
    for (const [seq] of rows<[number]>(sql, newest, oldest, group, ...parameters, limit - found.length))
      found.push(seq);
    newest -= width;
  }
  return found;
}

/** Every filter but the group, and the cursor. */
function filtersOf({ status, failed, fingerprint }: ListQuery, before: number) {
  const conditions = ["o.seq < ?"];
  const parameters: (string | number)[] = [before];
  const where = (condition: string, value: string) => {
    conditions.push(condition);
    parameters.push(value);
  };
  if (status !== undefined) where(failed === true ? "o.failed_status = ?" : "o.status = ?", status);
  if (fingerprint !== undefined) where("o.fingerprint = ?", fingerprint);
  else if (failed === true) conditions.push("o.fingerprint IS NOT NULL");
  if (failed === false) conditions.push("o.fingerprint IS NULL");
  return { conditions: conditions.join(" AND "), parameters };
}

/** Finds waits that expired. A delivery is written with its order, so none is ever lost. */
function sweep(rows: Rows, asked: { limit: number; cursor?: string | undefined }, now: number) {
  const { limit, cursor } = asked;
  const [expiresAt = 0, seq = 0] = cursor === undefined ? [] : readNumbers(cursor, "a sweep", "after", 2);
  // A failed order has an expiry only where it could not be read, and is left as it is.
  const found = rows<ReadRow>(
    `SELECT ${selected(read)} ${from} INDEXED BY orders_expiry ${withData}
     WHERE o.expires_at <= ? AND o.fingerprint IS NULL AND (o.expires_at, o.seq) > (?, ?) ORDER BY o.expires_at, o.seq LIMIT ?`,
    ...[now, expiresAt, seq, limit],
  );
  const last = found.length === limit ? found.at(-1) : undefined;
  // SQLite sorts numbers before text and blobs, so the least is a number unless none is left.
  const [next] = rows<[number | null]>("SELECT min(expires_at) FROM orders WHERE expires_at > ?", now);
  return {
    found,
    redelivered: 0,
    failed: [],
    nextCursor: last === undefined ? null : writeNumbers("after", last[at.expires_at] ?? 0, last[at.seq]),
    nextAt: typeof next?.[0] === "number" ? next[0] : null,
  };
}

/** Gives the deliveries of a status that are leased for receives that have ended: they are still waiting. */
type SpareOf = (status: string) => readonly { readonly order: Pick<StoredOrder, "updatedAt"> }[];

function depths(rows: Rows, spareOf: SpareOf): Depth[] {
  const counts = new Map<string, number[]>();
  const paused = new Set(rows<[string]>("SELECT status FROM paused").map(([status]) => status));
  for (const [status, of, count] of rows<[string, number, number]>("SELECT status, bucket, count FROM counts")) {
    const row = counts.get(status) ?? [];
    row[of] = count;
    counts.set(status, row);
  }
  for (const status of paused) if (!counts.has(status)) counts.set(status, []);
  const firstOf = (queue: number) =>
    `SELECT * FROM (SELECT updated_at FROM orders WHERE queue = ${queue} AND queue <> 2 AND status = ? ORDER BY position LIMIT 1)`;
  const firsts = `${firstOf(queueState.ready)} UNION ALL ${firstOf(queueState.parked)}`;
  return [...counts].flatMap(([status, row]): Depth[] => {
    const n = (of: number) => row[of] ?? 0;
    const spare = spareOf(status);
    const queued = n(queueState.ready) + n(queueState.parked);
    const handled = {
      waiting: queued + spare.length,
      inFlight: n(queueState.leased) - spare.length,
      delayed: n(queueState.delayed),
      failed: n(bucket.failedHandled),
    };
    const waiting = { waiting: n(bucket.waiting), inFlight: 0, delayed: 0, failed: n(bucket.failedWaiting) };
    const isPaused = paused.has(status);
    const waitingSince = [
      ...(queued === 0 ? [] : rows<[number]>(firsts, status, status)).map(([updatedAt]) => updatedAt),
      ...spare.map(({ order }) => order.updatedAt),
    ];
    const depthsOf: Depth[] = [];
    if (isPaused || Object.values(handled).some((count) => count > 0)) {
      const oldestWaitingAt = waitingSince.length === 0 ? null : Math.min(...waitingSince.map(numberIn));
      depthsOf.push({ status, kind: "handled", ...handled, oldestWaitingAt, paused: isPaused, atLeast: false });
    }
    if (Object.values(waiting).some((count) => count > 0)) {
      depthsOf.push({ status, kind: "waiting", ...waiting, oldestWaitingAt: null, paused: false, atLeast: false });
    }
    return depthsOf;
  });
}

function failures(rows: Rows): FailureGroup[] {
  return rows<[string, string, string, number, number, number]>(
    `SELECT status, fingerprint, message, count, first_at, last_at FROM failure_groups
     ORDER BY count DESC, last_at DESC`,
  ).map(([status, fingerprint, message, count, firstAt, lastAt]) => {
    return { status, fingerprint, message, count, firstAt, lastAt };
  });
}
