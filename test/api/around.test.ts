import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Around, bindOperations, operatorActions } from "../../src/api/around.ts";
import { operations } from "../../src/api/operations.ts";
import { memory } from "../../src/backend/memory/memory.ts";
import { createCauce } from "../../src/cauce.ts";
import { CauceError } from "../../src/core/errors.ts";
import type { Engine, Who } from "../../src/engine/engine.ts";
import { createKey } from "../../src/http/auth.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { parcelsApp } from "../client/support.ts";
import { serving } from "../http/serving.ts";

const who: Who = { kind: "process" };

describe("a function around operations", () => {
  it("runs in the order of the list, the first outermost, and sees the input, the call and the result", async (t) => {
    const { engines } = await serving(t);
    const told: unknown[] = [];
    const tell =
      (name: string): Around =>
      (operation, run) =>
      async (input, call) => {
        told.push(`${name} before ${operation.name}`);
        const result = await run(input, call);
        told.push([name, call.who, (result as { items: unknown[] }).items.length]);
        return result;
      };
    const { operations: bound } = bindOperations(engines[0] as Engine, operations, [tell("outer"), tell("inner")]);
    await bound.get("list")?.run({ limit: 1 }, { who });
    assert.deepEqual(told, ["outer before list", "inner before list", ["inner", who, 0], ["outer", who, 0]]);
  });

  it("leaves an operation's `run` as it is where it returns that same `run`", async (t) => {
    const { engines } = await serving(t);
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const around = operatorActions(log);
    for (const operation of operations) {
      const run = async () => undefined;
      const wrapped = around(operation, run, engines[0] as Engine);
      assert.equal(wrapped === run, operation.role !== "operate", operation.name);
    }
  });
});

/** Opens a Cauce, and keeps its log lines about operators' actions. */
async function opened(keys: readonly { name: string; role: "intake" | "operate"; sha256: string }[] = []) {
  const lines: Record<string, unknown>[] = [];
  const info = (fields: Record<string, unknown>, message: string) => {
    if (message === "operator action") lines.push(fields);
  };
  const clock = fakeClock();
  const log = { info, warn: () => {}, error: () => {} };
  const auth = keys.length === 0 ? undefined : { keys };
  const cauce = await createCauce({ apps: parcelsApp, backend: memory, clock, log, auth });
  return { cauce, lines, [Symbol.asyncDispose]: () => cauce.close() };
}

const post = (path: string, json?: unknown, headers: Record<string, string> = {}) =>
  new Request(`http://shop.example${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: json === undefined ? null : JSON.stringify(json),
  });

describe("the log of operators' actions", () => {
  it("has one line for each operation of the role operate, and none for others", async () => {
    await using shop = await opened();
    const orders = shop.cauce.workflow("parcels");
    const { order } = await orders.place({ to: "Ada" });
    await orders.get(order.id);
    await orders.list();
    await orders.queues();
    await orders.failures();
    assert.deepEqual(shop.lines, []);

    const workflow = "parcels";
    const about = { workflow, who, orderId: order.id, requestId: null };
    await orders.stored(order.id);
    await assert.rejects(orders.retry(order.id), { code: "not_failed" });
    await assert.rejects(orders.transition(order.id, { to: "held" }), { code: "being_handled" });
    await assert.rejects(orders.remove(order.id), { code: "order_not_final" });
    await orders.pause("received", { requestId: "r-7" });
    await orders.resume("received");
    assert.deepEqual(shop.lines, [
      { ...about, operation: "stored" },
      { ...about, operation: "retry", refused: "not_failed" },
      { ...about, operation: "transition", to: "held", refused: "being_handled" },
      { ...about, operation: "remove", refused: "order_not_final" },
      { ...about, operation: "pause", orderId: null, status: "received", requestId: "r-7" },
      { ...about, operation: "resume", orderId: null, status: "received" },
    ]);
  });

  it("tells a retry of many in one line, with its filter and its count", async () => {
    await using shop = await opened();
    await shop.cauce.start();
    const orders = shop.cauce.workflow("parcels");
    for (const to of ["BAD 1", "BAD 2"]) await orders.place({ to });
    while ((await orders.list({ failed: true })).items.length < 2)
      await new Promise((resolve) => setImmediate(resolve));
    shop.lines.length = 0;
    await orders.retryMany({ status: "received", limit: 10 });
    assert.deepEqual(shop.lines, [
      {
        workflow: "parcels",
        operation: "retryMany",
        who,
        filter: { status: "received", limit: 10 },
        count: 2,
        requestId: null,
      },
    ]);
  });

  it("names the key that called, or says that the server has no keys", async () => {
    const { key, sha256 } = createKey();
    const path = "/parcels/queues/received/pause";
    await using open = await opened();
    assert.equal((await open.cauce.fetch(post(path))).status, 200);
    assert.deepEqual(open.lines[0]?.who, { kind: "open" });

    await using shop = await opened([{ name: "ops", role: "operate", sha256 }]);
    assert.equal((await shop.cauce.fetch(post(path))).status, 401);
    assert.equal(shop.lines.length, 0);
    const response = await shop.cauce.fetch(post(path, undefined, { authorization: `Bearer ${key}` }));
    assert.equal(response.status, 200);
    assert.deepEqual(shop.lines[0]?.who, { kind: "key", name: "ops", role: "operate" });
    assert.doesNotMatch(JSON.stringify(shop.lines), new RegExp(`${key}|${sha256}`));
  });

  it("has the error's code for an action that the store did not take", async (t) => {
    const { engines } = await serving(t);
    const lines: Record<string, unknown>[] = [];
    const log = { info: (fields: Record<string, unknown>) => lines.push(fields), warn: () => {}, error: () => {} };
    const full: Engine = {
      ...(engines[0] as Engine),
      remove: () => Promise.reject(new CauceError("store_full", "/var/lib/x is full")),
      retryMany: () => Promise.reject(new CauceError("store_full", "/var/lib/x is full")),
    };
    const { operations: bound } = bindOperations(full, operations, [operatorActions(log)]);
    const removing = bound.get("remove")?.run({ id: "1" }, { who });
    await assert.rejects(removing ?? Promise.resolve(), { code: "store_full" });
    // The store may have refused only later orders, so no count is known.
    const retrying = bound.get("retryMany")?.run({}, { who });
    await assert.rejects(retrying ?? Promise.resolve(), { code: "store_full" });
    const told = { workflow: "orders", who, requestId: null, error: "store_full" };
    assert.deepEqual(lines, [
      { ...told, operation: "remove", orderId: "1" },
      { ...told, operation: "retryMany", filter: {}, count: null },
    ]);
  });
});
