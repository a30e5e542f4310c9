/** Rows that a second connection damages, in each way and for each reader. The orders beside them go on. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, type TestContext, test } from "node:test";
import type { DeliveryMode, LocatedBackend } from "../../../src/backend/port.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { type AnyWorkflow, final } from "../../../src/core/workflow.ts";
import { orderOf } from "../../../src/engine/orderView.ts";
import { type FakeClock, fakeClock } from "../../../src/testing/fakeClock.ts";
import { appOf, atEnd, engineOf, isIn, refused, taken, workflowOf } from "../../engine/support.ts";
import { copyStore, openSqlite, temporaryDirectory } from "./support.ts";

/** A store whose file the test can damage behind its back, and open again. */
async function damagedStore(t: TestContext, delivery: DeliveryMode = "standard") {
  const clock = fakeClock();
  const { directory, remove } = temporaryDirectory();
  atEnd(t, remove);
  const file = (from = directory) => join(from, "orders.db");
  const open = async (from = directory): Promise<LocatedBackend> => {
    const backend = await openSqlite(from, { clock, delivery });
    atEnd(t, () => backend.close());
    return backend;
  };
  const sql = (text: string, seq: number, from?: string) => {
    const db = new DatabaseSync(file(from));
    db.prepare(text).run(seq);
    db.close();
  };
  const rowOf = (seq: number) => {
    const db = new DatabaseSync(file(), { readOnly: true });
    const columns =
      "kind, visit, version, attempts, attempting, not_before, expires_at, created_at, updated_at, past_omitted";
    const texts = "id, status, group_key, entry, past, results, extras"
      .split(", ")
      .map((name) => `hex(o.${name}), typeof(o.${name})`);
    const statement = db.prepare(
      `SELECT ${columns}, ${texts}, hex(d.data) FROM orders o LEFT JOIN order_data d ON d.seq = o.seq WHERE o.seq = ?`,
    );
    statement.setReadBigInts(true);
    const row = statement.get(seq);
    db.close();
    return row;
  };
  return { clock, directory, backend: await open(), open, sql, rowOf };
}

const seqOf = (backend: LocatedBackend, { id }: Pick<StoredOrder, "id">) => Number(backend.where(id).key.seq);

const workflow = workflowOf(
  { received: { to: ["done"], retry: { attempts: 2 } }, review: { to: ["done"], waits: true }, done: final },
  { group: (data) => (data as { group?: string }).group },
);

/** Runs the workflow, and keeps the ids of the orders that the handler got. */
function running(t: TestContext, backend: LocatedBackend, clock: FakeClock, of: AnyWorkflow = workflow) {
  const handled: string[] = [];
  const received = ({ id }: { id: string }) => {
    handled.push(id);
    return "done";
  };
  return { handled, ...engineOf(t, appOf(of, { received: received as never }), { backend, clock }) };
}

const set = (column: string, value: string) => `UPDATE orders SET ${column} = ${value} WHERE seq = ?`;
const setData = (value: string) => `UPDATE order_data SET data = ${value} WHERE seq = ?`;
const notUtf8 = "CAST(x'7B226E223A22FF227D' AS TEXT)";
const tooLarge = "9223372036854775807";

const damages: readonly (readonly [what: string, column: string, sql: string])[] = [
  ["data that is no JSON", "data", setData(`'{"n":'`)],
  ["data that is a blob", "data", setData(`x'7B7D'`)],
  ["data that is no UTF-8", "data", setData(notUtf8)],
  ["no data", "data", "DELETE FROM order_data WHERE seq = ?"],
  ["results that are no JSON", "results", set("results", "'{'")],
  ["results that are no object", "results", set("results", "'[]'")],
  ["results that are no UTF-8", "results", set("results", notUtf8)],
  ["an entry that is no JSON", "entry", set("entry", "'['")],
  ["an entry without its parts", "entry", set("entry", "'[1]'")],
  ["an entry at no time", "entry", set("entry", `'[9e99,["node","a"]]'`)],
  ["an entry by no actor", "entry", set("entry", `'[1,{"name":"a"}]'`)],
  ["an entry by no known runtime", "entry", set("entry", `'[1,["no\\"de","a"]]'`)],
  ["an entry that is a blob", "entry", set("entry", "x'00'")],
  ["a past that is no JSON", "past", set("past", "']['")],
  ["a past of another shape", "past", set("past", `'["received"]'`)],
  ["a past that is an object", "past", set("past", `'{}'`)],
  ["a failure that is no JSON", "failure", set("failure", "'no'")],
  ["a failure of another shape", "failure", set("failure", `'{"code":1}'`)],
  ["extras that are a blob", "extras", set("extras", "x'00'")],
  ["a group that is a blob", "group_key", set("group_key", "x'00ff'")],
  ["an unknown kind", "kind", set("kind", "7")],
  ["a kind that is text", "kind", set("kind", "'handled'")],
  ["a visit that is text", "visit", set("visit", "'one'")],
  ["a visit past every number", "visit", set("visit", tooLarge)],
  ["a version that is a blob", "version", set("version", "x'01'")],
  ["a version past every number", "version", set("version", tooLarge)],
  ["attempts that are text", "attempts", set("attempts", "'x'")],
  ["a mark of an attempt that is text", "attempting", set("attempting", "'x'")],
  ["an infinite time of placing", "created_at", set("created_at", "9e999")],
  ["a time of change past every date", "updated_at", set("updated_at", "9e15")],
  ["a delay that is text", "not_before", set("not_before", "'soon'")],
  ["an expiry that is text", "expires_at", set("expires_at", "'soon'")],
  ["a count that is text", "past_omitted", set("past_omitted", "'x'")],
  ["an id of another key", "id", set("id", "'01a20ada-2c00-7fff-977c-733ca25df3df'")],
  ["an id that is a blob", "id", set("id", "x'00'")],
];

function isUnreadable(order: StoredOrder | undefined, id: string, column: string): void {
  assert.ok(order);
  const { data, results, failure, ...shown } = orderOf(order, "orders");
  assert.deepEqual(
    [shown.id, shown.status, data, results, failure?.code],
    [id, "received", null, {}, "order_unreadable"],
  );
  assert.match(
    failure?.message ?? "",
    new RegExp(`^row \\d+ of "orders" cannot be read: ${column}; the SHA-256 .* is [0-9a-f]{64}; .*$`),
  );
}

describe("a row that cannot be read", () => {
  for (const [what, column, sql] of damages) {
    test(`fails its order alone, with ${what}`, async (t) => {
      const { clock, backend, sql: run, rowOf, open } = await damagedStore(t);
      const { engine, place, until, handled, of, get, logged } = running(t, backend, clock);
      const [first, bad, last] = [await place(), await place(), await place()];
      const seq = seqOf(backend, bad);
      run(sql, seq);
      const before = rowOf(seq);
      await engine.start();
      const ended = [await until(first.id, isIn("done")), await until(last.id, isIn("done"))];
      await logged("order failed");
      isUnreadable(await get(bad.id), bad.id, column);
      assert.deepEqual(handled, [first.id, last.id]);

      const { items } = await engine.list({ limit: 10, failed: true });
      assert.equal(items.length, 1);
      assert.equal((await engine.list({ limit: 10 })).items.length, 3);
      const [listed] = items;
      const idListed = column === "id" ? (listed?.id ?? "") : bad.id;
      isUnreadable(listed, idListed, column);
      isUnreadable(await get(idListed), idListed, column);
      assert.deepEqual(
        (await engine.failures()).map(({ status, count, message }) => [status, count, message]),
        [["received", 1, listed?.failure?.message]],
      );
      const [depth] = await engine.queues();
      assert.deepEqual([depth?.waiting, depth?.inFlight, depth?.delayed, depth?.failed], [0, 0, 0, 1]);
      refused(await engine.retry(bad.id), "order_unreadable");
      refused(await engine.transition(bad.id, { to: "done" }), "order_unreadable");
      assert.deepEqual((await engine.retryMany({})).retried, 0);
      assert.equal(of("order failed").length, 1);
      assert.deepEqual(rowOf(seq), before, "what was stored of the order stays as it is");

      await engine.stop();
      await backend.close();
      const again = running(t, await open(), clock);
      await again.engine.start();
      const next = await again.place();
      await again.until(next.id, isIn("done"));
      isUnreadable(await again.get(bad.id), bad.id, column);
      assert.equal(await again.engine.remove(bad.id), undefined);
      assert.equal(await again.engine.get(bad.id), undefined);
      assert.deepEqual(await again.engine.failures(), []);
      assert.equal((await again.engine.queues())[0]?.failed, 0);
      assert.deepEqual(await Promise.all(ended.map(({ id }) => again.get(id))), ended);
      assert.deepEqual([again.handled, again.of("order failed")], [[next.id], []]);
    });
  }

  test("runs once its row was repaired and the order is retried", async (t) => {
    const { clock, backend, sql } = await damagedStore(t);
    const { engine, place, until, handled, get, logged } = running(t, backend, clock);
    const bad = await place({ n: 7 });
    const seq = seqOf(backend, bad);
    sql(setData("'{'"), seq);
    await engine.start();
    await logged("order failed");
    const failed = await get(bad.id);
    sql(setData(`'{"n":7}'`), seq);
    const repaired = await engine.get(bad.id);
    assert.deepEqual([repaired?.dataJson, repaired?.failure], ['{"n":7}', failed.failure]);
    taken(await engine.retry(bad.id));
    const done = await until(bad.id, isIn("done"));
    assert.deepEqual([done.failure, done.dataJson, handled], [null, '{"n":7}', [bad.id]]);
    assert.deepEqual(await engine.failures(), []);
    assert.deepEqual([(await engine.queues())[0]?.failed, (await engine.queues())[0]?.waiting], [0, 0]);
  });

  test("fails its order where it is damaged between two attempts, while others run", async (t) => {
    for (const [, column, sql] of damages) {
      const { clock, backend, sql: run } = await damagedStore(t);
      const handled: string[] = [];
      const handler = ({ id, data }: { id: string; data: unknown }) => {
        handled.push(id);
        if ((data as { fails?: boolean }).fails) throw new Error("not yet");
        return "done";
      };
      const app = appOf(workflow, { received: handler as never });
      const { engine, place, until, get, logged } = engineOf(t, app, { backend, clock });
      await engine.start();
      const bad = await place({ fails: true });
      await until(bad.id, ({ attempts }) => attempts === 1);
      run(sql, seqOf(backend, bad));
      clock.advance(1);
      await logged("order failed");
      isUnreadable(await get(bad.id), bad.id, column);
      const next = await place();
      await until(next.id, isIn("done"));
      assert.deepEqual(handled, [bad.id, next.id], column);
      await engine.stop();
    }
  });

  test("lets its group go on in FIFO delivery", async (t) => {
    const { clock, backend, sql } = await damagedStore(t, "fifo");
    const { engine, place, until, handled } = running(t, backend, clock);
    const [bad, next] = [await place({ group: "a" }), await place({ group: "a" })];
    sql(setData("'{'"), seqOf(backend, bad));
    await engine.start();
    await until(next.id, isIn("done"));
    assert.deepEqual(handled, [next.id]);
    const [removed, after] = [await place({ group: "b" }), await place({ group: "b" })];
    await until(after.id, isIn("done"));
    assert.equal((await engine.get(removed.id))?.status, "done");
  });

  test("lets its group go on in FIFO delivery when the order is removed before its turn", async (t) => {
    const { clock, backend, sql } = await damagedStore(t, "fifo");
    const { engine, place, until } = running(t, backend, clock);
    const [bad, next] = [await place({ group: "a" }), await place({ group: "a" })];
    sql(setData("'{'"), seqOf(backend, bad));
    assert.equal(await engine.remove(bad.id), undefined);
    await engine.start();
    await until(next.id, isIn("done"));
    assert.deepEqual(
      (await engine.queues()).map(({ waiting, failed }) => [waiting, failed]),
      [
        [0, 0],
        [0, 0],
      ],
    );
  });

  test("fails its order after a crash that left the order in hand", async (t) => {
    const { clock, backend, directory, sql } = await damagedStore(t);
    const { place } = running(t, backend, clock);
    const [bad, other] = [await place(), await place()];
    const receive = { status: "received", max: 2, leaseSeconds: 60, waitSeconds: 0 };
    assert.equal((await backend.receive(receive)).length, 2);
    const left = temporaryDirectory();
    atEnd(t, left.remove);
    copyStore(directory, left.directory);
    sql(set("past", "']'"), seqOf(backend, bad), left.directory);
    const crashed = await openSqlite(left.directory, { clock });
    atEnd(t, () => crashed.close());
    const { engine, until, handled, of, get, logged } = running(t, crashed, clock);
    await engine.start();
    await logged("order failed");
    isUnreadable(await get(bad.id), bad.id, "past");
    clock.advance(1);
    await until(other.id, isIn("done"));
    assert.deepEqual(handled, [other.id]);
    assert.equal(of("order failed").length, 1);
  });

  test("is marked failed by the sweep where its order waits, and the other waits expire", async (t) => {
    const waiting = workflowOf({
      review: { to: ["done"], waits: true, expires: { afterSeconds: 10, to: "done" } },
      done: final,
    });
    for (const [what, sql] of [
      ["data", setData("'{'")],
      ["entry", set("entry", "'['")],
      ["version", set("version", tooLarge)],
    ] as const) {
      const { clock, backend, sql: run } = await damagedStore(t);
      const { engine, place, until, of, get, logged } = engineOf(t, appOf(waiting), { backend, clock });
      await engine.start();
      const [first, bad, last] = [await place(), await place(), await place()];
      run(sql, seqOf(backend, bad));
      clock.advance(10);
      await until(first.id, isIn("done"));
      await until(last.id, isIn("done"));
      await logged("order failed");
      const failed = await get(bad.id);
      assert.deepEqual([failed.status, failed.failure?.code, failed.dataJson], ["review", "order_unreadable", "null"]);
      assert.deepEqual(
        (await engine.queues()).map(({ waiting, failed }) => [waiting, failed]),
        [[0, 1]],
        what,
      );
      // The next sweep leaves it alone.
      assert.equal(await engine.maintain("sweep", () => true), 0);
      assert.deepEqual([of("sweep failed").length, of("order failed").length], [0, 1]);
      await engine.stop();
    }
  });

  test("is marked failed by the first read where its order waits for ever", async (t) => {
    const reads = {
      get: (engine: ReturnType<typeof running>["engine"], id: string) => engine.get(id),
      list: (engine: ReturnType<typeof running>["engine"]) => engine.list({ limit: 5 }),
      transition: (engine: ReturnType<typeof running>["engine"], id: string) => engine.transition(id, { to: "done" }),
    };
    const waiting = workflowOf({ review: { to: ["done"], waits: true }, done: final });
    for (const [name, read] of Object.entries(reads)) {
      const { clock, backend, sql } = await damagedStore(t);
      const { engine, place, of } = engineOf(t, appOf(waiting), { backend, clock });
      const [bad] = [await place(), await place()];
      sql(setData("'{'"), seqOf(backend, bad));
      await read(engine, bad.id);
      await read(engine, bad.id);
      assert.deepEqual(
        (await engine.list({ limit: 5, failed: true })).items.map(({ id }) => id),
        [bad.id],
        name,
      );
      assert.deepEqual(
        (await engine.queues()).map(({ waiting, failed }) => [waiting, failed]),
        [[1, 1]],
      );
      assert.equal(of("order failed").length, 1);
    }
  });

  test("answers reads while the store takes no mark", async (t) => {
    const { clock, backend, sql } = await damagedStore(t);
    const around = (of: LocatedBackend): LocatedBackend => ({ ...of, commit: () => Promise.reject(new Error("full")) });
    const { engine, place, of } = engineOf(t, appOf(workflow, { received: () => "done" }), { backend, clock, around });
    const bad = await place();
    sql(setData("'{'"), seqOf(backend, bad));
    isUnreadable(await engine.get(bad.id), bad.id, "data");
    assert.equal(of("unreadable order not marked failed; the next read tries again").length, 1);
  });

  test("is shown where its order is final, and is removed by its id and by its age", async (t) => {
    const { clock, backend, sql } = await damagedStore(t);
    const { engine, place, until } = running(t, backend, clock);
    await engine.start();
    const [one, two] = [await place(), await place()];
    for (const { id } of [one, two]) await until(id, isIn("done"));
    for (const order of [one, two]) sql(set("past", "'['"), seqOf(backend, order));
    const read = await engine.get(one.id);
    assert.deepEqual(orderOf(read as StoredOrder, "orders").failure?.code, "order_unreadable");
    assert.equal((await engine.list({ limit: 5, status: "done" })).items.length, 2);
    assert.deepEqual(await engine.failures(), []);
    assert.equal(await engine.remove(one.id), undefined);
    clock.advance(86_400);
    const old = { before: clock.now(), limit: 10 };
    assert.deepEqual(await backend.remove(old), { removed: 1, nextCursor: null });
  });

  test("is what a placing with its order's key gives", async (t) => {
    for (const [, column, sql] of damages.filter(([, name]) => name === "data" || name === "id")) {
      const { clock, backend, sql: run } = await damagedStore(t);
      const { engine, place } = running(t, backend, clock);
      const bad = await place({ n: 1 }, { idempotencyKey: "k" });
      run(sql, seqOf(backend, bad));
      const { placed, order } = taken(await engine.place({ n: 1 }, { idempotencyKey: "k" }));
      assert.equal(placed, false);
      isUnreadable(order, column === "id" ? order.id : bad.id, column);
    }
  });

  test("has a status that is shown where the status itself cannot be read", async (t) => {
    const { clock, backend, sql } = await damagedStore(t);
    const { engine, place, until } = running(t, backend, clock);
    const [blob, quoted, other] = [await place(), await place(), await place()];
    sql(set("status", "x'00'"), seqOf(backend, blob));
    sql(set("status", `'a"b'`), seqOf(backend, quoted));
    await engine.start();
    await until(other.id, isIn("done"));
    for (const { id } of [blob, quoted]) {
      const order = await engine.get(id);
      assert.deepEqual([order?.status, order?.unreadable?.includes("read: status;")], ["?", true]);
      assert.equal(await engine.remove(id), undefined);
    }
  });

  test("stops no start where hundreds of its kind lie before the other orders", async (t) => {
    const { clock, backend, sql } = await damagedStore(t);
    const { engine, place, until, handled, of, get, logged } = running(t, backend, clock);
    const bad = await Promise.all(Array.from({ length: 300 }, () => place()));
    const other = await place();
    for (const [index, order] of bad.entries()) sql(damages[index % damages.length]?.[2] ?? "", seqOf(backend, order));
    await engine.start();
    await until(other.id, isIn("done"));
    await logged("order failed", bad.length);
    for (const { id } of bad) assert.equal((await get(id)).failure?.code, "order_unreadable");
    assert.deepEqual(handled, [other.id]);
    assert.equal(of("order failed").length, bad.length);
    assert.equal(
      (await engine.failures()).reduce((sum, { count }) => sum + count, 0),
      bad.length,
    );
  });
});
