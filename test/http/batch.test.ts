import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf, problemOf, serving } from "./serving.ts";

const lines = { "content-type": "application/x-ndjson" };
const lineOf = (customerId: string, idempotencyKey?: string) =>
  JSON.stringify({ ...(idempotencyKey && { idempotencyKey }), data: { customerId } });

interface BatchResult {
  readonly line: number;
  readonly status: number;
  readonly order?: { readonly id: string; readonly status: string; readonly visit: number; readonly version: number };
  readonly problem?: { readonly code: string; readonly detail: string; readonly errors?: object[] };
}

async function answersIn(response: Response): Promise<BatchResult[]> {
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  const text = await response.text();
  assert.ok(text === "" || text.endsWith("\n"));
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as BatchResult);
}

/** Makes a body that comes in pieces of `bytes` bytes. */
function pieces(body: Buffer, bytes: number): ReadableStream<Uint8Array> {
  return ReadableStream.from(
    (function* () {
      for (let at = 0; at < body.length; at += bytes) yield body.subarray(at, at + bytes);
    })(),
  );
}

test("each line is answered in its order, and a bad one fails alone", async (t) => {
  const { request } = await serving(t, { bodyBytesMax: 100 });
  const body = [
    lineOf("c-1", "k-1"),
    "",
    lineOf("c-1", "k-1"),
    lineOf("c-2", "k-1"),
    "{",
    '{"data":{"customerId":7}}',
    "[]",
    "null",
    "{}",
    '{"data":{"customerId":"c"},"id":"1"}',
    '{"data":{"customerId":"c"},"idempotencyKey":""}',
    '{"data":{"customerId":"\\ud800"}}',
    '{"data":{"customerId":"c","__proto__":{"admin":true}}}',
    lineOf("x".repeat(100)),
    `\t${lineOf("c-3")}\r`,
    lineOf("c-4"),
  ].join("\n");
  const answers = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
  assert.deepEqual(
    answers.map(({ line, status, problem }) => [line, status, problem?.code]),
    [
      [1, 202, undefined],
      [3, 200, undefined],
      [4, 409, "idempotency_conflict"],
      [5, 400, "invalid_json"],
      [6, 422, "invalid_data"],
      [7, 400, "invalid_request"],
      [8, 400, "invalid_request"],
      [9, 400, "invalid_request"],
      [10, 400, "invalid_request"],
      [11, 400, "invalid_request"],
      [12, 422, "invalid_data"],
      [13, 422, "invalid_data"],
      [14, 413, "body_too_large"],
      [15, 202, undefined],
      [16, 202, undefined],
    ],
  );
  assert.equal(answers[0]?.order?.id, answers[1]?.order?.id);
  const { items } = await jsonOf<{ items: { id: string }[] }>(await request("GET", "/orders"));
  const placed = answers.filter(({ status }) => status === 202).map(({ order }) => order?.id);
  assert.deepEqual(items.map(({ id }) => id).sort(), placed.sort());
});

test("the lines are the same wherever the body is cut into chunks", async (t) => {
  const { request } = await serving(t, { bodyBytesMax: 80 });
  const body = Buffer.concat([
    Buffer.from(`${lineOf("ä€💥", "k-1")}\n\n`),
    Buffer.from('{"data":{"customerId":"'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`"}}\n${lineOf("c-2", "k-2")}\n${lineOf("y".repeat(200))}\n${lineOf("c-3", "k-3")}`),
  ]);
  const whole = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
  assert.deepEqual(
    whole.map(({ line, status, problem }) => [line, status, problem?.code]),
    [
      [1, 202, undefined],
      [3, 400, "invalid_json"],
      [4, 202, undefined],
      [5, 413, "body_too_large"],
      [6, 202, undefined],
    ],
  );
  const repeated = whole.map((answer) => (answer.status === 202 ? { ...answer, status: 200 } : answer));
  for (let bytes = 1; bytes <= body.length; bytes++) {
    const response = await request("POST", "/orders/batch", { body: pieces(body, bytes), headers: lines });
    assert.deepEqual(await answersIn(response), repeated, `in pieces of ${bytes} bytes`);
  }
});

test("a batch without lines has no answers, and one of another type is refused", async (t) => {
  const { request } = await serving(t);
  assert.deepEqual(await answersIn(await request("POST", "/orders/batch", { headers: lines })), []);
  assert.deepEqual(await answersIn(await request("POST", "/orders/batch", { body: "\n\n \n", headers: lines })), []);
  const json = { "content-type": "application/json" };
  await problemOf(await request("POST", "/orders/batch", { body: "{}", headers: json }), 415, "unsupported_media_type");
});

test("a client that does not read the answers is not read from, and one that leaves is dropped", async (t) => {
  const { request } = await serving(t);
  let sent = 0;
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        sent++;
        controller.enqueue(Buffer.from(`${lineOf(`c-${sent}`)}\n`));
      },
      cancel: () => cancelled.resolve(),
    },
    { highWaterMark: 0 },
  );
  const response = await request("POST", "/orders/batch", { body, headers: lines });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = await reader.read();
  assert.match(Buffer.from(first.value ?? []).toString(), /^{"line":1,"status":202/);
  // This gives a server that reads without being read from time to do so.
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(sent <= 8, `${sent} lines were read for one answer that was`);
  await reader.cancel();
  await cancelled.promise;
});

test("a broken body ends the answers after the lines that came", async (t) => {
  const { request, lines: logged } = await serving(t);
  let pulls = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulls++ === 0) controller.enqueue(Buffer.from(`${lineOf("c-1")}\n${lineOf("c-2").slice(0, 9)}`));
      else controller.error(new Error("aborted"));
    },
  });
  const answers = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
  assert.deepEqual(
    answers.map(({ line, status }) => [line, status]),
    [[1, 202]],
  );
  assert.deepEqual(logged, []);
});

test("a byte order mark before the first line is left out", async (t) => {
  const { request } = await serving(t);
  for (const body of [`\ufeff${lineOf("c-1")}\n${lineOf("c-2")}\n`, `\ufeff${lineOf("c-3")}`]) {
    const answers = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  }
  const body = `${lineOf("c-4")}\n\ufeff${lineOf("c-5")}\n`;
  const [, second] = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
  assert.equal(second?.problem?.code, "invalid_json");
});

test("what is wrong in a line is told by its path in the data", async (t) => {
  const { request } = await serving(t);
  const body = ['{"data":{"a":"\\ud800"}}', '{"data":{"customerId":7}}', '{"data":"\\ud800"}'].join("\n");
  const answers = await answersIn(await request("POST", "/orders/batch", { body, headers: lines }));
  const paths = answers.map(({ problem }) => (problem?.errors?.[0] as { path: string } | undefined)?.path);
  assert.deepEqual(paths, ["a", "customerId", ""]);
});

test("an Idempotency-Key for a whole batch is refused, with the way that works", async (t) => {
  const { request } = await serving(t);
  const headers = { ...lines, "idempotency-key": "whole" };
  const response = await request("POST", "/orders/batch", { body: lineOf("c-1"), headers });
  assert.match(
    (await problemOf(response, 400, "invalid_request")).detail,
    /give each line an idempotencyKey of its own/,
  );
  assert.deepEqual(await jsonOf(await request("GET", "/orders")), { items: [], nextCursor: null });
});
