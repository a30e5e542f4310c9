import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import { CauceError } from "../../core/errors.ts";

/** `queue`: the state of an order in its queue; null for an order that is not queued. The schema calls leased "claimed". */
export const queueState = { ready: 1, leased: 2, delayed: 3, parked: 4 } as const;
/** `redelivered`: why an order is delivered again. */
export const redelivery = { no: 0, leaseEnded: 1, processDied: 2 } as const;
/**
 * `attempting`: whether the last attempt was recorded before it ran and has no outcome yet. If the process dies then, the
 * attempt counts as lost only where no other order was out: `diedAlone`.
 */
export const attempting = { no: 0, yes: 1, diedAlone: 2 } as const;

/** Whether a delivery that comes again counts as a lost attempt. */
export function isAttemptLost(redelivered: number, attempt: number): boolean {
  return redelivered === redelivery.processDied ? attempt !== attempting.yes : redelivered !== redelivery.no;
}

/** Buckets of `counts` besides the queue's states. */
export const bucket = { waiting: 5, failedHandled: 6, failedWaiting: 7 } as const;
export const kindNumber = { handled: 0, waiting: 1, final: 2 } as const;

/** A statement that gives each row as an array, in the order of the columns. */
export interface Query<Row> {
  readonly sourceSQL: string;
  get(...parameters: readonly SQLInputValue[]): Row | undefined;
  all(...parameters: readonly SQLInputValue[]): Row[];
  iterate(...parameters: readonly SQLInputValue[]): Iterable<Row>;
}

/** Prepares a statement that gives rows. A number too large for JavaScript comes as a bigint, which no column should be. */
export function query<Row extends readonly SQLOutputValue[]>(db: DatabaseSync, sql: string): Query<Row> {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  // Node's types know rows as objects alone.
  const plain = statement as Query<unknown> as Query<Row>;
  const [get, all, iterate] = [plain.get.bind(plain), plain.all.bind(plain), plain.iterate.bind(plain)];
  /** Reads the rows with bigints, after Node has refused one of their numbers. One such row must not keep back the others. */
  const large = (error: unknown, parameters: readonly SQLInputValue[]): Row[] => {
    if ((error as { code?: string }).code !== "ERR_OUT_OF_RANGE") throw error;
    statement.setReadBigInts(true);
    try {
      return all(...parameters).map((row) => row.map(numberOrBigint) as readonly SQLOutputValue[] as Row);
    } finally {
      statement.setReadBigInts(false);
    }
  };
  return Object.assign(plain, {
    get(...parameters: readonly SQLInputValue[]) {
      try {
        return get(...parameters);
      } catch (error) {
        return large(error, parameters)[0];
      }
    },
    all(...parameters: readonly SQLInputValue[]) {
      try {
        return all(...parameters);
      } catch (error) {
        return large(error, parameters);
      }
    },
    *iterate(...parameters: readonly SQLInputValue[]) {
      let given = 0;
      try {
        for (const row of iterate(...parameters)) {
          given++;
          yield row;
        }
      } catch (error) {
        yield* large(error, parameters).slice(given);
      }
    },
  });
}

function numberOrBigint(value: SQLOutputValue): SQLOutputValue {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Inserts rows, whose values stand one after another. */
export interface Insert {
  readonly sourceSQL: string;
  run(values: readonly SQLInputValue[]): void;
}

const rowsAtOnce = [32, 8, 1];

/** Prepares an insert of any number of rows by few statements: one row at a time takes twice as long. */
export function insert(db: DatabaseSync, into: string, row: string): Insert {
  const width = row.split("?").length - 1;
  const sourceSQL = `INSERT ${into} VALUES ${row}`;
  const sizes = rowsAtOnce.map((rows) => ({
    count: rows * width,
    statement: db.prepare(`INSERT ${into} VALUES ${new Array(rows).fill(row).join(", ")}`),
  }));
  return {
    sourceSQL,
    run(values) {
      let at = 0;
      for (const { count, statement } of sizes) {
        if (count === values.length) return void statement.run(...values);
        for (; at + count <= values.length; at += count) statement.run(...values.slice(at, at + count));
      }
    },
  };
}

const prefixDigits = 13;
export const prefixBits = prefixDigits * 4;

/**
 * Gives the first 52 bits of a hash in hex, by which `key_index` finds a key. A number of JavaScript holds them exactly.
 * Stores hold prefixes, so this never changes.
 */
export function prefixOf(keyHash: string): number {
  return Number.parseInt(keyHash.slice(0, prefixDigits), 16);
}

/**
 * The schema, as migrations: each has the number of its place in the list, and is applied forward only, in one
 * transaction with its number. A migration that has been released is never edited, its comments included.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- What changes of an order. One row each, rewritten by every change, so it stays small: data is kept apart.
  CREATE TABLE orders (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    kind         INTEGER NOT NULL,
    visit        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    attempting   INTEGER NOT NULL,
    queue        INTEGER,            -- 1 ready, 2 claimed, 3 delayed, 4 parked behind its group; null not queued
    position     INTEGER,            -- the order in which it entered the queue
    lane         TEXT,               -- its group, while it is queued in FIFO delivery
    redelivered  INTEGER NOT NULL,   -- 1 its lease ended, 2 the process died with it in hand
    due          INTEGER,            -- when a delayed delivery may be claimed
    not_before   INTEGER,
    expires_at   INTEGER,
    fingerprint  TEXT,               -- set exactly while the order is failed
    failed_status TEXT,              -- its status, set exactly while it is failed
    failure      TEXT,
    group_key    TEXT,
    block        INTEGER,            -- orders with a group, in blocks of 4,096 as they came
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    entry        TEXT    NOT NULL,   -- how it entered its status: a JSON array, see \`rows.ts\`
    past         TEXT    NOT NULL,   -- the visits that ended: JSON arrays joined by commas
    past_omitted INTEGER NOT NULL,
    results      TEXT    NOT NULL
  );
  -- What never changes. \`key_hash\` leads from an order to its row in \`keys\`, which goes when the order is removed.
  CREATE TABLE order_data (seq INTEGER PRIMARY KEY, data TEXT NOT NULL, key_hash BLOB);
  CREATE TABLE keys (key_hash BLOB PRIMARY KEY, content_hash BLOB NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;

  -- A hop sets only the columns that it must (see \`statements.ts\`): an index none of whose columns is set costs it nothing,
  -- and one whose condition does not hold before and after costs next to nothing. Orders in hand are few and move all the
  -- time, so they are in \`orders_claimed\` alone, which has nothing that a hop from hand to hand sets.
  CREATE INDEX orders_claimed    ON orders (queue)                      WHERE queue = 2;
  CREATE INDEX orders_status  ON orders (status, seq)                WHERE queue IS NOT 2;
  -- By block first: groups come in any order, and an index by group alone would be written all over.
  CREATE INDEX orders_group   ON orders (block, group_key, seq)      WHERE block IS NOT NULL;
  CREATE INDEX orders_queue   ON orders (queue, status, position)    WHERE queue <> 2;
  CREATE INDEX orders_suspect ON orders (position)                   WHERE redelivered = 2;
  CREATE INDEX orders_lane    ON orders (status, lane, position)     WHERE lane IS NOT NULL;
  CREATE INDEX orders_delayed ON orders (due)                        WHERE due IS NOT NULL;
  CREATE INDEX orders_expiry  ON orders (expires_at, seq)            WHERE expires_at IS NOT NULL;
  CREATE INDEX orders_failed             ON orders (seq)              WHERE fingerprint IS NOT NULL;
  CREATE INDEX orders_failed_status      ON orders (failed_status, seq) WHERE failed_status IS NOT NULL;
  CREATE INDEX orders_failed_fingerprint ON orders (fingerprint, seq) WHERE fingerprint IS NOT NULL;

  -- Kept in the transaction of each change, so that depths and failures never scan orders.
  CREATE TABLE counts (
    status TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (status, bucket)
  ) WITHOUT ROWID;
  CREATE TABLE paused (status TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE failure_groups (
    status TEXT NOT NULL, fingerprint TEXT NOT NULL, message TEXT NOT NULL,
    count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    PRIMARY KEY (status, fingerprint)
  ) WITHOUT ROWID;
  `,
  `
  -- An order's extras, as text that nothing here looks into; null for none. A column at the end: SQLite leaves the rows
  -- that exist as they are.
  ALTER TABLE orders ADD COLUMN extras TEXT;
  `,
  `
  -- A key is random, so an index of whole keys was written all over by every placing. Now \`keys\` grows at its end like
  -- \`order_data\`, and \`key_index\` leads from the first 52 bits of a key to its orders: more than one where keys begin
  -- alike. Keys reach the index many at a time, in its order; \`keys_indexed\` in \`meta\` is the last order up to which the
  -- index has every key. JSON5 has numbers in hex, which CAST does not read. \`key_hash\` in \`order_data\` is not read any more.
  ALTER TABLE keys RENAME TO keys_before;
  CREATE TABLE keys (seq INTEGER PRIMARY KEY, key_hash BLOB NOT NULL, content_hash BLOB NOT NULL);
  CREATE TABLE key_index (prefix INTEGER, seq INTEGER, PRIMARY KEY (prefix, seq)) WITHOUT ROWID;
  INSERT INTO key_index SELECT json_extract('0x' || substr(hex(key_hash), 1, 13), '$'), seq FROM keys_before ORDER BY key_hash;
  INSERT INTO keys SELECT seq, key_hash, content_hash FROM keys_before ORDER BY seq;
  DROP TABLE keys_before;
  INSERT INTO meta SELECT 'keys_indexed', coalesce(max(seq), 0) FROM keys;
  `,
];

export const schemaVersion = migrations.length;

/** Orders in a block: few enough that the block's part of the index is a few pages, enough that a list looks into few blocks. */
export const blockSize = 4_096;

/** Migrates the database to this schema. Throws `store_too_new`, or `store_mismatch` for the data of another workflow. */
export function migrate(db: DatabaseSync, file: string, workflow: string, onStep: (step: string) => void): void {
  const { user_version: version } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > schemaVersion) {
    throw new CauceError(
      "store_too_new",
      `${file} has schema ${version} and this Cauce knows up to ${schemaVersion}; run the newer Cauce that wrote it`,
    );
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    if (version > 0) onStep(`migrates to schema ${index + 1}`);
    db.exec("BEGIN IMMEDIATE");
    db.exec(sql);
    db.exec(`PRAGMA user_version = ${index + 1}`);
    db.exec("COMMIT");
  }
  const owner = readMeta(db, "workflow");
  if (owner === undefined) writeMeta(db, "workflow", workflow);
  else if (owner !== workflow) {
    throw new CauceError(
      "store_mismatch",
      `${file} holds the workflow "${owner}", not "${workflow}"; give another directory`,
    );
  }
}

export function readMeta(db: DatabaseSync, name: string): string | undefined {
  return (db.prepare("SELECT value FROM meta WHERE name = ?").get(name) as { value: string } | undefined)?.value;
}

function writeMeta(db: DatabaseSync, name: string, value: string): void {
  db.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value").run(name, value);
}

/**
 * Switches a store to the delivery that is asked for, once, at the first start after the setting changed. For FIFO every
 * queued order joins its group, and all of a group but the head are parked. For standard the groups dissolve. Without a
 * wish the store keeps its delivery. Gives the delivery that holds, and how many orders were queued again; null for none
 * where nothing was switched.
 */
export function switchDelivery(
  db: DatabaseSync,
  wish: boolean | undefined,
  onStep: (step: string) => void,
): { readonly fifo: boolean; readonly requeued: number | null } {
  const stored = readMeta(db, "delivery");
  const fifo = wish ?? stored === "fifo";
  const wanted = fifo ? "fifo" : "standard";
  if (stored === wanted) return { fifo, requeued: null };
  if (stored !== undefined) onStep(`changes to ${wanted} delivery`);
  db.exec("BEGIN IMMEDIATE");
  try {
    let requeued: number | null = null;
    if (stored !== undefined) {
      const inGroups = db.prepare("SELECT count(*) AS n FROM orders INDEXED BY orders_lane WHERE lane IS NOT NULL");
      const before = inGroups.get()?.n as number;
      db.exec(fifo ? intoGroups : outOfGroups);
      db.exec(recount);
      requeued = fifo ? (inGroups.get()?.n as number) : before;
    }
    writeMeta(db, "delivery", wanted);
    db.exec("COMMIT");
    return { fifo, requeued };
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

const intoGroups = `
  UPDATE orders SET lane = group_key WHERE queue IS NOT NULL AND group_key IS NOT NULL;
  UPDATE orders SET queue = ${queueState.parked} WHERE seq IN (
    SELECT seq FROM (
      SELECT seq, row_number() OVER (PARTITION BY status, lane ORDER BY position) AS place FROM orders WHERE lane IS NOT NULL
    ) WHERE place > 1
  );`;

// A row that was parked while it was delayed still has its time in `due`.
const outOfGroups = `
  UPDATE orders SET queue = CASE WHEN due IS NULL THEN ${queueState.ready} ELSE ${queueState.delayed} END
    WHERE queue = ${queueState.parked};
  UPDATE orders SET lane = NULL WHERE lane IS NOT NULL;`;

const recount = `
  DELETE FROM counts WHERE bucket < ${bucket.waiting};
  INSERT INTO counts SELECT status, queue, count(*) FROM orders WHERE queue IS NOT NULL GROUP BY status, queue;`;
