import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf, problemOf, serving } from "./serving.ts";

const json = { "content-type": "application/json" };
/** Makes the environment of a server that passes on a body in its own way. */
const handing = (body: string | Buffer) => ({
  readBody: async (bytesMax: number) => (Buffer.byteLength(body) > bytesMax ? undefined : Buffer.from(body)),
});
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test("bodies that are not JSON in UTF-8 are invalid_json", async (t) => {
  const { request } = await serving(t);
  const customer = Buffer.from('{"customerId":"');
  const bodies: [name: string, body: string | Buffer][] = [
    ["empty", ""],
    ["blank", " \n"],
    ["text of two lines", "a\nb"],
    ["half", '{"customerId":'],
    ["two values", "{}{}"],
    ["a comment", '{"customerId":"c" /* no */}'],
    ["NaN", '{"customerId":"c","total":NaN}'],
    ["a line end in a string", '{"customerId":"a\nb"}'],
    ["a byte that is no UTF-8", Buffer.concat([customer, Buffer.from([0xff]), Buffer.from('"}')])],
    ["a character cut short", Buffer.concat([customer, Buffer.from([0xf0, 0x9f, 0x98]), Buffer.from('"}')])],
    ["an overlong slash", Buffer.concat([customer, Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
    ["a surrogate as UTF-8", Buffer.concat([customer, Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])],
    ["UTF-16", Buffer.from('{"customerId":"c"}', "utf16le")],
  ];
  for (const [name, body] of bodies) {
    for (const env of [undefined, handing(body)]) {
      const headers = { ...json, "content-length": String(Buffer.byteLength(body)) };
      const response = await request("POST", "/orders", { body, headers, ...(env && { env }) });
      await problemOf(response, 400, "invalid_json").catch((error) => assert.fail(`${name}: ${error.message}`));
    }
  }
  assert.deepEqual(await jsonOf(await request("GET", "/orders")), { items: [], nextCursor: null });
});

test("text with the replacement character, a byte order mark and escaped pairs is taken as it came", async (t) => {
  const { request } = await serving(t);
  const response = await request("POST", "/orders", {
    body: '\uFEFF{"customerId":"\uFFFD \\ud83d\\ude00 \\\\ud83d"}',
    headers: json,
  });
  const { data } = await jsonOf<{ data: unknown }>(response, 202);
  assert.deepEqual(data, { customerId: "\uFFFD \u{1F600} \\ud83d" });
});

test("half a surrogate pair is refused wherever it stands", async (t) => {
  const { request, place } = await serving(t);
  for (const [body, path] of [
    ['{"customerId":"\\ud800"}', "customerId"],
    ['{"customerId":"c","extra":[1,{"a":"x\\uDFFFy"}]}', "extra.1.a"],
    ['{"customerId":"c","extra":{"\\uD83D":1}}', "extra"],
    ['{"customerId":"c","extra":"\\ude00\\ud83d"}', "extra"],
  ] as const) {
    const { errors } = await problemOf(await request("POST", "/orders", { body, headers: json }), 422, "invalid_data");
    assert.deepEqual(
      errors?.map((fault) => fault.path),
      [path],
    );
  }
  const { id } = await place("claims", { text: "wet" });
  await problemOf(
    await request("POST", `/claims/${id}/transitions`, { body: '{"to":"paid","reason":"\\ud800"}', headers: json }),
    400,
    "invalid_request",
  );
});

test("__proto__ is refused as a key, however it is written, and taken as text", async (t) => {
  const { request, place } = await serving(t);
  for (const [body, path] of [
    ['{"customerId":"c","__proto__":{"admin":true}}', "__proto__"],
    ['{"customerId":"c","extra":{"a":[{"\\u005f_proto__":1}]}}', "extra.a.0.__proto__"],
  ] as const) {
    const { errors } = await problemOf(await request("POST", "/orders", { body, headers: json }), 422, "invalid_data");
    assert.deepEqual(
      errors?.map((fault) => fault.path),
      [path],
    );
  }
  const { id } = await place("claims", { text: "about __proto__" });
  const body = '{"to":"paid","results":{"__proto__":{"payout":1}}}';
  await problemOf(await request("POST", `/claims/${id}/transitions`, { body, headers: json }), 400, "invalid_request");
  assert.equal((Object.prototype as { admin?: unknown }).admin, undefined);
});

test("numbers that JavaScript's numbers cannot hold are refused with their path, wherever the schema takes them", async (t) => {
  const server = await serving(t);
  const { request } = server;
  const digits = "9".repeat(400);
  let placed = 0;
  const place = (body: string, key?: string) =>
    request("POST", "/orders", { body, headers: { ...json, ...(key && { "idempotency-key": key }) } });
  const claim = await server.place("claims", { text: "wet" });
  for (const number of [
    ...["1e999", "-1E+309", digits, `-${digits}`, `${digits}e0`, `${"9".repeat(250)}.5e99`, "0.1e0400"],
    ...["9007199254740993", "-9007199254740993", "9007199254740993.00", "820982911946154508", "1e-400", "1e23"],
  ]) {
    for (const [body, path] of [
      [`{"customerId":"c","total":${number}}`, "total"],
      [`{"customerId":"c","extra":{"ids":["x",{"id":${number}}]}}`, "extra.ids.1.id"],
    ] as const) {
      for (const key of [undefined, "k"]) {
        const { errors, detail } = await problemOf(await place(body, key), 422, "invalid_data");
        assert.deepEqual(
          errors?.map((fault) => fault.path),
          [path],
        );
        assert.match(detail, /send it as a string$/);
      }
      const lines = await request("POST", "/orders/batch", {
        body: `{"data":${body}}\n`,
        headers: { "content-type": "application/x-ndjson" },
      });
      const { problem } = JSON.parse(await lines.text());
      assert.deepEqual([problem.code, problem.errors[0].path], ["invalid_data", path]);
    }
    const refused = await request("POST", `/claims/${claim.id}/transitions`, {
      body: `{"to":"paid","results":{"payout":${number}}}`,
      headers: json,
    });
    assert.deepEqual(
      (await problemOf(refused, 400, "invalid_request")).errors?.map((fault) => fault.path),
      ["results.payout"],
    );
    const moved = await request("POST", `/claims/${(await server.place("claims", { text: "wet" })).id}/transitions`, {
      body: `{"to":"paid","results":{"unknown":[${number}],"more":${number},"payout":1}}`,
      headers: { ...json, "idempotency-key": `t-${placed}` },
    });
    assert.deepEqual((await jsonOf<{ results: unknown }>(moved, 200)).results, { payout: 1 });
    // The schema drops it, so nothing of it is stored.
    const dropped = `{"customerId":"c","unknown":[${number}]}`;
    for (const key of [undefined, `k-${++placed}`]) {
      assert.deepEqual((await jsonOf<{ data: unknown }>(await place(dropped, key), 202)).data, { customerId: "c" });
    }
  }
  const taken = await place('{"customerId":"c","extra":["1e999",1e21,0.1,9007199254740992,1.5e-7]}');
  assert.deepEqual((await jsonOf<{ data: unknown }>(taken, 202)).data, {
    customerId: "c",
    extra: ["1e999", 1e21, 0.1, 9007199254740992, 1.5e-7],
  });
});

test("nesting is taken up to the limit, and refused past it", async (t) => {
  const { request, place } = await serving(t);
  const post = (extra: string) =>
    request("POST", "/orders", { body: `{"customerId":"c","extra":${extra}}`, headers: json });
  for (const extra of [
    nested(256),
    nested(5_000),
    nested(131_000),
    '{"a":'.repeat(40_000),
    `${'{"a":'.repeat(300)}1${"}".repeat(300)}`,
  ]) {
    const { detail } = await problemOf(await post(extra), 422, "invalid_data");
    assert.match(detail, /256 levels/);
  }
  await problemOf(await request("POST", "/orders", { body: nested(131_000), headers: json }), 422, "invalid_data");
  assert.equal((await post(nested(255))).status, 202);
  assert.equal((await post(JSON.stringify('["\\'.repeat(1_000)))).status, 202);
  const { id } = await place("claims", { text: "wet" });
  await problemOf(
    await request("POST", `/claims/${id}/transitions`, {
      body: `{"to":"paid","results":{"a":${nested(100_000)}}}`,
      headers: json,
    }),
    400,
    "invalid_request",
  );
});

test("a body at the limit is taken, and one byte more is refused, whatever tells its length", async (t) => {
  const { request } = await serving(t, { bodyBytesMax: 100 });
  const bodyOf = (bytes: number) => `{"customerId":"${"x".repeat(bytes - 17)}"}`;
  const chunked = (body: string) =>
    new ReadableStream({
      start(controller) {
        for (let at = 0; at < body.length; at += 7) controller.enqueue(Buffer.from(body.slice(at, at + 7)));
        controller.close();
      },
    });
  for (const [bytes, status] of [
    [100, 202],
    [101, 413],
  ] as const) {
    const body = bodyOf(bytes);
    assert.equal(Buffer.byteLength(body), bytes);
    const length = { "content-length": String(bytes) };
    const answers = [
      await request("POST", "/orders", { body, headers: { ...json, ...length } }),
      await request("POST", "/orders", { body, headers: { ...json, ...length }, env: handing(body) }),
      await request("POST", "/orders", { body: chunked(body), headers: json }),
      await request("POST", "/orders", { body: chunked(body), headers: json, env: handing(body) }),
    ];
    for (const answer of answers) {
      if (status === 413) await problemOf(answer, 413, "body_too_large");
      else assert.equal(answer.status, status);
    }
  }
});

test("a body that a server passes on whole is counted too", async (t) => {
  const { request } = await serving(t, { bodyBytesMax: 20 });
  const options = {
    body: '{"customerId":"c-1234"}',
    headers: { ...json, "content-length": "20" },
    env: handing('{"customerId":"c-1234"}'),
  };
  await problemOf(await request("POST", "/orders", options), 413, "body_too_large");
});

test("a body that says it is too large is not read", async (t) => {
  const { request } = await serving(t);
  let pulls = 0;
  const body = new ReadableStream({ pull: () => void pulls++ }, { highWaterMark: 0 });
  for (const length of ["262145", "9".repeat(400)]) {
    await problemOf(
      await request("POST", "/orders", { body, headers: { ...json, "content-length": length } }),
      413,
      "body_too_large",
    );
  }
  assert.equal(pulls, 0);
});

for (const [name, length] of [
  ["has no length", undefined],
  ["lies about its length", "20"],
  ["has a length that is no number", "twenty"],
] as const) {
  test(`an endless body that ${name} is cut off at the limit`, async (t) => {
    const { request } = await serving(t);
    let bytes = 0;
    let cancelled = false;
    const body = new ReadableStream(
      {
        pull(controller) {
          bytes += 16_384;
          controller.enqueue(Buffer.alloc(16_384, " "));
        },
        cancel: () => void (cancelled = true),
      },
      { highWaterMark: 0 },
    );
    const headers = { ...json, ...(length === undefined ? undefined : { "content-length": length }) };
    await problemOf(await request("POST", "/orders", { body, headers }), 413, "body_too_large");
    assert.ok(cancelled);
    assert.ok(bytes <= 262_144 + 2 * 16_384, `${bytes} bytes were read`);
  });
}

test("a body that breaks off is the client's fault, and a body that was read before is the server's", async (t) => {
  const { request, lines } = await serving(t);
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("aborted")) });
  await problemOf(await request("POST", "/orders", { body: broken, headers: json }), 400, "invalid_request");
  assert.equal(lines.length, 0);
  const locked = new ReadableStream();
  const { app } = await serving(t);
  const sent = new Request("http://localhost/orders", { method: "POST", body: locked, duplex: "half", headers: json });
  sent.body?.getReader();
  await problemOf(await app.fetch(sent), 500, "internal_error");
});

test("a body with a fault in each item gets a short answer, in a transition too", async (t) => {
  const { request } = await serving(t);
  const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, 1])));
  for (const path of ["/orders/retry", "/orders/01a20da9-e704-7019-90d8-495bca9553e4/transitions"]) {
    const response = await request("POST", path, { body: wide, headers: json });
    const text = await response.text();
    assert.equal(response.status, 400, text.slice(0, 200));
    assert.ok(text.length <= 65_536, `${path}: ${text.length} characters`);
    assert.ok(JSON.parse(text).errorsOmitted > 19_000);
  }
});

test("a header that would make a request safe, and that its route does not heed, is refused", async (t) => {
  const { request } = await serving(t);
  const id = "01a20da9-e704-7019-90d8-495bca9553e4";
  const matching = await request("POST", `/orders/${id}/transitions`, {
    body: '{"to":"done"}',
    headers: { ...json, "if-match": '"3"' },
  });
  assert.match((await problemOf(matching, 400, "invalid_request")).detail, /takes expectedVersion in its body/);
  const keyed = await request("POST", `/orders/${id}/retry`, { headers: { "idempotency-key": "k" } });
  assert.match((await problemOf(keyed, 400, "invalid_request")).detail, /takes no Idempotency-Key/);
});

test("the last of two members with one name counts", async (t) => {
  const { request } = await serving(t);
  const body = '{"customerId":"first","customerId":"last"}';
  const placed = await jsonOf<{ data: unknown }>(await request("POST", "/orders", { body, headers: json }), 202);
  assert.deepEqual(placed.data, { customerId: "last" });
});
