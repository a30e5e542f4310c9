import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext, test } from "node:test";
import { createIds, storedOrder } from "../../../../src/backend/newOrder.ts";
import type { LocatedBackend } from "../../../../src/backend/port.ts";
import { createEncoder } from "../../../../src/backend/sqlite/batch/codec.ts";
import { op, type StoreFault } from "../../../../src/backend/sqlite/batch/protocol.ts";
import { createEntryWriter, encodePlace } from "../../../../src/backend/sqlite/batch/row.ts";
import { prefixOf } from "../../../../src/backend/sqlite/schema.ts";
import { recentKeysMax } from "../../../../src/backend/sqlite/writer/state.ts";
import { openWriter } from "../../../../src/backend/sqlite/writer/writer.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { copyStore, newOrder, openSqlite, temporaryDirectory } from "../support.ts";

const content = "c".repeat(64);
// The first 16 digits are 8 bytes: these keys differ only behind them.
const alike = ["1", "2", "3"].map((digit) => "a".repeat(16) + digit.repeat(48));

function folder(t: TestContext): string {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  return directory;
}

/** Opens a writer, and gives what places keys with it in one batch. */
function placing(t: TestContext, directory: string) {
  const writer = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
  t.after(() => writer.db.isOpen && writer.close());
  const ids = createIds(writer.state.lastSeq);
  const json = createEntryWriter();
  return {
    ...writer,
    /** Places an order for each key. Gives the fault, and what came of those that were not placed. */
    place(keyHashes: readonly string[], contentHash = content) {
      const encoder = createEncoder();
      for (const keyHash of keyHashes) {
        const { seq, id } = ids.next(newOrder.createdAt);
        encodePlace(encoder, json, seq, storedOrder(newOrder, id), { keyHash, contentHash });
      }
      const { unsuccessful, fault } = writer.apply({
        ...{ ops: encoder.take(), count: keyHashes.length, grants: [], now: newOrder.createdAt },
      });
      return { fault, outcomes: unsuccessful.map(({ index, is }) => `${index} ${is}`) };
    },
    count: (table: string) => writer.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n,
    keysIndexed: () => Number(writer.db.prepare("SELECT value FROM meta WHERE name = 'keys_indexed'").get()?.value),
  };
}

/** Applies a batch whose commit fails. */
function failing(
  { statements }: ReturnType<typeof openWriter>,
  apply: () => { readonly fault?: StoreFault | undefined },
) {
  const { commit } = statements;
  const run = commit.run.bind(commit);
  Object.assign(commit, { run: () => assert.fail("no room for the log") });
  assert.match(apply().fault?.message ?? "", /no room for the log/);
  Object.assign(commit, { run });
}

const keyOf = (n: number) => hash("sha256", String(n));
const keysFrom = (from: number, count: number) => Array.from({ length: count }, (_, n) => keyOf(from + n));

async function assertKept(backend: LocatedBackend, ids: readonly string[]): Promise<void> {
  for (const [index, keyHash] of alike.entries()) {
    const repeated = await backend.place({ ...newOrder, key: { keyHash, contentHash: content } });
    assert.deepEqual([repeated.outcome, "order" in repeated && repeated.order.id], ["repeated", ids[index]]);
    const other = await backend.place({ ...newOrder, key: { keyHash, contentHash: "d".repeat(64) } });
    assert.deepEqual(other, { outcome: "conflict", orderId: ids[index] });
  }
}

describe("keys whose hashes begin with the same 8 bytes", () => {
  it("stay orders of their own, and a repeat of each finds its own, in one batch, later and after a start", async (t) => {
    const directory = folder(t);
    let backend = await openSqlite(directory, { clock: fakeClock() });
    t.after(() => backend.close());
    const place = (keyHash: string) => backend.place({ ...newOrder, key: { keyHash, contentHash: content } });
    const placed = await Promise.all([...alike, ...alike].map(place));
    assert.deepEqual(
      placed.map(({ outcome }) => outcome),
      [...alike.map(() => "placed"), ...alike.map(() => "repeated")],
    );
    const ids = placed.map((each) => ("order" in each ? each.order.id : ""));
    assert.equal(new Set(ids).size, alike.length);
    assert.deepEqual(ids.slice(alike.length), ids.slice(0, alike.length));
    await assertKept(backend, ids);
    await backend.close();
    backend = await openSqlite(directory, { clock: fakeClock() });
    await assertKept(backend, ids);
  });

  it("are found in the index, and the removal of one frees its key and no other", async (t) => {
    const directory = folder(t);
    const old = new DatabaseSync(join(directory, "orders.db"));
    old.exec(readFileSync(new URL("../schema1.sql", import.meta.url), "utf8"));
    const orders = old.prepare("SELECT seq, id FROM orders ORDER BY seq LIMIT 3").all() as {
      seq: number;
      id: string;
    }[];
    old.exec("DELETE FROM keys; UPDATE orders SET kind = 2, queue = NULL, position = NULL; DELETE FROM counts");
    for (const [index, { seq }] of orders.entries()) {
      old.prepare("INSERT INTO keys VALUES (unhex(?), unhex(?), ?)").run(alike[index] as string, content, seq);
      old.prepare("UPDATE order_data SET key_hash = unhex(?) WHERE seq = ?").run(alike[index] as string, seq);
    }
    old.close();
    const [first, second, third] = orders;
    assert.ok(first && second && third);
    const backend = await openSqlite(directory, { clock: fakeClock() });
    t.after(() => backend.close());
    await assertKept(
      backend,
      orders.map(({ id }) => id),
    );
    assert.deepEqual(await backend.remove({ id: second.id }), { removed: 1, nextCursor: null });
    const read = new DatabaseSync(join(directory, "orders.db"), { readOnly: true });
    t.after(() => read.close());
    assert.deepEqual(
      read
        .prepare("SELECT seq FROM key_index ORDER BY seq")
        .all()
        .map(({ seq }) => seq),
      [first.seq, third.seq],
    );
    const placed = await backend.place({
      ...newOrder,
      key: { keyHash: alike[1] as string, contentHash: "e".repeat(64) },
    });
    assert.equal(placed.outcome, "placed");
    for (const [index, { id }] of [[0, first] as const, [2, third] as const]) {
      const conflict = await backend.place({
        ...newOrder,
        key: { keyHash: alike[index] as string, contentHash: "e".repeat(64) },
      });
      assert.deepEqual(conflict, { outcome: "conflict", orderId: id });
    }
  });
});

test("a migrated store finds each of its keys, whatever its first bytes are", (t) => {
  const directory = folder(t);
  const old = new DatabaseSync(join(directory, "orders.db"));
  old.exec(readFileSync(new URL("../schema1.sql", import.meta.url), "utf8"));
  const keys = ["0".repeat(64), "f".repeat(64), ...keysFrom(0, 2_000)];
  const insert = old.prepare("INSERT INTO keys VALUES (unhex(?), unhex(?), ?)");
  old.exec("BEGIN; DELETE FROM keys");
  for (const [index, keyHash] of keys.entries()) insert.run(keyHash, content, index + 1);
  old.exec("COMMIT");
  old.close();
  const { db } = placing(t, directory);
  const prefixes = db.prepare("SELECT prefix FROM key_index ORDER BY seq").all();
  assert.deepEqual(
    prefixes.map(({ prefix }) => prefix),
    keys.map(prefixOf),
  );
  const rows = db.prepare("SELECT seq, lower(hex(key_hash)) AS key, lower(hex(content_hash)) AS of FROM keys").all();
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    keys.map((key, index) => ({ seq: index + 1, key, of: content })),
  );
});

describe("keys on their way into the index", () => {
  it("are found all the time, also after a process that died in the middle, and none is left out", (t) => {
    const directory = folder(t);
    const writer = placing(t, directory);
    const total = recentKeysMax + 20_000;
    for (let n = 0; n < total; n += 4_000) assert.deepEqual(writer.place(keysFrom(n, 4_000)).outcomes, []);
    const indexed = writer.count("key_index") as number;
    assert.ok(indexed > 1_000 && indexed < recentKeysMax, `${indexed} keys are in the index`);
    assert.equal(writer.keysIndexed(), 0);
    const some = Array.from({ length: 500 }, (_, n) => keyOf(n * 131));
    const repeated = some.map((_, index) => `${index} repeated`);
    assert.deepEqual(writer.place(some).outcomes, repeated);
    failing(writer, () => writer.place(keysFrom(500_000, 40_000)));
    assert.deepEqual(writer.place(some).outcomes, repeated);

    const copy = folder(t);
    copyStore(directory, copy);
    const next = placing(t, copy);
    assert.deepEqual(next.place(some).outcomes, repeated);
    assert.deepEqual(
      next.place(some, "d".repeat(64)).outcomes,
      some.map((_, index) => `${index} conflict`),
    );
    for (let n = 0; n < 60_000; n += 4_000) assert.deepEqual(next.place(keysFrom(1_000_000 + n, 4_000)).outcomes, []);
    assert.ok(next.keysIndexed() > 0);
    const missing = next.db
      .prepare("SELECT count(*) AS n FROM keys WHERE seq <= ? AND seq NOT IN (SELECT seq FROM key_index)")
      .get(next.keysIndexed())?.n;
    assert.equal(missing, 0);
    assert.deepEqual(next.place(some).outcomes, repeated);
  });

  it("are forgotten with a batch that fails, and those of before are not", (t) => {
    const writer = placing(t, folder(t));
    assert.deepEqual(writer.place(alike.slice(0, 1)).outcomes, []);
    failing(writer, () => writer.place(alike.slice(1)));
    assert.deepEqual(["orders", "order_data", "keys"].map(writer.count), [1, 1, 1]);
    assert.deepEqual(writer.place(alike).outcomes, ["0 repeated"]);
    assert.deepEqual(writer.place(alike).outcomes, ["0 repeated", "1 repeated", "2 repeated"]);
  });

  it("stay with an order whose removal fails", (t) => {
    const writer = placing(t, folder(t));
    writer.place(alike);
    const remove = () => {
      const encoder = createEncoder();
      for (const value of [op.removeOld, 0, Number.MAX_SAFE_INTEGER, newOrder.createdAt + 1, 10]) encoder.number(value);
      return writer.apply({ ops: encoder.take(), count: 1, grants: [], now: newOrder.createdAt });
    };
    writer.db.exec("UPDATE orders SET kind = 2, queue = NULL, position = NULL");
    failing(writer, remove);
    assert.deepEqual(writer.place(alike).outcomes, ["0 repeated", "1 repeated", "2 repeated"]);
    assert.equal(remove().fault, undefined);
    assert.deepEqual(["orders", "order_data", "keys"].map(writer.count), [0, 0, 0]);
    assert.deepEqual(writer.place(alike).outcomes, []);
  });
});
