PRAGMA user_version = 3;
PRAGMA journal_mode = wal;
PRAGMA encoding = UTF-8;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
    entry        TEXT    NOT NULL,   -- how it entered its status: a JSON array, see `rows.ts`
    past         TEXT    NOT NULL,   -- the visits that ended: JSON arrays joined by commas
    past_omitted INTEGER NOT NULL,
    results      TEXT    NOT NULL
  , extras TEXT);
CREATE TABLE order_data (seq INTEGER PRIMARY KEY, data TEXT NOT NULL, key_hash BLOB);
CREATE INDEX orders_claimed    ON orders (queue)                      WHERE queue = 2;
CREATE INDEX orders_status  ON orders (status, seq)                WHERE queue IS NOT 2;
CREATE INDEX orders_group   ON orders (block, group_key, seq)      WHERE block IS NOT NULL;
CREATE INDEX orders_queue   ON orders (queue, status, position)    WHERE queue <> 2;
CREATE INDEX orders_suspect ON orders (position)                   WHERE redelivered = 2;
CREATE INDEX orders_lane    ON orders (status, lane, position)     WHERE lane IS NOT NULL;
CREATE INDEX orders_delayed ON orders (due)                        WHERE due IS NOT NULL;
CREATE INDEX orders_expiry  ON orders (expires_at, seq)            WHERE expires_at IS NOT NULL;
CREATE INDEX orders_failed             ON orders (seq)              WHERE fingerprint IS NOT NULL;
CREATE INDEX orders_failed_status      ON orders (failed_status, seq) WHERE failed_status IS NOT NULL;
CREATE INDEX orders_failed_fingerprint ON orders (fingerprint, seq) WHERE fingerprint IS NOT NULL;
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
CREATE TABLE keys (seq INTEGER PRIMARY KEY, key_hash BLOB NOT NULL, content_hash BLOB NOT NULL);
CREATE TABLE key_index (prefix INTEGER, seq INTEGER, PRIMARY KEY (prefix, seq)) WITHOUT ROWID;
INSERT INTO meta VALUES ('delivery', 'standard');
INSERT INTO meta VALUES ('keys_indexed', '0');
INSERT INTO meta VALUES ('workflow', 'orders');
