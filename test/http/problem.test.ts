import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CauceError, errorCodes } from "../../src/core/errors.ts";
import { errorProblem, httpStatusOf, problem, refusalProblem, refusedLine } from "../../src/http/problem.ts";
import { problemOf } from "./serving.ts";

test("the reference has every code that a client can meet, with its status and meaning", () => {
  const reference = readFileSync(new URL("../../docs/reference/http.md", import.meta.url), "utf8");
  const rows = [...reference.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (.*?) +\|$/gm)].map(([, code, status, meaning]) => [
    code,
    Number(status),
    meaning,
  ]);
  const codes = Object.keys(httpStatusOf) as (keyof typeof httpStatusOf)[];
  const expected = codes.map((code) => [code, httpStatusOf[code], errorCodes[code]]);
  assert.deepEqual(rows.sort(), expected.sort());
});

test("a problem has the shape of RFC 9457", async () => {
  const response = problem("invalid_data", "the data does not fit", { errors: [{ path: "a.0", message: "no" }] });
  assert.equal(response.status, 422);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.deepEqual(await response.json(), {
    type: "about:blank",
    title: "Unprocessable Entity",
    status: 422,
    detail: "the data does not fit",
    code: "invalid_data",
    errors: [{ path: "a.0", message: "no" }],
  });
});

test("an error keeps its message when the client is at fault, and loses it when the server is", async () => {
  const client = errorProblem(new CauceError("invalid_cursor", "the cursor is not one of ours"));
  assert.equal((await problemOf(client.response, 400, "invalid_cursor")).detail, "the cursor is not one of ours");
  for (const error of [
    new CauceError("data_in_use", "/var/lib/secret is in use"),
    new TypeError("secret"),
    "secret",
    undefined,
  ]) {
    const { code, response } = errorProblem(error);
    assert.equal(code, "internal_error");
    assert.doesNotMatch((await problemOf(response, 500, "internal_error")).detail, /secret/);
  }
  const store = errorProblem(new CauceError("store_full", "/var/lib/secret is full")).response;
  assert.match(store.headers.get("retry-after") ?? "", /^\d+$/);
  assert.doesNotMatch((await problemOf(store, 503, "store_full")).detail, /secret/);
});

test("a refusal that no client may meet is thrown", () => {
  assert.throws(() => refusalProblem({ refused: "worker_lost", message: "no" }), { code: "worker_lost" });
});

// Each text is as long in bytes as its characters allow.
const long = "\u{10ffff}".repeat(100_000);
const errors = Array.from({ length: 120_000 }, (_, n) => ({ path: `${n}.${long}`, message: long }));

test("a problem takes 64 KiB at most, whatever it tells of", async () => {
  const text = await problem("invalid_data", long, { errors }).text();
  assert.ok(Buffer.byteLength(text) <= 65_536, `${Buffer.byteLength(text)} bytes`);
  const told = JSON.parse(text);
  assert.equal(told.errors.length + told.errorsOmitted, errors.length);
});

test("a refused line of a batch takes 4 KiB at most, whatever it tells of", () => {
  const text = refusedLine(1_000_000, { code: "invalid_data", detail: long, errors });
  assert.ok(Buffer.byteLength(text) <= 4_096, `${Buffer.byteLength(text)} bytes`);
  const { problem: told } = JSON.parse(text);
  assert.equal(told.errors.length + told.errorsOmitted, errors.length);
});
