import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { jsonOf, serving } from "../serving.ts";
import { assertUnpolluted, dataText, fairText, hostileText, jsonText, nestedText } from "./hostile.ts";

interface Shown {
  readonly id: string;
  readonly data: Record<string, unknown>;
}

const types = fc.oneof(
  { weight: 6, arbitrary: fc.constant("application/json") },
  fc.constantFrom(
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/vnd.x+json",
    "multipart/form-data; boundary=x",
    ";;;",
    "application/x-ndjson",
  ),
  fc.string({ unit: "grapheme-ascii", maxLength: 20 }),
);
const headerText = fc.oneof(
  fc
    .uint8Array({ maxLength: 300 })
    .map((bytes) => String.fromCharCode(...bytes.map((byte) => (byte < 0x20 || byte === 0x7f ? 0x21 : byte)))),
  fc.constantFrom("x".repeat(255), "x".repeat(256), "x".repeat(9_000), " ", "a b", "__proto__"),
);
/** Texts in the place of an id, a status or a workflow: plain, escaped, or badly escaped. */
const segment = fc.oneof(
  hostileText.map((text) => encodeURIComponent(text.toWellFormed())),
  fc.string({ unit: "grapheme-ascii", maxLength: 12 }).map((text) => text.replace(/[/?#\\]/g, "")),
  fc.constantFrom("%", "%0", "%00", "%E0%A4%A", "%FF", "..", "%2e%2e", "a%2Fb", "%0d%0aX:%20y", "x".repeat(9_000)),
  fc.constantFrom(
    "batch",
    "retry",
    "failures",
    "queues",
    "orders",
    "transitions",
    "00000000-0000-7000-8000-000000000000",
  ),
);
const query = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom("status", "failed", "fingerprint", "group", "limit", "cursor", "minutes", "order", "workflow"),
        hostileText,
      ),
      fc.oneof(hostileText, fc.constantFrom("1", "-1", "1e9", "999999999999999999999", "true", "x".repeat(5_000))),
    ),
    { maxLength: 3 },
  )
  .map(
    (pairs) =>
      new URLSearchParams(pairs.map(([name, value]): [string, string] => [name.toWellFormed(), value.toWellFormed()])),
  )
  .map((pairs) => (pairs.size === 0 ? "" : `?${pairs}`));

test("any body is stored as it was sent or refused as a problem", async (t) => {
  const { request, lines } = await serving(t);
  const stored = new Map<string, string>();
  const bodies = fc.oneof(
    { weight: 6, arbitrary: dataText },
    jsonText,
    nestedText,
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(dataText, fc.nat(60)).map(([text, at]) => text.slice(0, at)),
  );
  const lengths = fc.constantFrom(undefined, undefined, "0", "1", "-1", "1e3", "9".repeat(400), "x");
  await fc.assert(
    fc.asyncProperty(bodies, types, lengths, async (sent, type, length) => {
      const body = Buffer.from(sent as Uint8Array);
      const headers = { "content-type": type, ...(length === undefined ? undefined : { "content-length": length }) };
      const response = await request("POST", "/orders", { body, headers });
      const text = await fairText(response);
      if (response.status === 202) {
        const { id, data } = JSON.parse(text) as Shown;
        const expected = JSON.parse(body.toString()) as Shown["data"];
        // The schema takes these fields and drops the others.
        for (const name of Object.keys(expected)) {
          if (!["customerId", "total", "extra"].includes(name)) delete expected[name];
        }
        assert.equal(JSON.stringify(data), JSON.stringify(expected));
        stored.set(id, text);
      }
      assertUnpolluted();
    }),
    { numRuns: 300 },
  );
  for (const [id, text] of stored) assert.equal(await (await request("GET", `/orders/${id}`)).text(), text);
  assert.ok(stored.size > 0);
  let path = "/orders?limit=7";
  for (let next = path; next !== ""; ) {
    path = next;
    const { items, nextCursor } = await jsonOf<{ items: Shown[]; nextCursor: string | null }>(
      await request("GET", path),
    );
    for (const { id } of items) assert.ok(stored.delete(id), `${id} was not answered with 202, or is listed twice`);
    next = nextCursor === null ? "" : `/orders?limit=7&cursor=${nextCursor}`;
  }
  assert.equal(stored.size, 0);
  assert.deepEqual(lines, []);
});

test("every route answers any method, path, query, header and body", async (t) => {
  const key = "cauce_a-key-that-may-do-all-there-is-to-do";
  const auth = { keys: [{ name: "all", role: "operate" as const, sha256: hash("sha256", key) }] };
  const { request, lines, place, start } = await serving(t, { auth });
  const authorization = `Bearer ${key}`;
  const { id } = await place("claims", { text: "wet" }, { authorization });
  await place("orders", { customerId: "BAD" }, { authorization });
  await start();
  const any = fc.oneof({ weight: 2, arbitrary: fc.constant(id) }, segment);
  const name = fc.oneof({ weight: 6, arbitrary: fc.constantFrom("orders", "claims") }, segment);
  const path = fc.oneof(
    name.map((one) => `/${one}`),
    fc.tuple(name, fc.constantFrom("batch", "retry", "failures")).map(([one, word]) => `/${one}/${word}`),
    fc.tuple(name, any).map(([one, two]) => `/${one}/${two}`),
    fc
      .tuple(name, any, fc.constantFrom("transitions", "retry", "x"))
      .map(([one, two, word]) => `/${one}/${two}/${word}`),
    fc
      .tuple(name, fc.oneof(fc.constant("received"), segment), fc.constantFrom("pause", "resume"))
      .map(([one, two, word]) => `/${one}/queues/${two}/${word}`),
    fc.constantFrom("/", "//", "/queues", "/stats", "/metrics", "/healthz", "/readyz", "/openapi.json", "/docs"),
    fc.constantFrom("/events", "/docs/x"),
    fc.array(segment, { maxLength: 5 }).map((all) => `/${all.join("/")}`),
  );
  const method = fc.constantFrom(
    "GET",
    "POST",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "X",
  );
  const body = fc.oneof(
    fc.constant("{}"),
    jsonText,
    nestedText,
    hostileText,
    fc
      .record(
        {
          to: fc.oneof(fc.constantFrom('"paid"', '"filed"'), jsonText),
          reason: jsonText,
          results: jsonText,
          expectedVersion: jsonText,
          ids: jsonText,
          limit: jsonText,
          cursor: jsonText,
          status: jsonText,
        },
        { requiredKeys: [] },
      )
      .map((fields) => `{${Object.entries(fields).map(([field, text]) => `"${field}":${text}`)}}`),
  );
  const headers = fc.record(
    {
      "idempotency-key": headerText,
      "x-request-id": headerText,
      "last-event-id": fc.oneof(headerText, fc.constantFrom("s-0", "s-999999999999999", "s--1")),
      accept: headerText,
      "content-type": types,
      "content-encoding": fc.constantFrom("gzip", "x"),
      authorization: fc.oneof(
        headerText,
        headerText.map((text) => `Bearer ${text}`),
        fc.constant("bearer"),
      ),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(method, path, query, headers, body, async (method, path, query, headers, body) => {
      const options = { headers: { authorization, ...headers } };
      const bare = method === "GET" || method === "HEAD";
      const response = await request(method, path + query, bare ? options : { ...options, body });
      if (response.headers.get("content-type") === "text/event-stream") await response.body?.cancel();
      else if (method === "HEAD") assert.ok(response.status < 500);
      else await fairText(response);
      assertUnpolluted();
    }),
    { numRuns: 900 },
  );
  assert.deepEqual(
    lines.filter(({ message }) => message === "a request failed unexpectedly"),
    [],
  );
  assert.equal((await request("GET", "/healthz")).status, 200);
});

test("a cursor that was changed is refused, or a page like any other", async (t) => {
  const { request, place } = await serving(t);
  for (let n = 0; n < 4; n++) await place("orders", { customerId: `c-${n % 2}` });
  const cursors: string[] = [];
  for (const path of ["/orders?limit=1", "/orders?limit=1&group=c-1"]) {
    const { nextCursor } = await jsonOf<{ nextCursor: string }>(await request("GET", path));
    cursors.push(nextCursor);
  }
  const changed = fc
    .tuple(fc.constantFrom(...cursors), fc.nat(80), fc.nat(3), hostileText)
    .map(([cursor, at, cut, text]) => cursor.slice(0, at) + text.toWellFormed() + cursor.slice(at + cut));
  const forged = fc
    .array(fc.oneof(fc.double().map(String), fc.integer().map(String), hostileText), { maxLength: 4 })
    .map((parts) => Buffer.from(`after:${parts.join(":")}`).toString("base64url"));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, forged, hostileText), fc.boolean(), async (cursor, grouped) => {
      const encoded = encodeURIComponent(cursor.toWellFormed());
      const path = `/orders?cursor=${encoded}${grouped ? "&group=c-1" : ""}`;
      const response = await request("GET", path);
      const text = await fairText(response);
      if (response.status === 200) assert.ok((JSON.parse(text) as { items: unknown[] }).items.length <= 4);
      await fairText(await request("POST", "/orders/retry", { json: { cursor: cursor.toWellFormed() } }));
      await fairText(await request("POST", "/orders/retry", { json: { ids: ["x"], cursor: cursor.toWellFormed() } }));
    }),
    { numRuns: 250 },
  );
});
