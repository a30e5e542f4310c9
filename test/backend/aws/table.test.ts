import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { openTableMeta } from "../../../src/backend/aws/table.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { startEmulators } from "./emulators.ts";
import { stackOf } from "./support.ts";

const seconds = 5;

describe("the meta", { concurrency: 4 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("holds the largest number of shards that a process ever asked for", async (t) => {
    const { table } = await stackOf(t);
    const clock = fakeClock();
    const first = await openTableMeta(table, clock, 4);
    assert.deepEqual(first.open(), ["o#0", "o#1", "o#2", "o#3"]);
    const fewer = await openTableMeta(table, clock, 2);
    assert.equal(fewer.open().length, 4);
    const more = await openTableMeta(table, clock, 6);
    assert.equal(more.open().length, 6);
    assert.equal((await openTableMeta(table, clock, 1)).failed().length, 6);
    // A process that opened before learns of the new number.
    assert.equal(first.open().length, 4);
    clock.advance(seconds);
    await first.refresh();
    assert.equal(first.open().length, 6);
  });

  it("holds the largest number of shards where many processes open at once", async (t) => {
    const { table } = await stackOf(t);
    const clock = fakeClock();
    await Promise.all([3, 7, 1, 5].map((shards) => openTableMeta(table, clock, shards)));
    assert.equal((await openTableMeta(table, clock, 1)).open().length, 7);
  });

  it("keeps an order in one shard through all its states, and spreads orders over all shards", async (t) => {
    const { table } = await stackOf(t);
    const meta = await openTableMeta(table, fakeClock(), 4);
    const open = { status: "paid", kind: "handled", failure: null } as const;
    const failure = { code: "c", message: "m", fingerprint: "f", at: 0 };
    const counts = new Map<string, number>();
    for (let n = 0; n < 400; n++) {
      const id = randomUUID();
      const partition = meta.partitionOf({ ...open, id });
      const shard = partition.slice(1);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
      assert.equal(meta.partitionOf({ ...open, id, status: "held", kind: "waiting" }), partition);
      assert.equal(meta.partitionOf({ ...open, id, failure }), `f${shard}`);
      assert.equal(meta.partitionOf({ ...open, id, status: "done", kind: "final" }), `e#done${shard}`);
      assert.equal(meta.partitionOf({ ...open, id, status: "done", kind: "final", failure }), `f${shard}`);
    }
    assert.deepEqual([...counts.keys()].sort(), meta.open());
    assert.ok(Math.min(...counts.values()) > 50, JSON.stringify([...counts]));
  });

  it("knows the final statuses that orders entered in any process, and lists the partitions of one or of all", async (t) => {
    const { table } = await stackOf(t);
    const clock = fakeClock();
    const [one, other] = [await openTableMeta(table, clock, 2), await openTableMeta(table, clock, 2)];
    assert.deepEqual(one.final(), []);
    await one.noteFinal("shipped");
    await other.noteFinal("cancelled");
    assert.deepEqual(one.final(), ["e#shipped#0", "e#shipped#1"]);
    clock.advance(seconds);
    await one.refresh();
    assert.deepEqual(one.final(), ["e#cancelled#0", "e#cancelled#1", "e#shipped#0", "e#shipped#1"]);
    assert.deepEqual(one.final("shipped"), ["e#shipped#0", "e#shipped#1"]);
    assert.deepEqual(one.final("never"), []);
    assert.equal((await openTableMeta(table, clock, 2)).final().length, 4);
  });

  it("shows a pause at once in its own process and within 5 s in others, and keeps the pauses of other processes", async (t) => {
    const { table } = await stackOf(t);
    const clock = fakeClock();
    const [one, other] = [await openTableMeta(table, clock, 2), await openTableMeta(table, clock, 2)];
    await one.setPaused("paid", true);
    await other.setPaused("packed", true);
    await one.setPaused("paid", true);
    assert.deepEqual([(await one.paused()).has("paid"), (await other.paused()).has("paid")], [true, false]);
    clock.advance(seconds - 0.001);
    assert.equal((await other.paused()).has("paid"), false);
    clock.advance(0.001);
    assert.deepEqual([...(await other.paused())].sort(), ["packed", "paid"]);
    await other.setPaused("paid", false);
    assert.deepEqual([...(await other.paused())], ["packed"]);
    clock.advance(seconds);
    assert.deepEqual([...(await one.paused())], ["packed"]);
    await one.setPaused("packed", false);
    assert.deepEqual([...(await (await openTableMeta(table, clock, 2)).paused())], []);
  });

  it("keeps a pause that its own process sets during a refresh", async (t) => {
    const { table } = await stackOf(t);
    const clock = fakeClock();
    const asked = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    let slow = false;
    const one = await openTableMeta(
      {
        ...table,
        async read(key) {
          const item = await table.read(key);
          if (!slow || key.part !== "pauses") return item;
          asked.resolve();
          await mayAnswer.promise;
          return item;
        },
      },
      clock,
      2,
    );
    clock.advance(seconds);
    slow = true;
    const refreshed = one.refresh();
    await asked.promise;
    await one.setPaused("paid", true);
    mayAnswer.resolve();
    await refreshed;
    assert.equal((await one.paused()).has("paid"), true);
  });
});
