import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ShownExtraFields } from "../../src/core/extras.ts";
import type { StoredOrder } from "../../src/core/order.ts";
import { createOrderJson, handlerOrder, orderOf } from "../../src/engine/orderView.ts";

const by = { runtime: "node", name: "test", requestId: null, messageId: null } as const;
const at = Date.UTC(2026, 10, 24);

const placed: StoredOrder = {
  id: "019d0000-0000-7000-8000-000000000000",
  status: "received",
  kind: "handled",
  visit: 0,
  version: 1,
  attempts: 0,
  attempting: false,
  dataJson: '{"n":1}',
  resultsJson: "{}",
  group: null,
  createdAt: at,
  updatedAt: at,
  notBefore: null,
  expiresAt: null,
  failure: null,
  entry: { at, reason: null, error: null, by },
  past: [],
  pastOmitted: 0,
  extrasJson: null,
};

const awkward = 'a "quoted" \\ text\nover two lines, with \u0000, € and \ud800';
const full: StoredOrder = {
  ...placed,
  status: "paid",
  visit: 2,
  version: 7,
  attempts: 3,
  attempting: true,
  dataJson: JSON.stringify({ note: awkward, items: [1, null, { deep: [] }] }),
  resultsJson: '{"paymentId":"pay_1"}',
  group: awkward,
  updatedAt: at + 5_001,
  notBefore: at + 6_000,
  expiresAt: at + 3_155_760_000_000,
  failure: { code: "handler_failed", message: awkward, fingerprint: awkward, at: at + 5_001 },
  entry: { at: at + 2_000, reason: awkward, error: awkward, by: { ...by, name: awkward }, key: "hash:hash" },
  past: [
    { at, reason: null, error: null, by: { ...by, requestId: awkward }, status: "received", visit: 0, attempts: 1 },
    {
      at: at + 1,
      reason: "r",
      error: "e",
      by: { ...by, messageId: "m" },
      key: "hash:hash",
      status: "held",
      visit: 1,
      attempts: 2,
    },
  ],
  pastOmitted: 12,
};

describe("an order as the library shows it", () => {
  test("has its times in ISO 8601 in UTC, its data as values, and a history that ends with the current visit", () => {
    const order = orderOf(full, "orders");
    assert.deepEqual(
      [order.createdAt, order.updatedAt, order.notBefore, order.expiresAt, order.failure?.at],
      [
        "2026-11-24T00:00:00.000Z",
        "2026-11-24T00:00:05.001Z",
        "2026-11-24T00:00:06.000Z",
        "2126-11-25T00:00:00.000Z",
        "2026-11-24T00:00:05.001Z",
      ],
    );
    assert.deepEqual(
      [order.data, order.results, order.workflow],
      [JSON.parse(full.dataJson), { paymentId: "pay_1" }, "orders"],
    );
    assert.deepEqual(
      order.history.map(({ status, visit, attempts }) => [status, visit, attempts]),
      [
        ["received", 0, 1],
        ["held", 1, 2],
        ["paid", 2, 3],
      ],
    );
    assert.equal(order.historyOmitted, 12);
  });

  test("is a plain object that can be spread and cloned", () => {
    const order = orderOf(full, "orders");
    assert.deepEqual({ ...order }, JSON.parse(JSON.stringify(order)));
    assert.deepEqual(structuredClone(order), order);
  });

  test("is a new object for each reader", () => {
    const [mine, yours] = [orderOf(full, "orders"), orderOf(full, "orders")];
    assert.equal(mine.data, mine.data, "what one reader does to it stays there");
    Object.assign(mine.data as object, { note: "mine" });
    Object.assign(mine.results, { paymentId: "mine" });
    for (const visit of mine.history) Object.assign(visit.by, { name: "mine" });
    assert.deepEqual(JSON.parse(JSON.stringify(yours)), JSON.parse(createOrderJson("orders")(full)));
    assert.equal(full.entry.by.name, awkward);
  });
});

describe("an order as its handler gets it", () => {
  const handled = { ...full, failure: null, expiresAt: null };

  test("has in every field, and in its JSON, what the library shows", () => {
    const shown = orderOf(handled, "orders");
    const order = handlerOrder(handled, "orders");
    for (const [field, value] of Object.entries(shown)) {
      assert.deepEqual(order[field as keyof typeof order], value, field);
    }
    assert.deepEqual(JSON.parse(JSON.stringify(order)), JSON.parse(createOrderJson("orders")(handled)));
    assert.equal(handlerOrder(placed, "orders").notBefore, null);
  });

  test("is a new object for each attempt", () => {
    const [mine, yours] = [handlerOrder(handled, "orders"), handlerOrder(handled, "orders")];
    Object.assign(mine.data as object, { note: "mine" });
    Object.assign(mine.results, { paymentId: "mine" });
    for (const visit of mine.history) Object.assign(visit.by, { name: "mine" });
    assert.deepEqual(
      [(mine.data as { note: string }).note, mine.results.paymentId, mine.history[0]?.by.name],
      ["mine", "mine", "mine"],
      "what a handler does to its order stays there",
    );
    const expected = orderOf(handled, "orders");
    assert.deepEqual([yours.data, yours.results, yours.history], [expected.data, expected.results, expected.history]);
  });
});

describe("the extras that an order shows", () => {
  const fields: ShownExtraFields = {
    channel: { schema: { type: "string" }, of: (extras) => (extras as { channel?: string }).channel ?? null },
    definition: { schema: { type: "integer" }, of: (extras) => extras.definition ?? null },
  };

  test("come last in its object and its JSON, with stored extras and without", () => {
    const order = { ...full, extrasJson: JSON.stringify({ definition: 3, channel: awkward }) };
    for (const [each, shown] of [
      [order, { channel: awkward, definition: 3 }],
      [placed, { channel: null, definition: null }],
    ] as const) {
      const bare = orderOf(each, "orders", {});
      assert.deepEqual(Object.entries(orderOf(each, "orders", fields)), [
        ...Object.entries(bare),
        ...Object.entries(shown),
      ]);
      const json = createOrderJson("orders", {})(each);
      assert.equal(createOrderJson("orders", fields)(each), `${json.slice(0, -1)},${JSON.stringify(shown).slice(1)}`);
    }
  });

  test("are the listed fields alone, and other stored extras stay inside", () => {
    const order = { ...placed, extrasJson: '{"steps":{"charge":"secret"},"definition":3}' };
    assert.deepEqual(orderOf(order, "orders"), orderOf(placed, "orders"));
    assert.equal(createOrderJson("orders")(order), createOrderJson("orders")(placed));
    assert.equal(JSON.stringify(handlerOrder(order, "orders")), JSON.stringify(handlerOrder(placed, "orders")));
  });
});

describe("an order as JSON", () => {
  test("has every time as a date has it, in whatever order the times come", () => {
    const json = createOrderJson("orders");
    const around = [0, 59_999, 60_000, at, at - 1, at + 59_999, at + 60_000, at - 86_400_000, 253_402_300_799_999, at];
    for (const updatedAt of [...around, ...around.toReversed()]) {
      assert.match(json({ ...placed, updatedAt }), new RegExp(`"updatedAt":"${new Date(updatedAt).toISOString()}"`));
    }
  });

  const orders: [string, StoredOrder][] = [
    ["that is new", placed],
    ["with everything, and awkward text", full],
    ["that changed since it entered its status", { ...placed, updatedAt: at + 1 }],
    [
      "that last changed when it entered its status",
      { ...placed, updatedAt: at + 1, entry: { ...placed.entry, at: at + 1 } },
    ],
    ["with data that is no object", { ...placed, dataJson: '"text"' }],
    ["with an empty group", { ...placed, group: "" }],
  ];
  for (const [what, order] of orders) {
    test(`says what the object says for an order ${what}`, () => {
      assert.deepEqual(
        JSON.parse(createOrderJson("orders")(order)),
        JSON.parse(JSON.stringify(orderOf(order, "orders"))),
      );
      assert.doesNotMatch(createOrderJson("orders")(order), /hash:hash|attempting/, "what is internal stays inside");
    });
  }
});
