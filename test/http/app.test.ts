import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { z } from "zod";
import { memory } from "../../src/backend/memory/memory.ts";
import { defineWorkflow } from "../../src/core/defineWorkflow.ts";
import { CauceError } from "../../src/core/errors.ts";
import { implement } from "../../src/core/handlers.ts";
import type { Order } from "../../src/core/order.ts";
import { final } from "../../src/core/workflow.ts";
import { createEngine } from "../../src/engine/createEngine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/app.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { boundOf, jsonOf, parts, problemOf, serving } from "./serving.ts";

const log = { info: () => {}, warn: () => {}, error: () => {} };

test("POST places an order and answers it with its location", async (t) => {
  const { request } = await serving(t, { basePath: "/shop" });
  const response = await request("POST", "/orders", {
    json: { customerId: "c-1" },
    headers: { "x-request-id": "r-1" },
  });
  const location = response.headers.get("location");
  const order = await jsonOf<Order>(response, 202);
  assert.equal(location, `/shop/orders/${order.id}`);
  assert.deepEqual(order.data, { customerId: "c-1" });
  assert.equal(order.status, "received");
  assert.equal(order.history[0]?.by.requestId, "r-1");
  assert.deepEqual(await jsonOf(await request("GET", `/orders/${order.id}`)), order);
});

test("a body of type JSON or without a type is taken, and one of another type is refused", async (t) => {
  const { request } = await serving(t);
  const body = new TextEncoder().encode('{"customerId":"c-1"}');
  for (const type of [
    undefined,
    "",
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/cloudevents+json",
    "application/vnd.shop.order+json;v=2",
  ]) {
    const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
    assert.equal((await request("POST", "/orders", { body, headers })).status, 202, `type ${type}`);
  }
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "+json",
    "application/xml",
  ]) {
    const response = await request("POST", "/orders", { body, headers: { "content-type": type } });
    await problemOf(response, 415, "unsupported_media_type");
  }
});

test("an idempotency key gives the same order for the same content, and a conflict for other content", async (t) => {
  const { request } = await serving(t);
  const headers = { "idempotency-key": "k-1" };
  const first = await jsonOf<Order>(
    await request("POST", "/orders", { json: { customerId: "c-1", total: 1 }, headers }),
    202,
  );
  const repeat = await request("POST", "/orders", {
    body: '{"total":1.0, "customerId":"c-1"}',
    headers: { ...headers, "content-type": "application/json" },
  });
  assert.equal(repeat.headers.get("location"), `/orders/${first.id}`);
  assert.deepEqual(await jsonOf(repeat, 200), first);
  const other = await request("POST", "/orders", { json: { customerId: "c-2" }, headers });
  const { detail } = await problemOf(other, 409, "idempotency_conflict");
  assert.match(detail, new RegExp(first.id));
  const page = await jsonOf<{ items: Order[] }>(await request("GET", "/orders"));
  assert.equal(page.items.length, 1);
});

test("an idempotency key that does not fit is refused, and a request id that does not fit is ignored", async (t) => {
  const { request, place } = await serving(t);
  for (const key of ["", "two words", "é", "x".repeat(256)]) {
    const response = await request("POST", "/orders", {
      json: { customerId: "c-1" },
      headers: { "idempotency-key": key },
    });
    const { detail } = await problemOf(response, 400, "invalid_request");
    assert.match(detail, /Idempotency-Key/);
  }
  await place("orders", { customerId: "c-1" }, { "idempotency-key": "x".repeat(255) });
  for (const requestId of ["x".repeat(129), "two words", "é"]) {
    const order = await place("orders", { customerId: "c-1" }, { "x-request-id": requestId });
    assert.equal(order.history[0]?.by.requestId, null);
  }
});

test("bad data is refused with the path of each fault, and nothing is stored", async (t) => {
  const { request } = await serving(t);
  const response = await request("POST", "/orders", { json: { customerId: 5, total: "much" } });
  const { errors } = await problemOf(response, 422, "invalid_data");
  assert.deepEqual(
    errors?.map(({ path }) => path),
    ["customerId", "total"],
  );
  await problemOf(await request("POST", "/claims", { json: [] }), 422, "invalid_data");
  assert.deepEqual(await jsonOf(await request("GET", "/orders")), { items: [], nextCursor: null });
});

test("data and group keys that the store cannot hold are refused as such", async (t) => {
  const { request } = await serving(t);
  const group = await request("POST", "/orders", { json: { customerId: "x".repeat(1_025) } });
  await problemOf(group, 422, "limit_exceeded");
});

test("a list is newest first, and its cursor goes on", async (t) => {
  const { request, place } = await serving(t);
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.unshift((await place("orders", { customerId: `c-${n % 2}` })).id);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "?limit=2" : `?limit=2&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: Order[]; nextCursor: string | null } = await jsonOf(await request("GET", `/orders${query}`));
    assert.ok(page.items.length <= 2);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.deepEqual(seen, ids);
  const group = await jsonOf<{ items: Order[] }>(
    await request("GET", "/orders?group=c-1&status=received&failed=false"),
  );
  assert.deepEqual(
    group.items.map(({ data }) => data),
    [{ customerId: "c-1" }, { customerId: "c-1" }],
  );
  assert.deepEqual(await jsonOf(await request("GET", "/orders?status=longGone")), { items: [], nextCursor: null });
});

test("a page has 50 orders by default", async (t) => {
  const { request, place } = await serving(t);
  for (let n = 0; n < 51; n++) await place("orders", { customerId: "c-1" });
  const page = await jsonOf<{ items: Order[]; nextCursor: unknown }>(await request("GET", "/orders"));
  assert.equal(page.items.length, 50);
  assert.equal(typeof page.nextCursor, "string");
});

test("a list refuses parameters that are unknown, given twice or do not fit, and names them", async (t) => {
  const { request } = await serving(t);
  const bad: [query: string, name: RegExp][] = [
    ["statsu=received", /"statsu" is unknown.*status, failed/],
    ["__proto__=1", /"__proto__" is unknown/],
    ["status=received&status=shipped", /"status" is given twice/],
    ["status=Bad-Name", /"status"/],
    ["failed=yes", /"failed" must be true or false/],
    ["limit=0", /"limit" must be at least 1/],
    ["limit=1001", /"limit" must be at most 1000/],
    ["limit=1e2", /"limit" must be a whole number/],
    ["limit=", /"limit"/],
    ["limit=-1", /"limit"/],
    ["group=", /"group" must not be empty/],
    ["fingerprint=", /"fingerprint"/],
  ];
  for (const [query, name] of bad) {
    const { detail, errors } = await problemOf(await request("GET", `/orders?${query}`), 400, "invalid_request");
    assert.match(detail, name, query);
    assert.equal(errors?.length, 1, query);
  }
  await problemOf(await request("GET", "/orders?cursor=nonsense"), 400, "invalid_cursor");
  for (const path of ["/orders/some-id?x=1", "/orders/failures?limit=5", "/queues?x=1"]) {
    await problemOf(await request("GET", path), 400, "invalid_request");
  }
});

test("a query where a route takes none is refused, and nothing is done", async (t) => {
  const { request, place } = await serving(t);
  const { id } = await place("claims", { text: "wet" });
  for (const [path, json] of [
    ["/orders?x=1", { customerId: "c-1" }],
    ["/orders/batch?x=1", undefined],
    [`/claims/${id}/transitions?to=paid`, { to: "paid" }],
    [`/claims/${id}/retry?x=1`, {}],
    ["/orders/retry?status=received", {}],
  ] as const) {
    const problem = await problemOf(await request("POST", path, { json }), 400, "invalid_request");
    assert.match(problem.detail, /the query parameter "\w+" is unknown; this route takes nothing/);
    assert.equal(problem.errors?.length, 1);
  }
  assert.deepEqual(await jsonOf(await request("GET", "/orders")), { items: [], nextCursor: null });
  assert.equal((await jsonOf<Order>(await request("GET", `/claims/${id}`))).status, "filed");
});

test("a compressed body is refused as such, of an order as of a batch", async (t) => {
  const { request } = await serving(t);
  const json = { customerId: "c-1" };
  for (const encoding of ["gzip", "br", "identity, gzip"]) {
    const headers = { "content-encoding": encoding };
    for (const sent of [
      await request("POST", "/orders", { body: gzipSync(JSON.stringify(json)), headers }),
      await request("POST", "/orders/retry", { json: {}, headers }),
      await request("POST", "/orders/batch", { body: gzipSync('{"data":{}}\n'), headers }),
    ]) {
      const { detail } = await problemOf(sent, 415, "unsupported_media_type");
      assert.match(detail, /Content-Encoding/);
    }
  }
  for (const encoding of ["identity", "Identity", ""]) {
    assert.equal((await request("POST", "/orders", { json, headers: { "content-encoding": encoding } })).status, 202);
  }
});

test("an order that does not exist is answered with order_not_found by every route", async (t) => {
  const { request } = await serving(t);
  for (const id of ["nope", "%F0%9F", "%00", "..%2f", "__proto__", "x".repeat(2_000)]) {
    await problemOf(await request("GET", `/orders/${id}`), 404, "order_not_found");
    await problemOf(
      await request("POST", `/orders/${id}/transitions`, { json: { to: "shipped" } }),
      404,
      "order_not_found",
    );
    await problemOf(await request("POST", `/orders/${id}/retry`), 404, "order_not_found");
  }
});

test("a transition moves a waiting order, once for each key", async (t) => {
  const { request, place } = await serving(t);
  const { id } = await place("claims", { text: "wet" });
  const json = { to: "paid", reason: "agreed", results: { payout: 10 }, expectedVersion: 1 };
  const headers = { "idempotency-key": "hook-1", "x-request-id": "r-9" };
  const path = `/claims/${id}/transitions`;
  const moved = await jsonOf<Order>(await request("POST", path, { json, headers }));
  assert.equal(moved.status, "paid");
  assert.deepEqual(moved.results, { payout: 10 });
  assert.equal(moved.history[1]?.reason, "agreed");
  assert.equal(moved.history[1]?.by.requestId, "r-9");
  assert.deepEqual(await jsonOf(await request("POST", path, { json, headers })), moved);
  await problemOf(await request("POST", path, { json: { to: "refused" }, headers }), 409, "idempotency_conflict");
  await problemOf(await request("POST", path, { json: { to: "refused" } }), 409, "transition_not_allowed");
});

test("a refused transition is answered with the reason", async (t) => {
  const { request, place } = await serving(t);
  const order = await place("orders", { customerId: "c-1" });
  await problemOf(
    await request("POST", `/orders/${order.id}/transitions`, { json: { to: "shipped" } }),
    409,
    "being_handled",
  );
  const claim = await place("claims", { text: "wet" });
  const path = `/claims/${claim.id}/transitions`;
  await problemOf(await request("POST", path, { json: { to: "paid", expectedVersion: 99 } }), 409, "stale");
  await problemOf(await request("POST", path, { json: { to: "nowhere" } }), 409, "transition_not_allowed");
  const { errors } = await problemOf(
    await request("POST", path, { json: { to: "paid", results: { payout: 5_000 } } }),
    422,
    "invalid_results",
  );
  assert.deepEqual(
    errors?.map(({ path }) => path),
    ["payout"],
  );
  for (const [json, name] of [
    [{}, /"to"/],
    [{ to: 5 }, /"to"/],
    [{ to: "paid", force: true }, /"force" is unknown.*to, reason/],
    [{ to: "paid", reason: "x".repeat(501) }, /"reason" must have at most 500/],
    [{ to: "paid", results: [] }, /"results" must be an object/],
    [{ to: "paid", expectedVersion: 1.5 }, /"expectedVersion" must be a whole number/],
    [[], /body must be an object/],
    [null, /body must be an object/],
  ] as const) {
    const { detail } = await problemOf(await request("POST", path, { json }), 400, "invalid_request");
    assert.match(detail, name);
  }
  await problemOf(await request("POST", path), 400, "invalid_json");
});

test("a final order is removed, and no other", async (t) => {
  const { request, place } = await serving(t);
  const { id } = await place("claims", { text: "wet" }, { "idempotency-key": "k-1" });
  const path = `/claims/${id}`;
  await problemOf(await request("DELETE", path), 409, "order_not_final");
  await request("POST", `${path}/transitions`, { json: { to: "paid" } });
  await problemOf(await request("DELETE", `${path}?force=true`), 400, "invalid_request");
  const removed = await request("DELETE", path);
  assert.deepEqual([removed.status, await removed.text()], [204, ""]);
  await problemOf(await request("GET", path), 404, "order_not_found");
  await problemOf(await request("DELETE", path), 404, "order_not_found");
  await problemOf(await request("DELETE", "/claims/failures"), 405, "method_not_allowed");
  assert.notEqual((await place("claims", { text: "dry" }, { "idempotency-key": "k-1" })).id, id);
});

test("failures are listed and retried, one and many", async (t) => {
  const { request, place, start, logged } = await serving(t);
  await start();
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const failed = logged("order failed");
    ids.push((await place("orders", { customerId: `BAD-${n}` })).id);
    await failed;
  }
  const { items } = await jsonOf<{ items: Record<string, unknown>[] }>(await request("GET", "/orders/failures"));
  assert.deepEqual(items, [
    {
      status: "received",
      fingerprint: "the customer is blocked",
      message: "the customer is blocked",
      count: 3,
      firstAt: "2026-11-24T00:00:00.000Z",
      lastAt: "2026-11-24T00:00:00.000Z",
    },
  ]);
  const listed = await jsonOf<{ items: Order[] }>(
    await request("GET", "/orders?failed=true&fingerprint=the%20customer%20is%20blocked"),
  );
  assert.deepEqual(listed.items.map(({ id }) => id).sort(), [...ids].sort());

  const again = logged("order failed");
  const retried = await jsonOf<Order>(
    await request("POST", `/orders/${ids[0]}/retry`, { headers: { "x-request-id": "r-2" } }),
  );
  assert.equal(retried.failure, null);
  await again;
  assert.deepEqual(
    await jsonOf(await request("POST", "/orders/retry", { json: { ids: [ids[0], "nope"], fingerprint: "another" } })),
    { retried: 0, nextCursor: null },
  );
  const all = [logged("order failed"), logged("order failed"), logged("order failed")];
  assert.deepEqual(await jsonOf(await request("POST", "/orders/retry")), { retried: 3, nextCursor: null });
  await Promise.all(all);
  for (const [json, name] of [
    [{ ids: [] }, /"ids"/],
    [{ ids: Array(1_001).fill("x") }, /"ids" must name at most 1000/],
    [{ ids: [5] }, /"ids.0"/],
    [{ limit: 0 }, /"limit"/],
    [{ everything: true }, /"everything" is unknown/],
  ] as const) {
    const { detail } = await problemOf(await request("POST", "/orders/retry", { json }), 400, "invalid_request");
    assert.match(detail, name);
  }
  await problemOf(await request("POST", `/orders/${ids[0]}/retry`, { json: { now: true } }), 400, "invalid_request");
  await problemOf(
    await request("POST", "/orders/retry", { body: "{}", headers: { "content-type": "text/plain" } }),
    415,
    "unsupported_media_type",
  );
});

test("a retry of an order that has not failed is refused", async (t) => {
  const { request, place } = await serving(t);
  const { id } = await place("orders", { customerId: "c-1" });
  await problemOf(await request("POST", `/orders/${id}/retry`, { json: {} }), 409, "not_failed");
});

test("queues show every workflow", async (t) => {
  const { request, place } = await serving(t);
  const { updatedAt } = await place("orders", { customerId: "c-1" });
  await place("claims", { text: "wet" });
  const none = { inFlight: 0, delayed: 0, failed: 0, oldestWaitingAt: null, paused: false, atLeast: false };
  assert.deepEqual(await jsonOf(await request("GET", "/queues")), {
    workflows: [
      {
        workflow: "orders",
        queues: [{ status: "received", kind: "handled", waiting: 1, ...none, oldestWaitingAt: updatedAt }],
      },
      { workflow: "claims", queues: [{ status: "filed", kind: "waiting", waiting: 1, ...none }] },
    ],
  });
});

test("health needs nothing, and readiness follows ready()", async (t) => {
  let ready = true;
  const { request } = await serving(t, { ready: () => ready });
  assert.deepEqual(await jsonOf(await request("GET", "/healthz")), { status: "ok" });
  assert.deepEqual(await jsonOf(await request("GET", "/readyz")), { status: "ok" });
  ready = false;
  assert.deepEqual(await jsonOf(await request("GET", "/readyz"), 503), { status: "unavailable" });
  assert.deepEqual(await jsonOf(await request("GET", "/healthz")), { status: "ok" });
});

test("a request for an unknown workflow, route or method is answered with what is missing", async (t) => {
  const { request } = await serving(t, { basePath: "/api" });
  for (const path of ["/nope", "/nope/1", "/nope/1/retry", "/nope/retry"]) {
    await problemOf(await request("GET", path), 404, "workflow_not_found");
  }
  for (const path of [
    "/",
    "",
    "/orders/",
    "/orders/1/2",
    "/orders/1/retry/x",
    "/Not-a-name",
    "/queues/x",
    "/nope/1/2",
  ]) {
    await problemOf(await request("GET", path), 404, "route_not_found");
  }
  for (const [method, path, allow] of [
    ["PUT", "/orders", "GET, HEAD, POST"],
    ["PATCH", "/orders/1", "GET, HEAD, DELETE"],
    ["PROPFIND", "/orders/1", "GET, HEAD, DELETE"],
    ["GET", "/orders/1/transitions", "POST"],
    ["POST", "/orders/failures", "GET, HEAD"],
    ["POST", "/queues", "GET, HEAD"],
    ["POST", "/healthz", "GET, HEAD"],
  ] as const) {
    const response = await request(method, path);
    assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
    await problemOf(response, 405, "method_not_allowed");
  }
});

test("a server with a base path answers no route outside of it", async (t) => {
  const { app } = await serving(t, { basePath: "/api" });
  for (const path of ["/orders", "/healthz", "/apiorders"]) {
    await problemOf(await app.request(path), 404, "route_not_found");
  }
});

test("HEAD answers as GET does, without a body", async (t) => {
  const { request } = await serving(t);
  const response = await request("HEAD", "/orders");
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "");
});

test("a store that does not take writes gives 503, and is logged once until it does", async (t) => {
  const lines: string[] = [];
  const { engines } = await serving(t);
  const [orders] = engines as [Engine, Engine];
  const codes = ["store_full", "store_full", "store_unavailable", "closed", undefined, "store_full"] as const;
  let call = 0;
  const faulty: Engine = {
    ...orders,
    place(data, options) {
      const code = codes[call++];
      if (code === undefined) return orders.place(data, options);
      return Promise.reject(new CauceError(code, "/var/lib/secret: no space left"));
    },
  };
  const app = createApp({
    ...parts(),
    bound: boundOf([faulty]),
    auth: undefined,
    log: { ...log, info: (_, message) => lines.push(message), error: (fields) => lines.push(`${fields.code}`) },
    ready: () => true,
  });
  const place = () => app.request("/orders", { method: "POST", body: Buffer.from('{"customerId":"c-1"}') });
  for (const code of codes) {
    const response = await place();
    if (code === undefined) {
      assert.equal(response.status, 202);
      continue;
    }
    assert.match(response.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
    const { detail } = await problemOf(response, 503, code);
    assert.doesNotMatch(detail, /secret/);
  }
  assert.deepEqual(lines, ["store_full", "store_unavailable", "the store takes orders again", "store_full"]);
});

test("an answer that wrote nothing does not show that the store takes orders again", async (t) => {
  const lines: string[] = [];
  const { engines } = await serving(t);
  const [orders] = engines as [Engine, Engine];
  let isFull = false;
  const full: Engine = {
    ...orders,
    // An engine whose store is full still answers a repeat with the stored order.
    place: (data, call) =>
      isFull && call?.idempotencyKey === undefined
        ? Promise.reject(new CauceError("store_full", "no space left"))
        : orders.place(data, call),
    takesWrites: async () => !isFull,
  };
  const app = createApp({
    ...parts(),
    bound: boundOf([full]),
    auth: undefined,
    log: { ...log, info: (_, message) => lines.push(message), error: (fields) => lines.push(`${fields.code}`) },
    ready: () => true,
  });
  const post = async (path: string, text: string, headers: Record<string, string> = {}) => {
    const response = await app.request(path, { method: "POST", body: Buffer.from(text), headers });
    await response.text();
    // A log line that comes after the answer is written by now.
    await new Promise((resolve) => setImmediate(resolve));
    return response.status;
  };
  const order = '{"customerId":"c-1"}';
  const repeat = () => post("/orders", order, { "idempotency-key": "k-1" });
  assert.equal(await repeat(), 202);
  isFull = true;
  for (let again = 0; again < 2; again++) {
    assert.equal(await post("/orders", order), 503);
    assert.equal(await repeat(), 200);
    assert.equal(await post("/orders/batch", `{"data":${order},"idempotencyKey":"k-1"}`), 200);
    assert.equal(await post("/orders/retry", ""), 200);
    assert.deepEqual(lines, ["store_full"]);
  }
  isFull = false;
  assert.equal(await post("/orders", order), 202);
  assert.deepEqual(lines, ["store_full", "the store takes orders again"]);
});

test("an unexpected error is a 500 that reveals nothing, and is logged with the request id", async (t) => {
  const errors: Record<string, unknown>[] = [];
  const { engines } = await serving(t);
  const [orders] = engines as [Engine, Engine];
  const app = createApp({
    ...parts(),
    bound: boundOf([{ ...orders, get: () => Promise.reject(new Error("secret in /etc")) }]),
    auth: undefined,
    log: { ...log, error: (fields) => errors.push(fields) },
    ready: () => true,
  });
  const response = await app.request("/orders/1", { headers: { "x-request-id": "r-7" } });
  const problem = await problemOf(response, 500, "internal_error");
  assert.doesNotMatch(JSON.stringify(problem), /secret/);
  assert.equal(errors.length, 1);
  assert.equal(errors[0]?.requestId, "r-7");
  assert.equal(errors[0]?.error, "secret in /etc");
});

test("a group function that throws gives a 500, for an order as for a line, and is logged with its stack", async (t) => {
  const clock = fakeClock();
  const backend = memory({ clock });
  t.after(() => backend.close());
  const app = implement(
    defineWorkflow({
      name: "orders",
      data: z.object({ customer: z.object({ id: z.string() }).optional() }),
      group: (data) => (data.customer as { id: string }).id,
      initial: "open",
      statuses: { open: { to: ["done"], waits: true }, done: final },
    }),
    { handlers: {} },
  );
  const errors: Record<string, unknown>[] = [];
  const kept = { ...log, error: (fields: Record<string, unknown>) => errors.push(fields) };
  const actor = { runtime: "node", name: "test" } as const;
  const engine = createEngine({ app, backend, clock, random: Math.random, log: kept, actor });
  const served = createApp({ ...parts(), bound: boundOf([engine]), auth: undefined, log: kept, ready: () => true });
  const send = (path: string, body: string) => served.request(path, { method: "POST", body: Buffer.from(body) });
  const problem = await problemOf(await send("/orders", "{}"), 500, "internal_error");
  assert.doesNotMatch(JSON.stringify(problem), /group|undefined/);
  const [line = ""] = (await (await send("/orders/batch", '{"data":{}}\n')).text()).split("\n");
  assert.deepEqual([JSON.parse(line).status, JSON.parse(line).problem.code], [500, "internal_error"]);
  assert.equal(errors.length, 2);
  for (const { error, stack } of errors) {
    assert.match(String(error), /workflow "orders": group threw .*reading 'id'/);
    assert.match(String(stack), /caused by: TypeError: .*\n +at .*app\.test\.ts:\d+/);
  }
});

test("options that cannot work are refused", async (t) => {
  const { engines } = await serving(t);
  const base = { ...parts(), bound: boundOf(engines), auth: undefined, log, ready: () => true };
  const [orders] = engines as [Engine, Engine];
  assert.throws(() => createApp({ ...base, bound: boundOf([orders, orders]) }), { code: "app_invalid" });
  const keys = [{ name: "a", role: "read" as const, sha256: "short" }];
  assert.throws(() => createApp({ ...base, auth: { keys } }), { code: "keys_invalid" });
});

test("the word of a route is no order's id for other methods", async (t) => {
  const { request } = await serving(t);
  for (const [method, path, allow] of [
    ["GET", "/orders/retry", "POST"],
    ["GET", "/orders/batch", "POST"],
    ["POST", "/orders/failures", "GET, HEAD"],
  ] as const) {
    const response = await request(method, path);
    assert.equal(response.headers.get("allow"), allow);
    await problemOf(response, 405, "method_not_allowed");
  }
});
