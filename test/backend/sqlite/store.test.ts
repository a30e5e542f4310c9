import assert from "node:assert/strict";
import { constants } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { createIds, storedOrder } from "../../../src/backend/newOrder.ts";
import type { DeliveryMode } from "../../../src/backend/port.ts";
import { createDecoder, createEncoder } from "../../../src/backend/sqlite/batch/codec.ts";
import type { BatchResult } from "../../../src/backend/sqlite/batch/protocol.ts";
import { createEntryWriter, decodeStored, encodePlace } from "../../../src/backend/sqlite/batch/row.ts";
import { openReader } from "../../../src/backend/sqlite/reads.ts";
import { schemaVersion } from "../../../src/backend/sqlite/schema.ts";
import { sqlite } from "../../../src/backend/sqlite/sqlite.ts";
import { openWriter } from "../../../src/backend/sqlite/writer/writer.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { newOrder, openSqlite, placeOne, temporaryDirectory } from "./support.ts";

const receiveAll = { status: "received", max: 100, leaseSeconds: 600, waitSeconds: 0 };

test("the writer's connection syncs every commit of its write-ahead log", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const writer = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
  t.after(() => writer.close());
  const pragma = (name: string) => Object.values(writer.db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  assert.equal(pragma("journal_mode"), "wal");
  assert.equal(pragma("synchronous"), 2, "2 is FULL: WAL mode with NORMAL does not sync commits");
});

test("the log shrinks once a long reader has gone", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const file = join(directory, "orders.db");
  const { db, close } = openWriter({ file, workflow: "orders", fifo: false });
  t.after(close);
  const logBytes = () => statSync(`${file}-wal`).size;
  db.exec("CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(16000000))");
  const rewrite = () => db.exec("UPDATE filler SET bytes = randomblob(16000000)");
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM filler").get();
  for (let n = 0; n < 8; n++) rewrite();
  assert.ok(logBytes() > 100_000_000, "the reader keeps the log from beginning again");
  reader.close();
  for (let n = 0; n < 2; n++) rewrite();
  assert.ok(logBytes() <= 67_108_864, String(logBytes()));
});

test("no statement of the writer reads every order, whatever is stored", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const { db, statements, close } = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
  t.after(close);
  const table = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'orders'").get()?.rootpage;
  const walks = Object.entries(statements).filter(([, { sourceSQL }]) => {
    const program = db.prepare(`EXPLAIN ${sourceSQL}`).all() as { opcode: string; p1: number; p2: number }[];
    const cursors = program.filter(({ opcode, p2 }) => opcode === "OpenRead" && p2 === table).map(({ p1 }) => p1);
    return program.some(({ opcode, p1 }) => /^(Next|Prev)$/.test(opcode) && cursors.includes(p1));
  });
  // `lastSeq` walks from the last row and ends there. `selectPage`, of a removal, ends after a bounded number of rows.
  assert.deepEqual(
    walks.map(([name]) => name),
    ["lastSeq", "selectPage"],
  );
});

test("a program given to `node --eval` can open a store", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const program = `
    import { sqlite } from "cauce/sqlite";
    import { systemClock } from "cauce";
    const store = await sqlite({ directory: process.argv[1] })({ workflow: "orders", delivery: "standard", clock: systemClock() });
    await store.close();
    console.log("closed");`;
  const flags = ["--conditions=source", "--input-type=module", "--eval", program, directory];
  assert.equal(execFileSync(process.execPath, flags, { encoding: "utf8" }), "closed\n");
});

test("a second owner of the same data is refused, and a free lock is taken", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const clock = fakeClock();
  const first = await openSqlite(directory, { clock });
  await assert.rejects(openSqlite(directory, { clock }), { code: "data_in_use" });
  const { id } = await placeOne(first);
  await first.close();
  const second = await openSqlite(directory, { clock });
  assert.equal((await second.get(id))?.id, id);
  await second.close();
});

test("migrations are numbered, and a newer number is refused without touching the file", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const clock = fakeClock();
  await (await openSqlite(directory, { clock })).close();
  const file = join(directory, "orders.db");
  const db = new DatabaseSync(file);
  assert.equal(db.prepare("PRAGMA user_version").get()?.user_version, schemaVersion);
  db.exec(`PRAGMA user_version = ${schemaVersion + 1}`);
  db.close();
  const before = readFileSync(file);
  await assert.rejects(openSqlite(directory, { clock }), { code: "store_too_new", message: /run the newer Cauce/ });
  assert.deepEqual(readFileSync(file), before);
});

test("the data of another workflow is refused", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const clock = fakeClock();
  await (await openSqlite(directory, { clock })).close();
  const db = new DatabaseSync(join(directory, "orders.db"));
  db.exec("UPDATE meta SET value = 'claims' WHERE name = 'workflow'");
  db.close();
  await assert.rejects(openSqlite(directory, { clock }), { code: "store_mismatch", message: /"claims"/ });
});

test("a file that is no database and a path that is no directory are refused on one line", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const clock = fakeClock();
  writeFileSync(join(directory, "orders.db"), "this is no database, whatever its name says".repeat(200));
  await assert.rejects(openSqlite(directory, { clock }), { code: "store_corrupt" });
  writeFileSync(join(directory, "file"), "");
  await assert.rejects(openSqlite(join(directory, "file"), { clock }), { code: "store_unreadable" });
  const taken = join(directory, "taken");
  mkdirSync(join(taken, "orders.db"), { recursive: true });
  await assert.rejects(openSqlite(taken, { clock }), (error: Error & { code: string }) => {
    assert.equal(error.code, "store_unreadable");
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
  // A failed opening leaves no lock.
  const good = await openSqlite(join(directory, "good"), { clock });
  await good.close();
});

/** The writer alone, with batches of placings. */
function writing(t: TestContext) {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const writer = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
  t.after(() => writer.close());
  const now = Date.UTC(2026, 10, 24);
  const json = createEntryWriter();
  const ids = createIds(writer.state.lastSeq);
  const placings = (count: number, next = ids.next) => {
    const encoder = createEncoder();
    for (let n = 0; n < count; n++) {
      const { seq, id } = next(now);
      const order = storedOrder({ ...newOrder, dataJson: JSON.stringify("x".repeat(2_000)) }, id);
      encodePlace(encoder, json, seq, order, null);
    }
    return encoder.take();
  };
  return {
    writer,
    placings,
    batch: (count: number, grants: (string | number)[] = [], next = ids.next) =>
      writer.apply({ ops: placings(count, next), count, grants, now }),
    /** How many orders were leased: those that just came are told by their operation's index, others as a row. */
    leasedIn({ deliveries }: BatchResult) {
      const from = createDecoder(deliveries);
      let count = 0;
      for (; !from.done(); count++) if (from.numberOrNull() === null) decodeStored(from);
      return count;
    },
    count: () => writer.db.prepare("SELECT count(*) AS n FROM orders").get()?.n,
    counted: () =>
      writer.db
        .prepare("SELECT bucket, count FROM counts WHERE count > 0 ORDER BY bucket")
        .all()
        .map(({ bucket, count }) => [bucket, count]),
  };
}

test("a full disk rejects the whole batch, keeps what is stored, and goes on once there is room", (t) => {
  const { writer, batch, leasedIn, count, counted } = writing(t);
  assert.equal(leasedIn(batch(10, ["received", 3])), 3);
  // SQLite's own limit of the file gives the code (SQLITE_FULL) and the rollback of a full disk.
  const { page_count: pages } = writer.db.prepare("PRAGMA page_count").get() as { page_count: number };
  writer.db.exec(`PRAGMA max_page_count = ${pages + 4}`);
  assert.equal(batch(50, ["received", 5]).fault?.code, "store_full");
  assert.equal(count(), 10);
  writer.db.exec("PRAGMA max_page_count = 1000000");
  // The grant of five deliveries, made while the disk was full, still holds.
  const answer = batch(1);
  assert.equal(answer.fault, undefined);
  assert.equal(leasedIn(answer), 5);
  assert.equal(count(), 11);
  assert.deepEqual(counted(), [
    [1, 3],
    [2, 8],
  ]);
});

test("a transaction whose very commit fails leaves nothing behind, and what was asked for is still asked for", (t) => {
  const { writer, batch, leasedIn, count, counted } = writing(t);
  assert.equal(leasedIn(batch(2, ["received", 1])), 1);
  const { commit } = writer.statements;
  const run = commit.run.bind(commit);
  Object.assign(commit, { run: () => assert.fail("no room for the log") });
  assert.match(batch(3, ["received", 4]).fault?.message ?? "", /no room for the log/);
  Object.assign(commit, { run });
  assert.equal(count(), 2);
  // The one that was placed before, and the three that come now: those of the batch that failed never were.
  assert.equal(leasedIn(batch(3)), 4);
  assert.deepEqual(counted(), [[2, 5]]);
});

test("a key that is not later than every key before is refused: lists and cursors go by it", (t) => {
  const { batch, count } = writing(t);
  batch(3);
  const first = createIds(0).next(0);
  const refused = batch(1, [], () => first);
  assert.equal(refused.fault?.code, "internal_error");
  assert.equal(count(), 3);
});

test("an order that is leased for a receive that has ended waits, and counts among the oldest", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backend = await openSqlite(directory, { clock: fakeClock() });
  t.after(() => backend.close());
  await placeOne(backend);
  await backend.receive(receiveAll);
  const reader = openReader(join(directory, "orders.db"));
  t.after(() => reader.close());
  const [depth] = reader.depths(() => [{ order: { updatedAt: 7 } }]);
  assert.deepEqual([depth?.waiting, depth?.inFlight, depth?.oldestWaitingAt], [1, 0, 7]);
});

test("a store that is opened without a delivery keeps its own, and one that names the other says what it queued again", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const open = async (delivery?: DeliveryMode, groups: readonly (string | null)[] = []) => {
    const opened = await sqlite({ directory })({ workflow: "orders", clock: fakeClock(), delivery });
    for (const group of groups) await placeOne(opened, { group });
    await opened.close();
    return [opened.delivery, opened.requeued];
  };
  assert.deepEqual(await open(undefined, ["a", "a", "b", null]), ["standard", null]);
  assert.deepEqual(await open("fifo"), ["fifo", 3]);
  assert.deepEqual(await open(), ["fifo", null]);
  assert.deepEqual(await open("standard"), ["standard", 3]);
  assert.deepEqual(await open(), ["standard", null]);
});

test("queued orders survive a change of the delivery, in both directions", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const clock = fakeClock();
  const standard = await openSqlite(directory, { clock, delivery: "standard" });
  const ids: string[] = [];
  for (const group of ["a", "a", "b", null]) ids.push((await placeOne(standard, { group })).id);
  await standard.close();

  const fifo = await openSqlite(directory, { clock, delivery: "fifo" });
  const heads = await fifo.receive(receiveAll);
  assert.deepEqual(
    heads.map((delivery) => delivery.orderId),
    [ids[0], ids[2], ids[3]],
  );
  assert.deepEqual((await fifo.counts({ depths: true })).depths, [
    {
      status: "received",
      kind: "handled",
      waiting: 1,
      inFlight: 3,
      delayed: 0,
      failed: 0,
      oldestWaitingAt: newOrder.createdAt,
      paused: false,
      atLeast: false,
    },
  ]);
  await fifo.settle(heads[0] as (typeof heads)[0], { verdict: "again", notBefore: clock.now() + 60_000 });
  await fifo.close();

  const back = await openSqlite(directory, { clock, delivery: "standard" });
  // Two orders were leased when the store closed. They are tried one after the other, and hold up no other order.
  const all = await back.receive(receiveAll);
  clock.advance(0.25);
  all.push(...(await back.receive({ ...receiveAll, waitSeconds: 60 })));
  assert.deepEqual(
    all.map((delivery) => [delivery.orderId, delivery.redelivered]),
    [
      [ids[2], true],
      [ids[1], false],
      [ids[3], true],
    ],
  );
  clock.advance(61);
  const [late] = await back.receive({ ...receiveAll, waitSeconds: Number.POSITIVE_INFINITY });
  assert.equal(late?.orderId, ids[0]);
  await back.close();
});

test("orders that no receiver asked for stay on the disk: a backlog is leased no faster than it is received", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backend = await openSqlite(directory, { clock: fakeClock() });
  const placed = await Promise.all(Array.from({ length: 500 }, () => placeOne(backend)));
  const db = new DatabaseSync(join(directory, "orders.db"), { readOnly: true });
  const countLeased = () => db.prepare("SELECT count(*) AS n FROM orders WHERE queue = 2").get()?.n;
  assert.equal(countLeased(), 0);
  const first = await backend.receive({ ...receiveAll, max: 20 });
  assert.equal(countLeased(), 20);
  const rest = await backend.receive({ ...receiveAll, max: 1_000 });
  assert.equal(first.length + rest.length, 500);
  assert.deepEqual(
    [...first, ...rest].map((delivery) => delivery.orderId),
    placed.map((order) => order.id),
  );
  db.close();
  await backend.close();
});

test("far more than one batch holds, placed at once, is stored as it was placed, in order", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backend = await openSqlite(directory, { clock: fakeClock() });
  // Together more characters than a string of this JavaScript engine can have.
  const large = JSON.stringify("x".repeat(16_777_214));
  const data = Array.from({ length: 33 }, (_, n) => [large, JSON.stringify({ n })]).flat();
  assert.ok(data.reduce((sum, { length }) => sum + length, 0) > constants.MAX_STRING_LENGTH);
  const placed = await Promise.allSettled(data.map((dataJson) => placeOne(backend, { dataJson })));
  const ids = placed.map((each) => (each.status === "fulfilled" ? each.value.id : String(each.reason)));
  assert.deepEqual(ids, [...ids].sort());
  for (const [index, id] of ids.entries()) {
    // Told by its index: a report of the data itself would be as long.
    assert.ok((await backend.get(id))?.dataJson === data[index], `order ${index}: ${id}`);
  }
  const { items } = await backend.list({ limit: 1 });
  assert.equal(items[0]?.id, ids.at(-1));
  await backend.close();
});

test("large orders go out a few at a time, and the others without that anything else happens", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backend = await openSqlite(directory, { clock: fakeClock() });
  const dataJson = JSON.stringify("x".repeat(8_000_000));
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push((await placeOne(backend, { dataJson })).id);
  const leased: string[][] = [];
  while (leased.flat().length < ids.length) {
    const max = ids.length - leased.flat().length;
    const deliveries = await backend.receive({ ...receiveAll, max, waitSeconds: Number.POSITIVE_INFINITY });
    leased.push(deliveries.map(({ orderId }) => orderId));
  }
  assert.deepEqual(leased.flat(), ids);
  assert.ok(
    leased.every(({ length }) => length <= 3),
    leased.map(({ length }) => length).join(),
  );
  await backend.close();
});

test("a batch that does not fit its operations is refused whole", (t) => {
  const { writer, placings, batch, count } = writing(t);
  batch(2);
  const ops = placings(3);
  for (const wrong of [
    { ops, count: 2 },
    { ops: { ...ops, text: `${ops.text}x` }, count: 3 },
    { ops: { ...ops, numbers: ops.numbers.subarray(1) }, count: 3 },
  ]) {
    const { fault } = writer.apply({ ...wrong, grants: [], now: Date.UTC(2026, 10, 24) });
    assert.equal(fault?.code, "internal_error");
    assert.equal(count(), 2);
  }
  assert.equal(batch(1).fault, undefined);
  assert.equal(count(), 3);
});

test("a close leaves a store that needs no repair", async (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const backend = await openSqlite(directory, { clock: fakeClock() });
  await placeOne(backend);
  await Promise.all([backend.close(), backend.close()]);
  const db = new DatabaseSync(join(directory, "orders.db"));
  assert.equal(db.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
  db.close();
  assert.ok(statSync(join(directory, "orders.db")).size > 0);
});
