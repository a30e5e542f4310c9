import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createIds, storedOrder } from "../../../src/backend/newOrder.ts";
import { createDecoder, createEncoder } from "../../../src/backend/sqlite/batch/codec.ts";
import { op } from "../../../src/backend/sqlite/batch/protocol.ts";
import {
  createEntryWriter,
  decodeStored,
  encodeCommit,
  encodePlace,
  encodeStored,
  type StoredRow,
} from "../../../src/backend/sqlite/batch/row.ts";
import { openWriter } from "../../../src/backend/sqlite/writer/writer.ts";
import type { Change } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { newOrder, openSqlite, temporaryDirectory } from "./support.ts";

const extrasJson = '{"definition":2}';
const id = "01a20ada-2c00-7000-977c-733ca25df3df";
const transition = (before: StoredOrder, extras: string | null = before.extrasJson): Change => {
  const after = { ...before, status: "priced", visit: 1, version: 2, extrasJson: extras };
  const ended = { ...before.entry, status: before.status, visit: 0, attempts: 1 };
  return { before, after: { ...after, past: [ended] }, ended, delivery: "enter" };
};
const packed = (encode: (to: ReturnType<typeof createEncoder>) => void) => {
  const encoder = createEncoder();
  encode(encoder);
  const { numbers, text } = encoder.take();
  return { numbers: [...numbers], text };
};

describe("a store with the schema from before extras", () => {
  const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");
  const orders = (JSON.parse(read("schema1.json")) as StoredOrder[]).map((order) => ({ ...order, extrasJson: null }));

  test("opens with its orders unchanged, and the orders take extras", async (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const file = join(directory, "orders.db");
    const old = new DatabaseSync(file);
    old.exec(read("schema1.sql"));
    assert.equal(old.prepare("PRAGMA user_version").get()?.user_version, 1);
    old.close();

    const clock = fakeClock();
    let backend = await openSqlite(directory, { clock });
    assert.deepEqual((await backend.list({ limit: 10 })).items, orders.toReversed());
    const [done, failed, , waiting, leased, ready] = orders as [StoredOrder, ...StoredOrder[]];
    assert.ok(failed && waiting && leased && ready);
    const key = { keyHash: "ab".repeat(32), contentHash: "cd".repeat(32) };
    assert.deepEqual(await backend.place({ ...newOrder, key }), { outcome: "repeated", order: done });
    const receive = { status: "received", max: 1, leaseSeconds: 60, waitSeconds: 60 };
    const [first] = await backend.receive(receive);
    assert.deepEqual([first?.orderId, first?.redelivered], [leased.id, true]);
    assert.equal(await backend.commit(transition(leased, extrasJson)), "committed");
    const [second] = await backend.receive(receive);
    assert.deepEqual([second?.orderId, second?.redelivered], [ready.id, false]);
    const expired = { ...waiting, expiresAt: null, version: 2, extrasJson };
    assert.equal(await backend.commit({ before: waiting, after: expired, ended: null, delivery: "end" }), "committed");
    await backend.close();

    backend = await openSqlite(directory, { clock });
    assert.deepEqual(await backend.get(leased.id), transition(leased, extrasJson).after);
    assert.deepEqual(await backend.get(waiting.id), expired);
    assert.deepEqual(await backend.get(failed.id), failed);
    await backend.close();
    const migrated = new DatabaseSync(file, { readOnly: true });
    t.after(() => migrated.close());
    assert.equal(migrated.prepare("PRAGMA user_version").get()?.user_version, 3);
    assert.equal(migrated.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
  });
});

describe("the messages between the store and its writer", () => {
  const json = createEntryWriter();
  const place = (extras: string | null) =>
    packed((to) => encodePlace(to, json, 1, storedOrder({ ...newOrder, extrasJson: extras }, id), null));
  const bare = storedOrder(newOrder, id);
  const commit = (before: StoredOrder, extras?: string | null) =>
    packed((to) => encodeCommit(to, json, 1, null, transition(before, extras)));

  test("take no number and no text for extras in a placing or commit without extras", () => {
    const [without, placed] = [place(null), place(extrasJson)];
    assert.equal(without.numbers[0], op.place);
    assert.deepEqual(placed, {
      numbers: [op.placeWithExtras, ...without.numbers.slice(1), extrasJson.length],
      text: without.text + extrasJson,
    });
    const unchanged = commit(bare);
    assert.equal(unchanged.numbers[0], op.transition);
    assert.deepEqual(
      commit({ ...bare, extrasJson }),
      unchanged,
      "a commit that leaves the extras as they are sends none",
    );
    assert.deepEqual(commit(bare, extrasJson), {
      numbers: [op.transitionWithExtras, ...unchanged.numbers.slice(1), extrasJson.length],
      text: unchanged.text + extrasJson,
    });
    assert.equal(commit({ ...bare, extrasJson }, null).numbers.at(-1), Number.NaN, "taken away");
  });

  test("take one number for extras in a row without extras, and give each row back unchanged", () => {
    const row = (redelivered: number, extras: string | null): StoredRow => [
      ...([id, "received", 0, 0, 1, 0, 0, "{}", "{}", null, 5, 5, null, null, null, "[]", "", 0, 7] as const),
      ...([redelivered, extras] as const),
    ];
    assert.equal(packed((to) => encodeStored(to, row(2, null))).numbers.length, 21);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.option(fc.string({ unit: "binary" })))), (some) => {
        const rows = some.map(([redelivered, extras]) => row(redelivered, extras));
        const encoder = createEncoder();
        for (const each of rows) encodeStored(encoder, each);
        const from = createDecoder(encoder.take());
        assert.deepEqual(
          rows.map(() => decodeStored(from)),
          rows,
        );
        assert.ok(from.done());
      }),
    );
  });
});

test("a commit that leaves an order's extras unchanged runs no statement for them", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const writer = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
  const { db } = writer;
  t.after(writer.close);
  const ran: string[] = [];
  for (const [name, statement] of Object.entries(writer.statements) as [string, StatementSync][]) {
    const run = statement.run.bind(statement);
    Object.assign(statement, {
      run(...values: SQLInputValue[]) {
        ran.push(name);
        return run(...values);
      },
    });
  }
  const ids = createIds(writer.state.lastSeq);
  const json = createEntryWriter();
  const around = ["begin", "commit", "setCount"];
  const apply = (encode: (to: ReturnType<typeof createEncoder>) => void, grants: (string | number)[] = []) => {
    const encoder = createEncoder();
    encode(encoder);
    const { fault, unsuccessful } = writer.apply({ ops: encoder.take(), count: 1, grants, now: newOrder.createdAt });
    assert.deepEqual([fault, unsuccessful], [undefined, []]);
    return ran.splice(0).filter((name) => !around.includes(name));
  };
  for (const [extras, changed, more] of [
    [null, null, []],
    [extrasJson, extrasJson, []],
    [extrasJson, null, ["setExtras"]],
    [null, extrasJson, ["setExtras"]],
  ] as const) {
    const { seq, id } = ids.next(newOrder.createdAt);
    const order = storedOrder({ ...newOrder, extrasJson: extras }, id);
    const asked = ["received", 1, "priced", 1];
    assert.deepEqual(
      apply((to) => encodePlace(to, json, seq, order, null), asked),
      ["insertOrders", "insertData", ...(extras === null ? [] : ["setExtras"])],
    );
    const afterTransition = apply((to) => encodeCommit(to, json, seq, null, transition(order, changed)));
    assert.deepEqual(afterTransition, [...more, "transitionLeased"]);
    const stored = db.prepare("SELECT status, extras FROM orders WHERE seq = ?").get(seq);
    assert.deepEqual({ ...stored }, { status: "priced", extras: changed });
  }
});
