-- A store of schema 1, as a killed process of Cauce at b025ead left it; its orders, as that Cauce read them, are in schema1.json.
PRAGMA user_version = 1;
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
  );
CREATE TABLE order_data (seq INTEGER PRIMARY KEY, data TEXT NOT NULL, key_hash BLOB);
CREATE TABLE keys (key_hash BLOB PRIMARY KEY, content_hash BLOB NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
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
INSERT INTO meta VALUES ('delivery', 'standard');
INSERT INTO meta VALUES ('workflow', 'orders');
INSERT INTO orders VALUES (115723468800000, '01a20ada-2c00-7000-977c-733ca25df3df', 'done', 2, 2, 3, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, 'c-1', 1, 1795478400000, 1795478400010, '[1795478400010,["node","host-1"]]', '["received",0,1,1795478400000,["node","host-1"]],["priced",1,1,1795478400010,["node","host-1"]]', 0, '{"price":5}');
INSERT INTO orders VALUES (115723468840960, '01a20ada-2c0a-7000-a97d-e2ba1b346f59', 'received', 0, 0, 2, 1, 0, NULL, NULL, NULL, 0, NULL, NULL, NULL, 'declined …', 'received', '{"code":"handler_failed","message":"declined 17","fingerprint":"declined …","at":1795478400020}', NULL, NULL, 1795478400010, 1795478400020, '[1795478400010,["node","host-1"],null,"declined 17"]', '', 0, '{}');
INSERT INTO orders VALUES (115723468881920, '01a20ada-2c14-7000-80ca-97f63c8eb4a6', 'received', 0, 0, 2, 1, 0, 3, 4, NULL, 0, 1795482000030, 1795482000030, NULL, NULL, NULL, NULL, 'c-1', 1, 1795478400020, 1795478400030, '[1795478400020,["node","host-1"],null,"down"]', '', 0, '{}');
INSERT INTO orders VALUES (115723468922880, '01a20ada-2c1e-7000-bc55-2bed189869d7', 'parked', 1, 0, 1, 0, 0, NULL, NULL, NULL, 0, NULL, NULL, 1795478402030, NULL, NULL, NULL, NULL, NULL, 1795478400030, 1795478400030, '[1795478400030,["node","host-1"]]', '', 0, '{}');
INSERT INTO orders VALUES (115723468963840, '01a20ada-2c28-7000-abda-90909d4ae699', 'received', 0, 0, 1, 0, 0, 2, 5, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795478400040, 1795478400040, '[1795478400040,["node","host-1"]]', '', 0, '{}');
INSERT INTO orders VALUES (115723469004800, '01a20ada-2c32-7000-887e-d0836bfb7086', 'received', 0, 0, 1, 0, 0, 1, 6, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, 'c-2', 1, 1795478400050, 1795478400050, '[1795478400050,["node","host-1"]]', '', 0, '{}');
INSERT INTO order_data VALUES (115723468800000, '{"text":"año 漢字"}', X'ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB');
INSERT INTO order_data VALUES (115723468840960, '{"n":1}', NULL);
INSERT INTO order_data VALUES (115723468881920, '{"n":1}', NULL);
INSERT INTO order_data VALUES (115723468922880, '{"n":1}', NULL);
INSERT INTO order_data VALUES (115723468963840, '{"n":2}', NULL);
INSERT INTO order_data VALUES (115723469004800, '{"n":3}', NULL);
INSERT INTO keys VALUES (X'ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB', X'CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD', 115723468800000);
INSERT INTO counts VALUES ('parked', 5, 1);
INSERT INTO counts VALUES ('priced', 1, 0);
INSERT INTO counts VALUES ('priced', 2, 0);
INSERT INTO counts VALUES ('received', 1, 1);
INSERT INTO counts VALUES ('received', 2, 1);
INSERT INTO counts VALUES ('received', 3, 1);
INSERT INTO counts VALUES ('received', 6, 1);
INSERT INTO paused VALUES ('priced');
INSERT INTO failure_groups VALUES ('received', 'declined …', 'declined 17', 1, 1795478400020, 1795478400020);
