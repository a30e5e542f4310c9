import assert from "node:assert/strict";
import { test } from "node:test";
import { CauceError } from "../../../src/core/errors.ts";
import type { Engine } from "../../../src/engine/engine.ts";
import { createApp } from "../../../src/http/app.ts";
import { createKey } from "../../../src/http/auth.ts";
import { boundOf, parts, type RequestOptions, serving } from "../serving.ts";
import { at, checkerOf, documentOf, type Json, type OpenApi, operationsOf, referenceTo } from "./reading.ts";

const log = { info() {}, warn() {}, error() {} };
const key = createKey();
const reader = createKey();
const auth = {
  keys: [
    { name: "all", role: "operate" as const, sha256: key.sha256 },
    { name: "reader", role: "read" as const, sha256: reader.sha256 },
  ],
};

/** Closes the document's schemas, so that an answer may hold only named fields. Clients must accept more. */
function closed(document: OpenApi): OpenApi {
  const close = (schema: unknown): unknown => {
    if (schema === null || typeof schema !== "object") return schema;
    if (Array.isArray(schema)) return schema.map(close);
    const inner = Object.fromEntries(Object.entries(schema).map(([keyword, value]) => [keyword, close(value)]));
    return inner.type === "object" && inner.properties !== undefined && inner.additionalProperties === undefined
      ? { ...inner, additionalProperties: false }
      : inner;
  };
  const schemas = close(document.components.schemas) as OpenApi["components"]["schemas"];
  return { ...document, components: { ...document.components, schemas } };
}

/** Makes `ask`, which sends a request and checks the answer against the document's route and status. */
function asking(
  document: OpenApi,
  request: (method: string, path: string, options?: RequestOptions) => Promise<Response>,
) {
  const check = checkerOf(closed(document));
  const operations = operationsOf(document);
  const seen = new Map<string, Set<number>>();
  const follow = (reference: string): string => {
    const { $ref } = (at(document, reference) ?? {}) as Json;
    return typeof $ref === "string" ? $ref : reference;
  };

  return {
    seen,
    async ask(route: string, status: number, options: RequestOptions & { query?: string; id?: string } = {}) {
      const [method = "", template = ""] = route.split(" ");
      const { query = "", id = "none", ...rest } = options;
      const path = template.replace(/\{\w+\}/, id) + query;
      const headers = { authorization: `Bearer ${key.key}`, ...rest.headers };
      const response = await request(method, path, { ...rest, headers });
      const text = await response.text();
      assert.equal(response.status, status, `${method} ${path}: ${text}`);
      assert.ok(operations.has(route), route);
      seen.set(route, (seen.get(route) ?? new Set()).add(status));

      const where = follow(referenceTo("paths", template, method.toLowerCase(), "responses", String(status)));
      const answer = at(document, where) as { content?: Json; headers?: Json } | undefined;
      assert.ok(answer, `${route} may answer ${status}`);
      for (const name of Object.keys(answer.headers ?? {})) assert.ok(response.headers.has(name), `${route}: ${name}`);
      const type = (response.headers.get("content-type") ?? "").split(";", 1)[0] as string;
      assert.ok(type in (answer.content ?? {}), `${route}: ${status} is ${type}`);
      const value = /[/+]json$/.test(type) ? (JSON.parse(text) as unknown) : text;
      assert.equal(
        check(`${where}/content/${type.replace("/", "~1")}/schema`, value),
        null,
        `${route} ${status}: ${text}`,
      );
      const { "x-item-schema": item } = (answer.content?.[type] ?? {}) as { "x-item-schema"?: { $ref: string } };
      if (item !== undefined) {
        for (const line of text.trim().split("\n")) assert.equal(check(item.$ref, JSON.parse(line)), null, line);
      }
      return value as Json & { id: string };
    },
  };
}

test("every route answers as the document says", async (t) => {
  const { engines, request, start, logged } = await serving(t, { auth });
  await start();
  const document = documentOf(engines.map(({ workflow }) => workflow));
  const { ask, seen } = asking(document, request);
  const failing = logged("order failed");
  const failed = await ask("POST /orders", 202, { json: { customerId: "BAD-1" } });
  await failing;
  const keyed = { headers: { "idempotency-key": "k-1" } };
  const claim = await ask("POST /claims", 202, { json: { text: "wet" }, ...keyed });
  await ask("POST /claims", 200, { json: { text: "wet" }, ...keyed });
  await ask("POST /claims", 409, { json: { text: "dry" }, ...keyed });
  await ask("POST /claims", 422, { json: { text: "" } });
  await ask("POST /claims", 400, { body: "{", headers: { "content-type": "application/json" } });
  await ask("POST /claims", 400, { json: { text: "x" }, headers: { "idempotency-key": "a b" } });
  await ask("POST /claims", 413, { json: { text: "x".repeat(300_000) } });
  await ask("POST /claims", 415, { body: "x", headers: { "content-type": "text/plain" } });

  const ndjson = { headers: { "content-type": "application/x-ndjson" } };
  await ask("POST /claims/batch", 200, { body: '{"data":{"text":"a"}}\n{"data":{}}\n{\n', ...ndjson });
  await ask("POST /claims/batch", 415, { body: "x", headers: { "content-type": "text/plain" } });

  await ask("GET /orders", 200, { query: "?limit=1&failed=true" });
  await ask("GET /orders", 400, { query: "?limit=0" });
  await ask("GET /orders", 400, { query: "?cursor=nonsense" });
  await ask("GET /orders/failures", 200);
  await ask("GET /orders/failures", 400, { query: "?a=b" });
  await ask("GET /orders/{id}", 200, { id: failed.id });
  await ask("GET /orders/{id}", 404);
  await ask("GET /orders/{id}", 400, { id: failed.id, query: "?a=b" });

  await ask("GET /orders/{id}/stored", 200, { id: failed.id });
  await ask("GET /orders/{id}/stored", 404);
  await ask("GET /orders/{id}/stored", 400, { id: failed.id, query: "?a=b" });

  const to = (to: string, more: object = {}) => ({ id: claim.id, json: { to, ...more } });
  await ask("POST /claims/{id}/transitions", 422, to("paid", { results: { payout: 1_001 } }));
  await ask("POST /claims/{id}/transitions", 409, to("paid", { expectedVersion: 99 }));
  await ask("POST /claims/{id}/transitions", 400, to("paid", { more: 1 }));
  await ask("POST /claims/{id}/transitions", 415, {
    id: claim.id,
    body: "x",
    headers: { "content-type": "text/plain" },
  });
  await ask("POST /claims/{id}/transitions", 404, { json: { to: "paid" } });
  await ask("POST /claims/{id}/transitions", 200, to("paid", { results: { payout: 7 }, reason: "seen" }));
  await ask("POST /claims/{id}/transitions", 409, to("paid"));
  await ask("GET /claims/{id}", 200, { id: claim.id });

  await ask("POST /orders/retry", 400, { json: { limit: 0 } });
  await ask("POST /orders/retry", 400, { json: { ids: ["x"], cursor: "x" } });
  const again = logged("order failed");
  await ask("POST /orders/{id}/retry", 200, { id: failed.id });
  await again;
  const once = logged("order failed");
  await ask("POST /orders/retry", 200, { json: { limit: 10 } });
  await once;
  await ask("POST /orders/{id}/retry", 404);
  await ask("POST /claims/{id}/retry", 409, { id: claim.id });
  await ask("POST /orders/{id}/retry", 400, { id: failed.id, json: { a: 1 } });

  for (const action of ["pause", "resume"]) {
    await ask(`POST /orders/queues/{status}/${action}`, 200, { id: "received" });
    await ask(`POST /orders/queues/{status}/${action}`, 404);
    await ask(`POST /claims/queues/{status}/${action}`, 409, { id: "filed" });
    await ask(`POST /orders/queues/{status}/${action}`, 400, { id: "received", json: { a: 1 } });
  }
  await ask("GET /queues", 200);
  await ask("GET /queues", 400, { query: "?a=b" });
  await ask("GET /stats", 200, { query: "?minutes=5" });
  await ask("GET /stats", 400, { query: "?minutes=0" });
  await ask("GET /metrics", 200);
  await ask("GET /metrics", 400, { query: "?a=b" });
  await ask("GET /events", 400, { query: "?a=b" });
  await ask("GET /events", 404, { query: "?workflow=none" });
  await ask("GET /healthz", 200);
  await ask("GET /readyz", 200);
  const served = await ask("GET /openapi.json", 200);
  assert.deepEqual(served.paths, document.paths);
  await ask("GET /docs", 200);

  for (const [route, { "x-role": role }] of operationsOf(document)) {
    if (role === "none" || !seen.has(route)) continue;
    await ask(route, 401, { headers: { authorization: "Bearer nobody" } });
    if (role !== "any" && role !== "read")
      await ask(route, 403, { headers: { authorization: `Bearer ${reader.key}` } });
  }
});

test("an event is as the document says", async (t) => {
  const { engines, request, place } = await serving(t);
  const document = documentOf(engines.map(({ workflow }) => workflow));
  const response = await request("GET", "/events");
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader);
  await reader.read();
  const read = reader.read();
  await place("claims", { text: "wet" });
  const data = /^data: (.+)$/m.exec((await read).value ?? "")?.[1] ?? "";
  assert.equal(checkerOf(closed(document))("#/components/schemas/Transition", JSON.parse(data)), null);
  await reader.cancel();
});

test("a server whose store fails answers as the document says", async (t) => {
  const { engines } = await serving(t);
  const [engine] = engines as [Engine];
  const document = documentOf([engine.workflow]);
  for (const [status, error] of [
    [503, new CauceError("store_full", "the disk is full")],
    [503, new CauceError("closed", "closing")],
    [500, new Error("a defect")],
  ] as const) {
    const fails = async () => {
      throw error;
    };
    const broken: Engine = { ...engine, place: fails, get: fails, list: fails, retryMany: fails };
    const app = createApp({ bound: boundOf([broken]), auth, log, ready: () => false, ...parts() });
    const { ask } = asking(document, async (method, path, { json, headers } = {}) =>
      app.fetch(
        new Request(`http://localhost${path}`, {
          method,
          headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
          ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        }),
      ),
    );
    await ask("POST /orders", status, { json: { customerId: "c" } });
    await ask("POST /orders/retry", status);
    await ask("GET /readyz", 503);
    if (error instanceof CauceError && error.code === "store_full") continue;
    await ask("GET /orders", status);
    await ask("GET /orders/{id}", status);
  }
});
