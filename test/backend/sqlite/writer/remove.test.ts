import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Backend } from "../../../../src/backend/port.ts";
import { openWriter } from "../../../../src/backend/sqlite/writer/writer.ts";
import type { StoredOrder } from "../../../../src/core/order.ts";
import { fakeClock } from "../../../../src/testing/fakeClock.ts";
import { newOrder, openSqlite, placeOne, temporaryDirectory } from "../support.ts";

/** Commits a change that has what a store needs of a decided change. */
async function change(backend: Backend, before: StoredOrder, fields: Partial<StoredOrder>): Promise<StoredOrder> {
  const after = { ...before, visit: before.visit + 1, version: before.version + 1, ...fields };
  const ended = { ...before.entry, status: before.status, visit: before.visit, attempts: 0 };
  const change = { before, after: { ...after, past: [...before.past, ended] }, ended };
  const committed = await backend.commit({
    ...change,
    delivery: after.kind === "final" || after.failure ? "end" : "enter",
  });
  assert.equal(committed, "committed");
  return change.after;
}

describe("a removed order", () => {
  it("is overwritten in the files, among orders that stay, and leaves nothing after a VACUUM", async () => {
    const { directory, remove } = temporaryDirectory();
    try {
      const clock = fakeClock();
      const backend = await openSqlite(directory, { clock });
      const place = async (n: number) => {
        const mark = `${n % 3 === 0 ? "KEPT" : "ERASED"}-${n}`;
        // One order of seven takes several pages.
        const dataJson = JSON.stringify({ mark, filler: "x".repeat(n % 7 === 0 ? 9_000 : 200) });
        const key = { keyHash: n.toString(16).padStart(64, "0"), contentHash: "0".repeat(64) };
        const order = await placeOne(backend, { dataJson, group: mark, key });
        const moved = await change(backend, order, { status: "priced", resultsJson: JSON.stringify({ of: mark }) });
        const failure = { code: "handler_failed" as const, message: mark, fingerprint: mark, at: 1, attempts: 1 };
        const failed = await change(backend, moved, { failure });
        return change(backend, failed, { status: "done", kind: "final", failure: null });
      };
      const orders: StoredOrder[] = [];
      for (let from = 0; from < 600; from += 100) {
        orders.push(...(await Promise.all(Array.from({ length: 100 }, (_, n) => place(from + n)))));
      }
      const erased = orders.filter((_, n) => n % 3 !== 0);
      await Promise.all(erased.map(({ id }) => backend.remove({ id })));
      await backend.close();

      const times = (text: string) => {
        const files = readdirSync(directory).map((name) => readFileSync(join(directory, name), "latin1"));
        return files.reduce((sum, file) => sum + file.split(text).length - 1, 0);
      };
      assert.ok(times("KEPT-") > 0);
      // SQLite overwrites deleted rows. Copies may remain that SQLite made before, when it split or joined pages.
      const left = times("ERASED-");
      assert.ok(left < erased.length / 20, `${left} marks of ${erased.length} orders are left`);
      const writer = openWriter({ file: join(directory, "orders.db"), workflow: "orders", fifo: false });
      const count = (table: string) => writer.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
      assert.deepEqual(["orders", "order_data", "keys"].map(count), [200, 200, 200]);
      assert.deepEqual({ ...writer.db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
      writer.db.exec("VACUUM");
      writer.close();
      assert.equal(times("ERASED-"), 0);
    } finally {
      remove();
    }
  });

  it("leaves its row's key to no other order, whatever is removed after it and wherever the clock stands", async () => {
    const { directory, remove } = temporaryDirectory();
    try {
      const clock = fakeClock();
      let backend = await openSqlite(directory, { clock });
      const final = { kind: "final", status: "done" } as const;
      await placeOne(backend);
      const [before, last] = [await placeOne(backend, final), await placeOne(backend, final)];
      await backend.remove({ id: last.id });
      // It is the last row now, and not the last that there was.
      await backend.remove({ id: before.id });
      await backend.close();
      backend = await openSqlite(directory, { clock });
      const next = await placeOne(backend);
      assert.ok(next.id > last.id, `${next.id} comes after ${last.id}`);
      await backend.close();
    } finally {
      remove();
    }
  });

  it("leaves its key to a placing in the same batch as the removal", async () => {
    const { directory, remove } = temporaryDirectory();
    try {
      const backend = await openSqlite(directory, { clock: fakeClock() });
      const key = { keyHash: "1".repeat(64), contentHash: "2".repeat(64) };
      const order = await placeOne(backend, { kind: "final", status: "done", key });
      // Both go in one batch: the placing finds the order, and the removal erases it before it can be read.
      const [placed, removed] = await Promise.all([
        backend.place({ ...newOrder, key }),
        backend.remove({ id: order.id }),
      ]);
      assert.deepEqual(removed, { removed: 1, nextCursor: null });
      assert.equal(placed.outcome, "placed");
      await backend.close();
    } finally {
      remove();
    }
  });

  it("hides neither its group's older orders nor its new ones from a list of the group", async () => {
    const { directory, remove } = temporaryDirectory();
    try {
      const clock = fakeClock();
      let backend = await openSqlite(directory, { clock });
      const place = (group: string) => placeOne(backend, { kind: "final", status: "done", group });
      const first = await place("a");
      for (let n = 0; n < 5; n++) await Promise.all(Array.from({ length: 1_000 }, () => place("b")));
      const last = await place("a");
      const { items } = await backend.list({ group: "b", limit: 1_000 });
      await Promise.all(items.map(({ id }) => backend.remove({ id })));
      await backend.remove({ id: last.id });
      await backend.close();
      backend = await openSqlite(directory, { clock });
      const next = await place("a");
      const found = await backend.list({ group: "a", limit: 10 });
      assert.deepEqual(
        found.items.map(({ id }) => id),
        [next.id, first.id],
      );
      await backend.remove({ id: first.id });
      assert.equal((await backend.list({ group: "a", limit: 10 })).items.length, 1);
      await backend.close();
    } finally {
      remove();
    }
  });
});

describe("a time of day that was set forward and back", () => {
  it("leaves ids in the order of placing, and removes by age late and never early", async () => {
    const { directory, remove } = temporaryDirectory();
    const clock = fakeClock();
    const backend = await openSqlite(directory, { clock });
    try {
      const day = 86_400;
      const place = async () => {
        const order = await placeOne(backend, { createdAt: clock.now() });
        return change(backend, order, { status: "done", kind: "final", updatedAt: clock.now() });
      };
      const removeOlder = () => backend.remove({ before: clock.now() - day * 1_000, limit: 10 });
      const before = await place();
      clock.step(10 * day);
      const ahead = await place();
      clock.step(-10 * day);
      const after = await place();
      assert.deepEqual([before.id, ahead.id, after.id].toSorted(), [before.id, ahead.id, after.id]);
      assert.ok(after.updatedAt < ahead.updatedAt);

      clock.advance(2 * day);
      assert.deepEqual(await removeOlder(), { removed: 1, nextCursor: null });
      assert.deepEqual(
        [before, ahead, after].map(({ id }) => id).filter((id) => id !== before.id),
        (await backend.list({ limit: 10 })).items.map(({ id }) => id).toReversed(),
      );
      clock.advance(10 * day);
      assert.deepEqual(await removeOlder(), { removed: 2, nextCursor: null });
    } finally {
      await backend.close();
      remove();
    }
  });
});
