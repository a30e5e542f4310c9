import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Role } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/app.ts";
import { createKey, parseKeys } from "../../src/http/auth.ts";
import { boundOf, parts, problemOf, serving } from "./serving.ts";

const reference = readFileSync(new URL("../../docs/reference/http.md", import.meta.url), "utf8");

/** Gives the rows of the table whose first column has this title, without backticks. */
function rowsOf(title: string): string[][] {
  const lines = reference.split("\n");
  const start = lines.findIndex((line) => line.split("|")[1]?.trim() === title);
  assert.notEqual(start, -1, `no table begins with the column ${title}`);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

const callers = ["without credentials", "intake", "read", "operate"] as const;
const made = { intake: createKey(), read: createKey(), operate: createKey() };
const auth = {
  keys: (["intake", "read", "operate"] as const).map((role) => ({ name: role, role, sha256: made[role].sha256 })),
};
const headersOf = (caller: (typeof callers)[number]): Record<string, string> =>
  caller === "without credentials" ? {} : { authorization: `Bearer ${made[caller].key}` };

const table = rowsOf("route");

test("the reference of the HTTP API lists every route, and no other", async (t) => {
  const { engines } = await serving(t);
  const app = createApp({
    ...parts(),
    bound: boundOf(engines.slice(0, 1)),
    auth: undefined,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    ready: () => true,
  });
  const served = app.routes.map(
    ({ method, path }) => `${method} ${path.replace("/orders", "/{workflow}").replace(/:(\w+)/, "{$1}")}`,
  );
  assert.deepEqual(table.map(([route]) => route).sort(), served.sort());
});

for (const [route = "", ...answers] of table) {
  for (const [index, caller] of callers.entries()) {
    test(`${route} answers ${answers[index]} to a caller: ${caller}`, async (t) => {
      const { request, start, logged } = await serving(t, { auth });
      const status = Number(answers[index]);
      await start();
      const place = async (workflow: string, json: object) =>
        (await (await request("POST", `/${workflow}`, { json, headers: headersOf("intake") })).json()) as {
          id: string;
        };
      const claim = await place("claims", { text: "wet" });
      const failure = logged("order failed");
      const failed = await place("orders", { customerId: "BAD-1" });
      await failure;

      if (route.startsWith("DELETE"))
        await request("POST", `/claims/${claim.id}/transitions`, {
          json: { to: "paid" },
          headers: headersOf("operate"),
        });

      const bodies: Record<string, { id: string; workflow: string; json?: object }> = {
        "POST /{workflow}": { workflow: "claims", id: claim.id, json: { text: "more" } },
        "DELETE /{workflow}/{id}": { workflow: "claims", id: claim.id },
        "POST /{workflow}/{id}/transitions": { workflow: "claims", id: claim.id, json: { to: "paid" } },
      };
      const { workflow, id, json } = bodies[route] ?? { workflow: "orders", id: failed.id };
      const [method = "", path = ""] = route.split(" ");
      const again = route.endsWith("/retry") && status === 200 ? logged("order failed") : undefined;
      const response = await request(
        method,
        path.replace("{workflow}", workflow).replace("{status}", "received").replace("{id}", id),
        {
          json,
          headers: headersOf(caller),
        },
      );
      await again;
      if (status === 401) {
        assert.equal(response.headers.get("www-authenticate"), "Bearer");
        await problemOf(response, 401, "unauthorized");
      } else if (status === 403) {
        const { detail } = await problemOf(response, 403, "forbidden");
        assert.match(detail, new RegExp(`"${caller}"`));
        // Each sufficient role is named once.
        assert.doesNotMatch(detail, /"operate" or "operate"/);
      } else {
        assert.equal(response.status, status, response.status === status ? "" : await response.text());
        // A stream of events does not end by itself.
        await response.body?.cancel();
      }
    });
  }
}

test("a request that is refused for its key changes nothing, and its body is not read", async (t) => {
  const { request, engines } = await serving(t, { auth });
  let pulls = 0;
  const body = new ReadableStream({ pull: () => void pulls++ }, { highWaterMark: 0 });
  await problemOf(await request("POST", "/orders", { body }), 401, "unauthorized");
  assert.equal(pulls, 0);
  await problemOf(
    await request("POST", "/orders", { json: { customerId: "c-1" }, headers: headersOf("read") }),
    403,
    "forbidden",
  );
  assert.deepEqual((await engines[0]?.list({ limit: 1 }))?.items, []);
});

test("keys that do not fit get 401", async (t) => {
  const { request } = await serving(t, { auth });
  const { key, sha256 } = made.operate;
  for (const authorization of [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${key}`,
    `Bearer ${sha256}`,
    `Bearer ${createKey().key}`,
    `Bearer ${key}x`,
    `Bearer ${key.slice(0, -1)}`,
    `Bearer ${key} ${key}`,
    key,
  ]) {
    const response = await request("GET", "/orders", { headers: { authorization } });
    const problem = await problemOf(response, 401, "unauthorized");
    assert.ok(!JSON.stringify(problem).includes(key), "a key is never repeated");
  }
  assert.equal((await request("GET", "/orders", { headers: { authorization: `bearer  ${key} ` } })).status, 200);
});

test("a key that Cauce did not make gets 401, also where the file has its hash", async (t) => {
  const keys = ["1", "password"].map((key) => ({ name: key, role: "operate" as const, sha256: hash("sha256", key) }));
  const { request } = await serving(t, { auth: { keys } });
  for (const { name } of keys) {
    const response = await request("GET", "/orders", { headers: { authorization: `Bearer ${name}` } });
    await problemOf(response, 401, "unauthorized");
  }
});

test("the key file in the reference has no key that a reader could use", () => {
  const [, sample = ""] = /```\n(# shop's front end\n[^`]+)```/.exec(reference) ?? [];
  const { keys } = parseKeys(sample, "the sample");
  const guesses = Array.from({ length: 1_000 }, (_, n) => String(n)).concat("key", "secret", "password", "test", "");
  const known = new Set(guesses.map((guess) => hash("sha256", guess)));
  for (const { name, sha256 } of keys) assert.ok(!known.has(sha256), name);
});

test("a caller without credentials does not learn which routes and workflows exist", async (t) => {
  const { request } = await serving(t, { auth });
  for (const [method, path] of [
    ["GET", "/nope"],
    ["GET", "/nope/nope/nope"],
    ["PUT", "/orders"],
    ["GET", "/"],
  ] as const) {
    await problemOf(await request(method, path), 401, "unauthorized");
  }
  const role: Role = "intake";
  await problemOf(await request("GET", "/nope", { headers: headersOf(role) }), 404, "workflow_not_found");
  await problemOf(await request("PUT", "/orders", { headers: headersOf(role) }), 405, "method_not_allowed");
});
