import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { list } from "../../../src/backend/aws/index/list.ts";
import { type Item, orderPart, textOf } from "../../../src/backend/aws/item.ts";
import {
  inlineBytesMax,
  orderOf,
  readOrder,
  releaseLargeFields,
  sweepLargeFields,
} from "../../../src/backend/aws/largeFields.ts";
import { createOrders, remove } from "../../../src/backend/aws/orders.ts";
import { createLeases } from "../../../src/backend/aws/queue/inFlight.ts";
import type { AwsContext } from "../../../src/backend/aws/queue/queue.ts";
import { openTableMeta, type Table } from "../../../src/backend/aws/table.ts";
import type { ListQuery, NewOrder } from "../../../src/backend/port.ts";
import type { Change } from "../../../src/core/decide.ts";
import type { StoredOrder } from "../../../src/core/order.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { startEmulators } from "./emulators.ts";
import { newOrder, stackOf } from "./support.ts";

const hourSeconds = 3_600;
const large = (mark: string) => JSON.stringify({ text: mark.padEnd(inlineBytesMax, ".") });

/** Gives a table whose process ends before its n-th write. */
function dyingBefore(table: Table, nth: number): Table {
  let writes = 0;
  const counted = <In extends unknown[], Out>(call: (...input: In) => Promise<Out>) => {
    return async (...input: In): Promise<Out> => {
      if (++writes >= nth) throw new Error("the process ended");
      return call(...input);
    };
  };
  return { ...table, put: counted(table.put), update: counted(table.update), erase: counted(table.erase) };
}

/** Opens orders over a table of their own, without queues. `as` makes a process of its own over a wrapped table. */
async function ordersOf(t: TestContext) {
  const { table } = await stackOf(t);
  const clock = fakeClock();
  const meta = await openTableMeta(table, clock, 1);
  const as = (seen: Table) => {
    const context = {
      ...{ mode: "standard", clock, table: seen, meta, leases: createLeases(clock), leaseSeconds: {} },
      topic: { expect: async () => ({ publish: async () => {}, end: () => {} }) },
      warn: (fields, message) => assert.fail(`${message} ${JSON.stringify(fields)}`),
    } as Partial<AwsContext> as AwsContext;
    return {
      ...createOrders(context, { dataBytesMax: 390_000, groupBytesMax: 256 }),
      get: (id: string) => readOrder(context, id),
      remove: (which: { readonly id: string }) => remove(context, which),
      list: (query: ListQuery) => list(context, query),
      sweepLargeFields: () => sweepLargeFields(context),
      /** The order of an item that was read before. */
      orderOf: (item: Item) => orderOf(context, item),
      release: (item: Item) => releaseLargeFields(context, item),
    };
  };
  const { place, commit, ...others } = as(table);
  const placed = async (fields: Partial<NewOrder>): Promise<StoredOrder> => {
    const answer = await place(newOrder(clock, fields));
    assert.ok("order" in answer);
    return answer.order;
  };
  const itemsOf = async (id: string) => {
    const query = { KeyConditionExpression: "id = :id", ExpressionAttributeValues: { ":id": { S: id } } };
    return (await table.query({ ...query, ConsistentRead: true })).items;
  };
  /** Gives the texts of an order's parts, and the time to live of each part that has one. */
  const largeFieldsOf = async (id: string) =>
    (await itemsOf(id))
      .filter((item) => textOf(item, "part") !== orderPart)
      .map((item) => ({ text: textOf(item, "te"), secondsToLive: item.tl && Number(item.tl.N) - clock.now() / 1_000 }));
  const notes = async () => {
    const shards = await Promise.all(Array.from({ length: 16 }, (_, shard) => itemsOf(`#parts#${shard}`)));
    return shards.flat().length;
  };
  return { as, table, clock, place, placed, commit, ...others, largeFieldsOf, notes };
}

function withResults(before: StoredOrder, resultsJson: string): Change {
  const after = { ...before, resultsJson, version: before.version + 1 };
  return { before, after, ended: null, delivery: "keep" };
}

function withExtras(before: StoredOrder, extrasJson: string): Change {
  const after = { ...before, extrasJson, version: before.version + 1 };
  return { before, after, ended: null, delivery: "keep" };
}

describe("an order's parts, its items for large fields", { concurrency: 8 }, () => {
  let emulators: { stop(): Promise<void> };
  before(async () => {
    emulators = await startEmulators();
  });
  after(() => emulators.stop());

  it("exist only for fields past 600 bytes of UTF-8", async (t) => {
    const { placed, get, largeFieldsOf } = await ordersOf(t);
    const json = (text: string) => JSON.stringify(text);
    for (const [dataJson, apart] of [
      [json("x".repeat(inlineBytesMax - 2)), 0],
      [json("x".repeat(inlineBytesMax - 1)), 1],
      [json("ä".repeat((inlineBytesMax - 2) / 2)), 0],
      [json(`${"ä".repeat((inlineBytesMax - 2) / 2)}x`), 1],
    ] as const) {
      const { id } = await placed({ dataJson });
      assert.equal((await largeFieldsOf(id)).length, apart, dataJson);
      assert.equal((await get(id))?.dataJson, dataJson);
    }
  });

  it("leave no note once their order names them", async (t) => {
    const { placed, commit, notes } = await ordersOf(t);
    const order = await placed({ dataJson: large("data") });
    assert.equal(await commit(withResults(order, large("results"))), "committed");
    assert.equal(await notes(), 0);
  });

  it("results that are replaced replace their part, and the last part is deleted when the results become small", async (t) => {
    const { placed, commit, get, largeFieldsOf } = await ordersOf(t);
    const first = await placed({});
    const texts = async () => (await largeFieldsOf(first.id)).map(({ text }) => text);
    await commit(withResults(first, large("a")));
    assert.deepEqual(await texts(), [large("a")]);
    await commit(withResults({ ...first, version: 2 }, large("b")));
    assert.deepEqual(await texts(), [large("b")]);
    assert.equal((await get(first.id))?.resultsJson, large("b"));
    await commit(withResults({ ...first, version: 3 }, '{"a":1}'));
    assert.deepEqual(await texts(), []);
    assert.equal((await get(first.id))?.resultsJson, '{"a":1}');
  });

  it("extras have a part past 600 bytes, which stays while no write changes them, and is replaced with them", async (t) => {
    const { table, placed, commit, get, largeFieldsOf, notes } = await ordersOf(t);
    const inline = "x".repeat(inlineBytesMax);
    let order = await placed({ extrasJson: inline });
    const change = async (extrasJson: string | null, resultsJson = order.resultsJson) => {
      const before = order;
      order = { ...before, extrasJson, resultsJson, version: before.version + 1 };
      assert.equal(await commit({ before, after: order, ended: null, delivery: "keep" }), "committed");
      assert.deepEqual(await get(order.id), order);
    };
    const names = async () => {
      const query = { KeyConditionExpression: "id = :id", ExpressionAttributeValues: { ":id": { S: order.id } } };
      return (await table.query({ ...query, ConsistentRead: true })).items.map((item) =>
        textOf(item, "part")?.slice(0, 2),
      );
    };
    assert.deepEqual(await names(), ["o"]);
    await change(large("a"));
    assert.deepEqual(await names(), ["o", "x2"]);
    await change(large("a"), '{"n":1}');
    assert.deepEqual(await names(), ["o", "x2"], "the part is not written again");
    await change(large("b"), large("results"));
    assert.deepEqual(await names(), ["o", "r4", "x4"]);
    await change(inline);
    assert.deepEqual(await names(), ["o", "r5"]);
    await change(large("c"));
    await change(null);
    assert.deepEqual(await names(), ["o", "r7"]);
    const item = await table.read({ id: order.id, part: orderPart });
    assert.deepEqual([item?.xt, item?.xp], [undefined, undefined]);
    assert.deepEqual([await notes(), (await largeFieldsOf(order.id)).length], [0, 1]);
  });

  it("extras are read again where a commit replaced their part during the read", async (t) => {
    const { table, placed, commit, orderOf } = await ordersOf(t);
    const order = await placed({ extrasJson: large("a") });
    const old = await table.read({ id: order.id, part: orderPart });
    assert.ok(old);
    assert.deepEqual(await orderOf(old), order);
    await commit(withExtras(order, large("b")));
    assert.equal(await orderOf(old), undefined);
  });

  it("results are read again where a commit replaced their part during the read", async (t) => {
    const { as, table, placed, commit, orderOf } = await ordersOf(t);
    const order = await placed({});
    await commit(withResults(order, large("a")));
    const old = await table.read({ id: order.id, part: orderPart });
    assert.ok(old);
    await commit(withResults({ ...order, version: 2 }, large("b")));
    assert.equal(await orderOf(old), undefined);
    // This process read the order before the change, and reads the part now.
    let late = true;
    const slow = as({
      ...table,
      read: async (key) => {
        if (!late || key.part !== orderPart) return table.read(key);
        late = false;
        return old;
      },
    });
    const read = await slow.get(order.id);
    assert.deepEqual([late, read?.version, read?.resultsJson], [false, 3, large("b")]);
  });

  it("an order's parts stay when another placing has the same key and other content", async (t) => {
    const { place, placed, get, clock, sweepLargeFields, largeFieldsOf } = await ordersOf(t);
    const keyHash = "ab".repeat(32);
    const keyed = (mark: string): Partial<NewOrder> => ({
      dataJson: large(mark),
      key: { keyHash, contentHash: Buffer.from(mark.padEnd(32)).toString("hex") },
    });
    const { id } = await placed(keyed("first"));
    assert.deepEqual(await place(newOrder(clock, keyed("second"))), { outcome: "conflict", orderId: id });
    assert.equal((await get(id))?.dataJson, large("first"));
    assert.equal((await placed(keyed("first"))).id, id);
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    const lasting = (await largeFieldsOf(id)).filter(({ secondsToLive }) => secondsToLive === undefined);
    assert.deepEqual(lasting, [{ text: large("first"), secondsToLive: undefined }]);
    assert.equal((await get(id))?.dataJson, large("first"));
  });

  it("an order's parts stay when another writer of the same version comes too late", async (t) => {
    const { placed, commit, get, clock, sweepLargeFields, largeFieldsOf, notes } = await ordersOf(t);
    const order = await placed({});
    const same = [withResults(order, large("won")), withResults(order, large("won"))] as const;
    assert.equal(await commit(same[0]), "committed");
    assert.equal(await commit(same[1]), "stale");
    assert.equal(await commit(withResults(order, large("lost"))), "stale");
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    const lasting = (await largeFieldsOf(order.id)).filter(({ secondsToLive }) => secondsToLive === undefined);
    assert.deepEqual(lasting, [{ text: large("won"), secondsToLive: undefined }]);
    assert.equal((await get(order.id))?.resultsJson, large("won"));
    assert.equal(await notes(), 0);
  });

  it("get no time to live where a later try of the same write named them", async (t) => {
    const { as, table, clock, placed, commit, get, largeFieldsOf } = await ordersOf(t);
    const order = await placed({});
    await assert.rejects(as(dyingBefore(table, 3)).commit(withResults(order, large("a"))), /the process ended/);
    clock.advance(hourSeconds + 1);
    // The handler runs again between the sweep's look, when no order names the part, and the sweep's write.
    const sweeper = as({
      ...table,
      update: async (key, input) => {
        assert.equal(await commit(withResults(order, large("a"))), "committed");
        return table.update(key, input);
      },
    });
    await sweeper.sweepLargeFields();
    const named = (await largeFieldsOf(order.id)).filter(({ secondsToLive }) => secondsToLive === undefined);
    assert.deepEqual(named, [{ text: large("a"), secondsToLive: undefined }]);
    assert.equal((await get(order.id))?.resultsJson, large("a"));
  });

  for (const [step, nth, left] of [
    ["after the note", 2, []],
    ["after the part", 3, [{ text: large("a"), secondsToLive: 86_400 }]],
    ["after the order's write", 4, [{ text: large("a"), secondsToLive: undefined }]],
  ] as const) {
    it(`the sweep cleans up the parts of a process that died ${step}, an hour later`, async (t) => {
      const { as, table, placed, clock, get, sweepLargeFields, largeFieldsOf, notes } = await ordersOf(t);
      const order = await placed({});
      await assert.rejects(as(dyingBefore(table, nth)).commit(withResults(order, large("a"))), /the process ended/);
      const written = await largeFieldsOf(order.id);
      assert.equal(await notes(), 1);
      clock.advance(hourSeconds);
      await sweepLargeFields();
      assert.deepEqual([await notes(), await largeFieldsOf(order.id)], [1, written]);
      clock.advance(0.001);
      await sweepLargeFields();
      assert.equal(await notes(), 0);
      const seen = (await largeFieldsOf(order.id)).map(({ text, secondsToLive }) => ({
        text,
        secondsToLive: secondsToLive && Math.round(secondsToLive),
      }));
      assert.deepEqual(seen, left);
      assert.equal((await get(order.id))?.resultsJson, nth === 4 ? large("a") : "{}");
      clock.advance(hourSeconds);
      await sweepLargeFields();
      assert.equal((await largeFieldsOf(order.id)).length, left.length);
    });
  }

  it("the sweep cleans up lost and old parts of extras, and not those that their order names", async (t) => {
    const { as, table, clock, placed, commit, get, sweepLargeFields, largeFieldsOf, notes } = await ordersOf(t);
    const order = await placed({ extrasJson: large("a") });
    const dying = (nth: number) => as(dyingBefore(table, nth)).commit(withExtras(order, large(`b${nth}`)));
    await assert.rejects(dying(3), /the process ended/);
    await assert.rejects(dying(4), /the process ended/);
    assert.equal((await largeFieldsOf(order.id)).length, 3);
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    assert.deepEqual([await notes(), (await get(order.id))?.extrasJson], [0, large("b4")]);
    assert.deepEqual(await largeFieldsOf(order.id), [{ text: large("b4"), secondsToLive: undefined }]);
    const kept = await get(order.id);
    assert.ok(kept);
    await commit(withResults(kept, large("results")));
    const results = { ...kept, version: 3, resultsJson: large("results") };
    await assert.rejects(as(dyingBefore(table, 4)).commit(withResults(results, large("newer"))), /the process ended/);
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    assert.deepEqual(
      (await largeFieldsOf(order.id)).map(({ text, secondsToLive }) => [text, secondsToLive]),
      [
        [large("newer"), undefined],
        [large("b4"), undefined],
      ],
    );
  });

  it("the sweep cleans up parts that a process replaced and did not delete before it died", async (t) => {
    const { as, table, clock, placed, commit, get, sweepLargeFields, largeFieldsOf, notes } = await ordersOf(t);
    const order = await placed({});
    await commit(withResults(order, large("old")));
    const newer = withResults({ ...order, version: 2 }, large("new"));
    await assert.rejects(as(dyingBefore(table, 4)).commit(newer), /the process ended/);
    assert.equal((await largeFieldsOf(order.id)).length, 2);
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    assert.deepEqual(await largeFieldsOf(order.id), [{ text: large("new"), secondsToLive: undefined }]);
    assert.deepEqual([await notes(), (await get(order.id))?.resultsJson], [0, large("new")]);
  });

  it("the sweep cleans up the parts of a placing whose process died", async (t) => {
    const { as, table, clock, sweepLargeFields, notes } = await ordersOf(t);
    const dying = as(dyingBefore(table, 3));
    await assert.rejects(dying.place(newOrder(clock, { dataJson: large("a") })), /the process ended/);
    assert.equal(await notes(), 1);
    clock.advance(hourSeconds + 1);
    await sweepLargeFields();
    assert.equal(await notes(), 0);
  });

  for (const [step, nth, stands] of [
    ["before its item", 2, true],
    ["before its parts", 3, false],
  ] as const) {
    it(`a removal that dies ${step} leaves no order that cannot be read`, async (t) => {
      const { as, table, clock, placed, get, list, sweepLargeFields, largeFieldsOf, notes } = await ordersOf(t);
      const dataJson = large("data");
      const { id } = await placed({ kind: "final", status: "done", dataJson });
      await assert.rejects(as(dyingBefore(table, nth)).remove({ id }), /the process ended/);
      assert.equal((await get(id))?.dataJson, stands ? dataJson : undefined);
      assert.equal((await list({ limit: 10 })).items.length, stands ? 1 : 0);
      clock.advance(hourSeconds + 1);
      await sweepLargeFields();
      assert.equal(await notes(), 0);
      assert.deepEqual(
        (await largeFieldsOf(id)).map(({ secondsToLive }) => secondsToLive !== undefined),
        [!stands],
      );
      if (stands) assert.deepEqual(await as(table).remove({ id }), { removed: 1, nextCursor: null });
    });
  }

  it("are all deleted with their order", async (t) => {
    const { table, placed, commit, release, largeFieldsOf, notes } = await ordersOf(t);
    const order = await placed({ dataJson: large("data"), extrasJson: large("extras") });
    await commit(withResults(order, large("results")));
    assert.equal((await largeFieldsOf(order.id)).length, 3);
    const eraseLargeFields = await release((await table.read({ id: order.id, part: orderPart })) ?? {});
    assert.deepEqual([(await largeFieldsOf(order.id)).length, await notes()], [3, 3]);
    await eraseLargeFields();
    assert.deepEqual([(await largeFieldsOf(order.id)).length, await notes()], [0, 0]);
  });

  it("make an order unreadable where one is lost that the order names, and not where one was replaced", async (t) => {
    const { placed, commit, get, list, remove, table, orderOf } = await ordersOf(t);
    const order = await placed({ dataJson: large("d") });
    await commit(withResults(order, large("r2")));
    const item = (await table.read({ id: order.id, part: orderPart })) ?? {};
    await commit(withResults({ ...order, resultsJson: large("r2"), version: 2 }, large("r3")));
    assert.equal(await orderOf(item), undefined, "the read of an item whose results were replaced since");
    assert.equal((await get(order.id))?.unreadable, undefined);
    await table.erase({ id: order.id, part: textOf(item, "dp") ?? "" });
    const read = await get(order.id);
    assert.match(read?.unreadable ?? "", /cannot be read: dp; the SHA-256/);
    assert.deepEqual([read?.dataJson, read?.version, read?.failure], ["null", 3, null]);
    assert.deepEqual((await list({ limit: 5 })).items, [read]);
    assert.deepEqual(await remove({ id: order.id }), { removed: 1, nextCursor: null });
  });
});
