import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Orders } from "../../src/api/orders.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { createCauce } from "../../src/cauce.ts";
import { createClient } from "../../src/client/index.ts";
import type { CauceError } from "../../src/core/errors.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { testWorkflow } from "../../src/testing/testWorkflow.ts";
import { parcels, parcelsApp } from "../client/support.ts";

// The client, the library and a test of a workflow have one interface, so each test here runs over all three.

const log = { info: () => {}, warn: () => {}, error: () => {} };

async function openCauce(t: TestContext) {
  const cauce = await createCauce({ apps: parcelsApp, backend: memory, clock: fakeClock(), log });
  t.after(() => cauce.close());
  return cauce;
}

const faces: Readonly<Record<string, (t: TestContext) => Promise<Orders<typeof parcels>>>> = {
  async client(t) {
    const cauce = await openCauce(t);
    const fetch = async (url: string, init: RequestInit) => cauce.fetch(new Request(url, init));
    return createClient<typeof parcels>({ url: "http://shop.example/parcels", fetch, retries: 0 });
  },
  library: async (t) => (await openCauce(t)).workflow(parcels),
  async "test of a workflow"(t) {
    const test = await testWorkflow(parcelsApp);
    // The other two are not started and handle nothing. A pause makes this one handle nothing, too.
    await test.orders.pause("received");
    t.after(() => test.close());
    return test.orders;
  },
};

for (const [name, open] of Object.entries(faces)) {
  describe(`Orders of the ${name}`, () => {
    it("place once under a key, and read the placed order", async (t) => {
      const orders = await open(t);
      const { placed, order } = await orders.place({ to: "Ada" }, { idempotencyKey: "k", requestId: "r-1" });
      assert.deepEqual([placed, order.status, order.data], [true, "received", { to: "Ada", kilograms: 1 }]);
      assert.equal(order.history[0]?.by.requestId, "r-1");
      const again = await orders.place({ to: "Ada" }, { idempotencyKey: "k" });
      assert.deepEqual([again.placed, again.order], [false, order]);
      await assert.rejects(orders.place({ to: "Eve" }, { idempotencyKey: "k" }), { code: "idempotency_conflict" });
      assert.deepEqual(await orders.get(order.id), order);
      assert.equal(await orders.get("none"), undefined);
      assert.deepEqual(await orders.list({ status: "received", limit: 5 }), { items: [order], nextCursor: null });
    });

    it("refuse what JSON would lose, with its path, with a key or without", async (t) => {
      const orders = await open(t);
      const { order } = await orders.place({ to: "Ada" });
      const faulty = (code: string, path: string) => (error: CauceError) => {
        assert.deepEqual([error.code, error.faults?.map((fault) => fault.path)], [code, [path]]);
        return true;
      };
      for (const idempotencyKey of [undefined, "k"]) {
        for (const [value, path] of [
          [Number.NaN, "extra.0"],
          [new Map([["a", 1]]), "extra.0"],
          [Promise.resolve(1), "extra.0"],
          [() => 1, "extra.0"],
          [1n, "extra.0"],
          [undefined, "extra.0"],
        ]) {
          const data = { to: "Ada", extra: [value] } as never;
          await assert.rejects(orders.place(data, { idempotencyKey }), faulty("invalid_data", path as string));
          const request = { to: "held", results: { label: [value] } } as never;
          const moving = orders.transition(order.id, request, { idempotencyKey });
          await assert.rejects(moving, faulty("invalid_results", "label.0"));
        }
      }
      // As `{}` the filter would start every failed order again.
      for (const filter of [new Map([["status", "received"]]), Promise.resolve({}), { status: () => "received" }]) {
        await assert.rejects(orders.retryMany(filter as never), { code: "invalid_request" });
      }
      assert.deepEqual(await orders.get(order.id), order);
      const dated = { to: "Ada", at: new Date(0), note: undefined } as never;
      assert.equal((await orders.place(dated)).placed, true);
    });

    it("refuse with the codes of the API", async (t) => {
      const orders = await open(t);
      const { order } = await orders.place({ to: "Ada" });
      const { id } = order;
      await assert.rejects(orders.place({} as never), { code: "invalid_data" });
      await assert.rejects(orders.transition(id, { to: "held" }), { code: "being_handled" });
      await assert.rejects(orders.transition(id, { to: "held", colour: "red" } as never), { code: "invalid_request" });
      await assert.rejects(orders.list({ limit: 0 }), { code: "invalid_request" });
      await assert.rejects(orders.list({ cursor: "x" }), { code: "invalid_cursor" });
      await assert.rejects(orders.retry(id), { code: "not_failed" });
      await assert.rejects(orders.remove(id), { code: "order_not_final" });
      await assert.rejects(orders.pause("nowhere" as never), { code: "status_not_found" });
      // A URL drops these path segments, and must not lead to another resource.
      for (const name of ["", ".", ".."]) {
        await assert.rejects(orders.pause(name as never), { code: "status_not_found" }, name);
      }
      await assert.rejects(orders.pause("held"), { code: "status_not_handled" });
      for (const call of [orders.retry, orders.remove, orders.stored]) {
        await assert.rejects(call("none"), {
          code: "order_not_found",
          message: /no order of "parcels" has the id "none"/,
        });
      }
    });

    it("show queues, failures and where an order is stored in the API's shapes", async (t) => {
      const orders = await open(t);
      const { order } = await orders.place({ to: "Ada" });
      const paused = await orders.pause("received");
      assert.deepEqual(
        { ...paused, oldestWaitingAt: typeof paused.oldestWaitingAt },
        {
          status: "received",
          kind: "handled",
          waiting: 1,
          inFlight: 0,
          delayed: 0,
          failed: 0,
          oldestWaitingAt: "string",
          paused: true,
          atLeast: false,
        },
      );
      assert.deepEqual(
        (await orders.queues()).map(({ status }) => status),
        ["received", "held"],
      );
      assert.deepEqual(await orders.failures(), []);
      assert.deepEqual(await orders.retryMany(), { retried: 0, nextCursor: null });
      const { id, version, store } = await orders.stored(order.id);
      assert.deepEqual([id, version, store], [order.id, order.version, "memory"]);
      assert.deepEqual(await orders.call("failures"), { items: [] });
    });

    it("refuse a filter that is null, and do not take it for every order", async (t) => {
      const orders = await open(t);
      await assert.rejects(orders.retryMany(null as never), { code: "invalid_request" });
      await assert.rejects(orders.call("retryMany", null), { code: "invalid_request" });
    });

    it("refuse a field that an operation does not take, in the path, the query or the body", async (t) => {
      const orders = await open(t);
      const { id } = (await orders.place({ to: "Ada" })).order;
      const status = "received";
      for (const [name, input] of Object.entries({
        get: { id },
        remove: { id },
        retry: { id },
        pause: { status },
        list: {},
      })) {
        await assert.rejects(orders.call(name, { ...input, colour: "red" }), { code: "invalid_request" }, name);
      }
    });

    it("have the declared operations alone, and none that every object has", async (t) => {
      const orders = await open(t);
      for (const name of ["constructor", "toString", "hasOwnProperty", "__proto__", "placeMany", ""]) {
        await assert.rejects(orders.call(name), { code: "invalid_request", message: /^there is no operation/ }, name);
      }
    });

    it("reject a call whose signal is aborted already, and do nothing", async (t) => {
      const orders = await open(t);
      const signal = AbortSignal.abort(new Error("not any more"));
      await assert.rejects(orders.place({ to: "Ada" }, { signal }), { message: "not any more" });
      assert.deepEqual((await orders.list()).items, []);
    });
  });
}

it("the library names the workflows that it serves where it serves none of the given name, and takes an app for its workflow", async (t) => {
  const cauce = await openCauce(t);
  assert.throws(() => cauce.workflow("nowhere"), { code: "workflow_not_found", message: /there is parcels/ });
  assert.equal(cauce.workflow(parcelsApp), cauce.workflow("parcels"));
});
