import { DatabaseSync, type StatementSync } from "node:sqlite";
import { readNumbers, writeNumbers } from "../../core/cursor.ts";
import type { StoredOrder } from "../../core/order.ts";
import { seqOf } from "../ids.ts";
import type { Depth, FailureGroup, ListQuery, OrderPage, Swept } from "../port.ts";
import { columns, orderOfRow, type Row } from "./batch/row.ts";
import { bucket, queueState } from "./schema.ts";

/** Reads what is committed, on a connection of its own that cannot write. All reads are short: by key or by index. */
export interface Reader {
  get(id: string): StoredOrder | undefined;
  list(query: ListQuery): OrderPage;
  /** Waits that expired. A delivery is written with its order, so none is ever lost. */
  sweep(query: { limit: number; cursor?: string | undefined }, now: number): Swept;
  depths(): Depth[];
  failures(): FailureGroup[];
  close(): void;
}

const from = "FROM orders o";
const joined = "CROSS JOIN order_data d ON d.seq = o.seq";
const bySeq = `SELECT ${columns} ${from} ${joined} WHERE o.seq = ?`;
const oldestReady =
  "SELECT updated_at FROM orders WHERE queue = 1 AND queue <> 2 AND status = ? ORDER BY position LIMIT 1";
const blocksAtOnce = 64;

export function openReader(file: string): Reader {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const prepared = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    let found = prepared.get(sql);
    if (found === undefined) {
      found = db.prepare(sql);
      found.setReturnArrays(true);
      prepared.set(sql, found);
    }
    return found;
  };
  const rows = (sql: string, parameters: (string | number)[]): Row[] =>
    statement(sql).all(...parameters) as unknown as Row[];

  /**
   * The block in which to begin: that of the last order of the page before, else the newest there is; 0 where there is
   * none. A later one than needed costs a lookup and finds nothing.
   */
  const newestBlock = (before: number): number => {
    const [own] = (statement("SELECT block FROM orders WHERE seq = ?").get(before) ?? [null]) as unknown as [
      number | null,
    ];
    if (own !== null) return own;
    const newest = "SELECT coalesce(max(block), 0) FROM orders WHERE block IS NOT NULL";
    return (statement(newest).get() as unknown as [number])[0];
  };

  /** Blocks whose orders were all removed are not looked into. */
  const oldestBlock = (): number =>
    (statement("SELECT coalesce(min(block), 1) FROM orders WHERE block IS NOT NULL").get() as unknown as [number])[0];

  /**
   * Looks for a group block by block, the newest first: into one block, then into two at once, into four, and so on, so
   * that neither a large group nor one with few orders costs more than it must.
   */
  const seqsOfGroup = (query: ListQuery, group: string, before: number, limit: number): number[] => {
    const { conditions, parameters } = filtersOf(query, before);
    const sql = `WITH RECURSIVE blocks (n) AS (SELECT ? UNION ALL SELECT n - 1 FROM blocks WHERE n > ?)
      SELECT o.seq FROM blocks b CROSS JOIN orders o INDEXED BY orders_group
      WHERE o.block = b.n AND o.group_key = ? AND ${conditions.join(" AND ")} ORDER BY o.seq DESC LIMIT ?`;
    const found: number[] = [];
    const first = oldestBlock();
    let width = 1;
    for (
      let newest = newestBlock(before);
      newest >= first && found.length < limit;
      newest -= width, width = Math.min(width * 2, blocksAtOnce)
    ) {
      const oldest = Math.max(first, newest - width + 1);
      const seqs = statement(sql).all(newest, oldest, group, ...parameters, limit - found.length) as unknown as [
        number,
      ][];
      for (const [seq] of seqs) found.push(seq);
    }
    return found;
  };

  return {
    get(id) {
      const seq = seqOf(id);
      if (seq === undefined) return undefined;
      const [row] = rows(bySeq, [seq]);
      return row !== undefined && row[0] === id ? orderOfRow(row) : undefined;
    },

    list(query) {
      const { limit, group, cursor } = query;
      const before =
        cursor === undefined ? Number.MAX_SAFE_INTEGER : (readNumbers(cursor, "a list", "after", 1)[0] as number);
      // One more than asked for tells whether there is a next page.
      const found =
        group === undefined
          ? rows(...listSql(query, before, limit + 1))
          : seqsOfGroup(query, group, before, limit + 1).flatMap((seq) => rows(bySeq, [seq]));
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(orderOfRow),
        nextCursor: found.length > limit && last !== undefined ? writeNumbers("after", last[18]) : null,
      };
    },

    sweep({ limit, cursor }, now) {
      const [expiresAt, seq] = cursor === undefined ? [0, 0] : readNumbers(cursor, "a sweep", "after", 2);
      const found = rows(
        `SELECT ${columns} ${from} INDEXED BY orders_expiry ${joined}
         WHERE o.expires_at <= ? AND (o.expires_at, o.seq) > (?, ?) ORDER BY o.expires_at, o.seq LIMIT ?`,
        [now, expiresAt as number, seq as number, limit],
      );
      const last = found.at(-1);
      const full = found.length === limit && last !== undefined;
      const [next] = statement("SELECT min(expires_at) FROM orders WHERE expires_at > ?").get(now) as unknown as [
        number | null,
      ];
      return {
        expired: found.map(orderOfRow),
        redelivered: 0,
        failed: [],
        nextCursor: full ? writeNumbers("after", last[13] as number, last[18]) : null,
        nextAt: next,
      };
    },

    depths() {
      const byStatus = new Map<string, number[]>();
      for (const [status, of, count] of statement("SELECT status, bucket, count FROM counts").all() as unknown as [
        string,
        number,
        number,
      ][]) {
        const row = byStatus.get(status) ?? [];
        row[of] = count;
        byStatus.set(status, row);
      }
      const paused = new Set(
        (statement("SELECT status FROM paused").all() as unknown as [string][]).map(([status]) => status),
      );
      for (const status of paused) if (!byStatus.has(status)) byStatus.set(status, []);
      return [...byStatus].flatMap(([status, row]) => {
        const n = (of: number) => row[of] ?? 0;
        const [oldest] =
          n(queueState.ready) === 0
            ? [null]
            : ((statement(oldestReady).get(status) ?? [null]) as unknown as [number | null]);
        const handled = {
          waiting: n(queueState.ready) + n(queueState.parked),
          inFlight: n(queueState.leased),
          delayed: n(queueState.delayed),
          failed: n(bucket.failedHandled),
        };
        const waiting = { waiting: n(bucket.waiting), inFlight: 0, delayed: 0, failed: n(bucket.failedWaiting) };
        return [
          ...(Object.values(handled).some((count) => count > 0) || paused.has(status)
            ? [
                {
                  status,
                  kind: "handled" as const,
                  ...handled,
                  oldestWaitingAt: oldest,
                  paused: paused.has(status),
                  atLeast: false,
                },
              ]
            : []),
          ...(Object.values(waiting).some((count) => count > 0)
            ? [{ status, kind: "waiting" as const, ...waiting, oldestWaitingAt: null, paused: false, atLeast: false }]
            : []),
        ];
      });
    },

    failures() {
      const found = statement(
        "SELECT status, fingerprint, message, count, first_at, last_at FROM failure_groups ORDER BY count DESC, last_at DESC",
      ).all() as unknown as [string, string, string, number, number, number][];
      return found.map(([status, fingerprint, message, count, firstAt, lastAt]) => ({
        status,
        fingerprint,
        message,
        count,
        firstAt,
        lastAt,
      }));
    },

    close: () => db.close(),
  };
}

/** Newest first by the integer key, along the one index that fits; the join's order is fixed, since there are no statistics. */
function listSql(query: ListQuery, before: number, limit: number): [sql: string, parameters: (string | number)[]] {
  const { status, failed, fingerprint } = query;
  const { conditions, parameters } = filtersOf(query, before);
  let index = "NOT INDEXED";
  if (fingerprint !== undefined) index = "INDEXED BY orders_failed_fingerprint";
  else if (failed === true) index = `INDEXED BY ${status === undefined ? "orders_failed" : "orders_failed_status"}`;
  const where = conditions.join(" AND ");
  const all = (by: string, also = "") => `SELECT ${columns} ${from} ${by} ${joined} WHERE ${also}${where}`;
  if (index === "NOT INDEXED" && status !== undefined) {
    // One statement, so one moment: an order that is taken in hand meanwhile is neither missed nor met twice.
    const inHand = all("INDEXED BY orders_claimed", "o.queue = 2 AND ");
    const others = all("INDEXED BY orders_status", "o.queue IS NOT 2 AND ");
    return [`${others} UNION ALL ${inHand} ORDER BY o.seq DESC LIMIT ?`, [...parameters, ...parameters, limit]];
  }
  return [`${all(index)} ORDER BY o.seq DESC LIMIT ?`, [...parameters, limit]];
}

/** Every filter but the group, and the cursor. */
function filtersOf({ status, failed, fingerprint }: ListQuery, before: number) {
  const conditions: string[] = [];
  const parameters: (string | number)[] = [];
  const where = (condition: string, ...values: (string | number)[]) => {
    conditions.push(condition);
    parameters.push(...values);
  };
  if (status !== undefined) where(failed === true ? "o.failed_status = ?" : "o.status = ?", status);
  if (fingerprint !== undefined) where("o.fingerprint = ?", fingerprint);
  else if (failed === true) where("o.fingerprint IS NOT NULL");
  if (failed === false) where("o.fingerprint IS NULL");
  where("o.seq < ?", before);
  return { conditions, parameters };
}
