import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { defineWorkflow } from "../../../src/core/defineWorkflow.ts";
import { final } from "../../../src/core/workflow.ts";
import { createKey } from "../../../src/http/auth.ts";
import { jsonOf, problemOf, serving } from "../serving.ts";
import type { OpenApi } from "./reading.ts";

const key = createKey();
const auth = { keys: [{ name: "shop", role: "intake" as const, sha256: key.sha256 }] };
const authorization = `Bearer ${key.key}`;

test("openapi.json needs a key of any role where keys are in use, and has a path for each workflow", async (t) => {
  const { request } = await serving(t, { auth, basePath: "/api" });
  await problemOf(await request("GET", "/openapi.json"), 401, "unauthorized");
  const document = await jsonOf<OpenApi>(await request("GET", "/openapi.json", { headers: { authorization } }));
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.servers, [{ url: "/api" }]);
  assert.ok(document.paths["/orders"] && document.paths["/claims"]);
  assert.ok(document.components.securitySchemes?.apiKey);
});

test("openapi.json is open where no keys are in use, and says so", async (t) => {
  const { request } = await serving(t);
  const document = await jsonOf<OpenApi>(await request("GET", "/openapi.json"));
  assert.equal(document.components.securitySchemes, undefined);
});

test("the OpenAPI document is made once", async (t) => {
  const { request } = await serving(t);
  const [first, second] = await Promise.all([request("GET", "/openapi.json"), request("GET", "/openapi.json")]);
  assert.equal(await first.text(), await second.text());
});

test("openapi.json answers HEAD, and refuses other methods without revealing more", async (t) => {
  const { request } = await serving(t, { auth });
  const head = await request("HEAD", "/docs");
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
  assert.equal((await request("HEAD", "/openapi.json", { headers: { authorization } })).status, 200);
  const refused = await request("POST", "/docs");
  assert.equal(refused.headers.get("allow"), "GET, HEAD");
  await problemOf(refused, 405, "method_not_allowed");
  await problemOf(await request("POST", "/openapi.json"), 401, "unauthorized");
  await problemOf(await request("GET", "/docs/more", { headers: { authorization } }), 404, "route_not_found");
});

test("a workflow may not have the name of a route of the server", () => {
  for (const name of ["openapi", "openapi.json", "docs", "events", "stats", "metrics", "queues", "healthz", "readyz"]) {
    const define = () =>
      defineWorkflow({ name, data: z.object({}), initial: "a", statuses: { a: { to: ["b"], waits: true }, b: final } });
    assert.throws(define, { code: "workflow_invalid" }, name);
  }
});
