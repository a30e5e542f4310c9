import assert from "node:assert/strict";
import { CauceError } from "../../core/errors.ts";
import { contractActor, movedTo } from "./orders.ts";
import { both, type Case, idsOf, needs, placedOrder } from "./trial.ts";

/** 1. A change that was answered is stored. */
export const stored: readonly Case[] = [
  both("a placed order reads back whole", async (trial) => {
    const createdAt = trial.clock.now();
    const dataJson = '{"customerId":"c-1","items":[{"sku":"a","quantity":2}]}';
    const newOrder = { ...trial.newOrder({ dataJson, group: "c-1" }), createdAt };
    const order = placedOrder(await trial.backend.place(newOrder));
    assert.deepEqual(order, {
      id: order.id,
      status: "received",
      kind: "handled",
      visit: 0,
      version: 1,
      attempts: 0,
      attempting: false,
      dataJson,
      resultsJson: "{}",
      group: "c-1",
      createdAt,
      updatedAt: createdAt,
      notBefore: null,
      expiresAt: null,
      failure: null,
      entry: { at: createdAt, reason: null, error: null, by: contractActor },
      past: [],
      pastOmitted: 0,
      extrasJson: null,
    });
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("a placed order that waits keeps its expiry", async (trial) => {
    const expiresAt = trial.clock.now() + 5_000;
    const order = await trial.place({ status: "parked", expiresAt });
    assert.deepEqual([order.kind, order.expiresAt], ["waiting", expiresAt]);
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("an id that was never given reads as undefined", async (trial) => {
    const { id } = await trial.place();
    const lastChanged = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}`;
    const firstChanged = `${id.startsWith("0") ? "1" : "0"}${id.slice(1)}`;
    for (const unknown of [lastChanged, firstChanged, `${id}0`, "nonsense", "", "💥", "__proto__", "x".repeat(1_000)]) {
      assert.equal(await trial.backend.get(unknown), undefined, `get(${JSON.stringify(unknown.slice(0, 50))})`);
    }
  }),
  both("data of every script reads back byte for byte", async (trial) => {
    const texts = [
      '{"text":"año, Straße, 漢字, עברית, 👩‍👩‍👧, e\u0301"}',
      '{"escaped":"\\u0000\\ud800\\n\\"\\\\"}',
      `{"quoted":"'; DROP TABLE orders; --", "spaced" : [ 1 , 2 ]}`,
      '{"number":12345678901234567890.123,"small":1e-400,"negativeZero":-0}',
      '{"__proto__":1,"constructor":2,"":3}',
      '"text"',
      "[]",
      "null",
    ];
    for (const dataJson of texts) {
      const order = await trial.place({ dataJson });
      assert.equal(order.dataJson, dataJson);
      assert.equal((await trial.get(order.id)).dataJson, dataJson);
    }
  }),
  both("where an order is stored names its item, and no other order's", async (trial) => {
    const [one, other] = [await trial.place(), await trial.place()];
    const place = trial.backend.where(one.id);
    assert.ok(Object.keys(place.key).length > 0);
    assert.deepEqual(trial.backend.where(one.id), place);
    assert.notDeepEqual(trial.backend.where(other.id).key, place.key);
    assert.deepEqual({ ...trial.backend.where(other.id), key: place.key }, place, "in the same store");
  }),
  both("a probe resolves where orders can be stored, and changes none", async (trial) => {
    const probe = () => trial.backend.keep({ is: "probe" });
    const order = await trial.place({ group: "c-1" });
    const before = [await trial.backend.list({ limit: 10 }), await trial.depths()];
    await trial.settles("two probes", Promise.all([probe(), probe()]));
    assert.deepEqual([await trial.backend.list({ limit: 10 }), await trial.depths()], before);
    assert.deepEqual(await trial.get(order.id), order);
  }),
  both("results read back byte for byte and leave the data as it is", async (trial) => {
    const dataJson = '{"n": 1.0}';
    const order = await trial.place({ dataJson });
    const text = "número ✓ 漢字 '\"\\ \u0000";
    const moved = await trial.handle(order, movedTo("priced", { text }));
    const read = await trial.get(order.id);
    assert.equal(read.resultsJson, JSON.stringify({ text }));
    assert.equal(read.dataJson, dataJson);
    const done = await trial.handle(moved, movedTo("done", { more: [1, null] }));
    assert.deepEqual(await trial.get(done.id), done);
    assert.deepEqual(JSON.parse(done.resultsJson), { text, more: [1, null] });
  }),
  both("the largest data reads back", async (trial) => {
    const { dataBytesMax } = trial.backend.limits;
    // Each character takes two bytes in UTF-8, so a limit that counts characters fails.
    const wide = "ñ".repeat(Math.floor((dataBytesMax - 4) / 2));
    const dataJson = `"${wide}${"x".repeat(dataBytesMax - 2 - 2 * wide.length)}"`;
    assert.equal(Buffer.byteLength(dataJson), dataBytesMax);
    const order = await trial.place({ dataJson });
    const read = await trial.get(order.id);
    assert.ok(read.dataJson === dataJson, `${dataBytesMax} bytes of data came back changed`);
  }),
  both("200 orders placed at once are all there, each with its own id and data", async (trial) => {
    const texts = Array.from({ length: 200 }, (_, n) => `{"n":${n}}`);
    const orders = await Promise.all(texts.map((dataJson) => trial.place({ dataJson })));
    assert.equal(new Set(idsOf(orders)).size, texts.length);
    const read = await Promise.all(orders.map((order) => trial.get(order.id)));
    assert.deepEqual(
      read.map((order) => order.dataJson),
      texts,
    );
  }),
  needs(
    "closing",
    both("orders and their changes outlive a clean close", async (trial) => {
      const order = await trial.place({ dataJson: '{"text":"漢字"}', group: "c-1", key: "outlives" });
      const moved = await trial.handle(order, movedTo("priced", { price: 5 }));
      const waiting = await trial.place({ status: "parked", expiresAt: trial.clock.now() + 5_000 });
      await trial.reopen();
      assert.deepEqual(await trial.get(order.id), moved);
      assert.deepEqual(await trial.get(waiting.id), waiting);
    }),
  ),
  needs(
    "crashing",
    both("acknowledged placings and changes outlive a crash", async (trial) => {
      const order = await trial.place();
      const moved = await trial.handle(order, movedTo("priced", { price: 5 }));
      const other = await trial.place({ group: "c-1" });
      await trial.crash();
      assert.deepEqual(await trial.get(order.id), moved);
      assert.deepEqual(await trial.get(other.id), other);
    }),
  ),
  needs(
    "crashing",
    both("acknowledged placings outlive a crash during other placings", async (trial) => {
      const acknowledged: string[] = [];
      const { backend } = trial;
      // The crash cuts off placings that were not acknowledged. They may be stored or lost.
      const place = async () => {
        const { id } = placedOrder(await backend.place(trial.newOrder()));
        acknowledged.push(id);
        return id;
      };
      const placings = Array.from({ length: 100 }, place);
      void Promise.allSettled(placings);
      await trial.settles("the first of 100 placings", Promise.race(placings));
      const before = [...acknowledged];
      await trial.crash();
      assert.ok(before.length > 0);
      for (const id of before) await trial.get(id);
    }),
  ),
  needs(
    "closing",
    both("a placing that is answered while the backend closes is stored", async (trial) => {
      const placings = Array.from({ length: 50 }, () => trial.backend.place(trial.newOrder()));
      const ended = Promise.allSettled(placings);
      await trial.reopen();
      for (const result of await trial.settles("placings while closing", ended)) {
        if (result.status === "fulfilled") await trial.get(placedOrder(result.value).id);
        else assert.ok(result.reason instanceof CauceError && result.reason.code === "closed", String(result.reason));
      }
    }),
  ),
];
