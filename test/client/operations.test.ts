import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "cauce/http";
import { json, problem, stub } from "./support.ts";

const row = {
  status: "paid",
  kind: "handled",
  waiting: 4,
  inFlight: 0,
  delayed: 0,
  failed: 0,
  atLeast: false,
  paused: true,
};

describe("a client's operations", () => {
  it("pause a status and resume it", async (t) => {
    const { url, asked } = await stub(t, (request, response) => {
      if (request.url?.includes("/nowhere/")) return problem(response, 404, "status_not_found");
      json(response, 200, { ...row, paused: request.url?.endsWith("/pause") });
    });
    const client = createClient({ url: `${url}/shop/orders`, apiKey: "cauce_x" });
    assert.deepEqual(await client.pause("paid"), row);
    assert.deepEqual(await client.resume("paid"), { ...row, paused: false });
    await assert.rejects(client.pause("nowhere"), { code: "status_not_found", status: 404 });
    assert.deepEqual(
      asked.map(({ line }) => line),
      [
        "POST /shop/orders/queues/paid/pause",
        "POST /shop/orders/queues/paid/resume",
        "POST /shop/orders/queues/nowhere/pause",
      ],
    );
    assert.ok(asked.every(({ headers }) => headers.authorization === "Bearer cauce_x"));
  });

  it("show where an order is stored", async (t) => {
    const stored = {
      id: "o-1",
      version: 3,
      store: "sqlite",
      file: "/data/orders.db",
      table: "orders",
      key: { seq: 7 },
    };
    const { url, asked } = await stub(t, (request, response) => {
      if (request.url?.includes("o-1")) return json(response, 200, stored);
      problem(response, 404, "order_not_found");
    });
    const client = createClient({ url: `${url}/orders` });
    assert.deepEqual(await client.stored("o-1"), stored);
    await assert.rejects(client.stored("o-2"), { code: "order_not_found", status: 404 });
    assert.deepEqual(
      asked.map(({ line }) => line),
      ["GET /orders/o-1/stored", "GET /orders/o-2/stored"],
    );
  });

  it("remove an order, also when the answer to the removal is lost", async (t) => {
    let stored = true;
    let losing = true;
    const { url, asked } = await stub(t, (request, response) => {
      if (request.url === "/orders/o-2") return problem(response, 409, "order_not_final");
      if (!stored) return problem(response, 404, "order_not_found");
      stored = false;
      if (losing) return void request.socket.destroy();
      response.writeHead(204).end();
    });
    const client = createClient({ url: `${url}/orders`, random: () => 0 });
    await client.remove("o-1");
    assert.deepEqual(
      asked.map(({ line }) => line),
      ["DELETE /orders/o-1", "DELETE /orders/o-1"],
    );
    await assert.rejects(client.remove("o-1"), { code: "order_not_found", status: 404 });
    stored = true;
    losing = false;
    assert.equal(await client.remove("o-1"), undefined);
    await assert.rejects(client.remove("o-2"), { code: "order_not_final", status: 409 });
    await assert.rejects(client.remove(".."), { code: "order_not_found" });
  });
});
