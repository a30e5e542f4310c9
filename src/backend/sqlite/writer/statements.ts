import type { DatabaseSync, StatementSync } from "node:sqlite";
import { columns } from "../batch/row.ts";

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement of the writer, prepared once. */
export function prepareStatements(db: DatabaseSync) {
  const write = (sql: string): StatementSync => db.prepare(sql);
  const rows = (sql: string): StatementSync => {
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  const change = (past: string) =>
    write(`UPDATE orders SET status = ?, kind = ?, visit = ?, version = ?, attempts = ?, attempting = ?, queue = ?,
      position = ?, lane = ?, redelivered = 0, due = ?, not_before = ?, expires_at = ?, fingerprint = ?,
      failed_status = ?, failure = ?,
      updated_at = ?, entry = ?, past = ${past}, past_omitted = ?, results = coalesce(?, results) WHERE seq = ?`);
  return {
    begin: write("BEGIN IMMEDIATE"),
    commit: write("COMMIT"),
    insertOrder:
      write(`INSERT INTO orders (seq, id, status, kind, visit, version, attempts, attempting, queue, position,
      lane, redelivered, expires_at, group_key, block, created_at, updated_at, entry, past, past_omitted, results)
      VALUES (?, ?, ?, ?, 0, 1, 0, 0, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, '', 0, '{}')`),
    insertData: write("INSERT INTO order_data VALUES (?, ?, unhex(?))"),
    insertKey: write("INSERT INTO keys VALUES (unhex(?), unhex(?), ?)"),
    findKey: rows(
      "SELECT o.id, hex(k.content_hash) FROM keys k JOIN orders o ON o.seq = k.seq WHERE k.key_hash = unhex(?)",
    ),
    changeAppending: change("past || ?"),
    changeReplacing: change("?"),
    // The transition of an order that has no delay, failure, expiry, attempt or lane before or after it: nearly every change.
    transition:
      write(`UPDATE orders SET status = ?, kind = ?, visit = ?, version = ?, queue = ?, position = ?, updated_at = ?,
      entry = ?, past = past || ?, results = coalesce(?, results) WHERE seq = ?`),
    // From hand to hand: the order is leased before and after, so its queue is not set.
    transitionLeased:
      write(`UPDATE orders SET status = ?, kind = ?, visit = ?, version = ?, position = ?, updated_at = ?,
      entry = ?, past = past || ?, results = coalesce(?, results) WHERE seq = ?`),
    // A statement of its own, and not a column of those above: nearly every change leaves the extras as they are.
    setExtras: write("UPDATE orders SET extras = ? WHERE seq = ?"),
    setQueue: write("UPDATE orders SET queue = ?, position = ?, lane = ?, due = ?, redelivered = ? WHERE seq = ?"),
    setState: write("UPDATE orders SET queue = ? WHERE seq = ?"),
    selectOrder:
      write(`SELECT id, version, status, kind, visit, queue, position, lane AS "group", due, redelivered, fingerprint,
      group_key AS "groupKey" FROM orders WHERE seq = ?`),
    groupBusy: rows("SELECT 1 FROM orders WHERE status = ? AND lane = ? AND seq <> ? LIMIT 1"),
    groupHead: rows(
      "SELECT seq, queue, due, position, visit, version, redelivered FROM orders WHERE status = ? AND lane = ? ORDER BY position LIMIT 1",
    ),
    due: rows(
      "SELECT seq, status, position, lane, visit, version, redelivered FROM orders WHERE queue = 3 AND due IS NOT NULL AND due <= ? ORDER BY due LIMIT 500",
    ),
    nextDue: rows("SELECT min(due) FROM orders WHERE queue = 3 AND due IS NOT NULL"),
    // `queue <> 2` is what the index says of itself; SQLite takes it for these rows only where it reads the same words.
    // `position` is the last column of the index, so this reads just the rows that it returns.
    ready: rows(
      `SELECT ${columns}, o.position, o.lane FROM orders o JOIN order_data d ON d.seq = o.seq
       WHERE o.queue = 1 AND o.queue <> 2 AND o.status = ? ORDER BY o.position LIMIT ?`,
    ),
    crashSuspects: rows(
      `SELECT ${columns}, o.position, o.lane FROM orders o INDEXED BY orders_suspect JOIN order_data d ON d.seq = o.seq
       WHERE o.redelivered = 2 AND o.queue = 1 ORDER BY o.position`,
    ),
    suspectCount: rows("SELECT count(*) FROM orders INDEXED BY orders_suspect WHERE redelivered = 2 AND queue = 1"),
    row: rows(`SELECT ${columns} FROM orders o JOIN order_data d ON d.seq = o.seq WHERE o.seq = ?`),
    leasedRows: rows(
      "SELECT seq, status, lane, visit, version, position FROM orders INDEXED BY orders_claimed WHERE queue = 2",
    ),
    lastPosition: rows("SELECT max(position) FROM orders WHERE queue = ? AND queue <> 2 AND status = ?"),
    // Says what the index of groups says of itself; without that SQLite reads every order.
    lastBlock: rows("SELECT coalesce(max(block), 1) FROM orders WHERE block IS NOT NULL"),
    blockCount: rows("SELECT count(*) FROM orders INDEXED BY orders_group WHERE block = ?"),
    lastSeq: rows("SELECT coalesce(max(seq), 0) FROM orders"),
    paused: rows("SELECT status FROM paused"),
    pause: write("INSERT INTO paused VALUES (?) ON CONFLICT DO NOTHING"),
    resume: write("DELETE FROM paused WHERE status = ?"),
    lastRemoved: rows("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_removed'"),
    setLastRemoved: write(
      "INSERT INTO meta VALUES ('last_removed', CAST(? AS INTEGER)) ON CONFLICT DO UPDATE SET value = excluded.value",
    ),
    removeKey: write("DELETE FROM keys WHERE key_hash = (SELECT key_hash FROM order_data WHERE seq = ?)"),
    removeData: write("DELETE FROM order_data WHERE seq = ?"),
    removeOrder: write("DELETE FROM orders WHERE seq = ?"),
    walk: rows("SELECT seq, kind, updated_at FROM orders WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?"),
    counts: rows("SELECT status, bucket, count FROM counts"),
    setCount: write("INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = excluded.count"),
    // A transaction that changes no page writes nothing, and a full disk would not be noticed.
    probed: write("INSERT INTO meta VALUES ('probed', ?) ON CONFLICT DO UPDATE SET value = excluded.value"),
    failed: write(`INSERT INTO failure_groups VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET
      count = count + 1, message = excluded.message, last_at = excluded.last_at`),
    unfailed: write("UPDATE failure_groups SET count = count - 1 WHERE status = ? AND fingerprint = ?"),
    emptied: write("DELETE FROM failure_groups WHERE status = ? AND fingerprint = ? AND count <= 0"),
  };
}
