import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonOf, serving } from "../serving.ts";
import { assertUnpolluted, lineBytes } from "./hostile.ts";

interface BatchResult {
  readonly line: number;
  readonly status: number;
  readonly order?: { readonly id: string };
  readonly problem?: { readonly code: string; readonly detail: string };
}

const headers = { "content-type": "application/x-ndjson" };
/** Makes a body in pieces, whose sizes repeat. */
function pieces(body: Buffer, sizes: readonly number[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(
    (function* () {
      for (let at = 0, n = 0; at < body.length; n++) {
        const size = sizes[n % sizes.length] as number;
        yield body.subarray(at, at + size);
        at += size;
      }
    })(),
  );
}

test("lines are answered in their order however they are cut, and each line answered with 202 is stored once", async (t) => {
  const { request, lines: logged } = await serving(t, { bodyBytesMax: 2_000 });
  const stored = new Map<string, unknown>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(lineBytes, { maxLength: 12 }),
      fc.boolean(),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(100_000)), { minLength: 1, maxLength: 5 }),
      async (sent, ended, sizes) => {
        const whole = Buffer.concat(sent.flatMap((bytes, n) => (n === 0 ? [bytes] : [Buffer.from("\n"), bytes])));
        const body = ended ? Buffer.concat([whole, Buffer.from("\n")]) : whole;
        // Pieces of one byte would make the nested lines take too long.
        const sizeMin = Math.ceil(body.length / 2_000);
        const response = await request("POST", "/orders/batch", {
          body: pieces(
            body,
            sizes.map((size) => size + sizeMin),
          ),
          headers,
        });
        assert.equal(response.status, 200);
        const answers = (await response.text())
          .split("\n")
          .slice(0, -1)
          .map((text) => JSON.parse(text) as BatchResult);
        // A line that is no UTF-8 is not blank.
        const expected = sent.flatMap((bytes, n) => (bytes.toString().trim() === "" ? [] : [n + 1]));
        assert.deepEqual(
          answers.map(({ line }) => line).filter((number) => sent[number - 1]?.toString().trim() !== ""),
          expected,
        );
        for (const { line, status, order, problem } of answers) {
          assert.ok([200, 202, 400, 409, 413, 422].includes(status), JSON.stringify(problem));
          if (status >= 400) assert.match(problem?.detail ?? "", /^[^\p{Cc}\u2028\u2029]+$/u);
          if (status !== 202) continue;
          assert.ok(order !== undefined && !stored.has(order.id));
          const { data } = JSON.parse(String(sent[line - 1])) as { data: Record<string, unknown> };
          for (const name of Object.keys(data)) {
            if (!["customerId", "total", "extra"].includes(name)) delete data[name];
          }
          stored.set(order.id, data);
        }
        assertUnpolluted();
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(stored.size > 0);
  for (let cursor = ""; ; ) {
    const { items, nextCursor } = await jsonOf<{ items: { id: string; data: unknown }[]; nextCursor: string | null }>(
      await request("GET", `/orders?limit=50${cursor}`),
    );
    for (const { id, data } of items) {
      assert.equal(JSON.stringify(data), JSON.stringify(stored.get(id)));
      stored.delete(id);
    }
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  assert.equal(stored.size, 0);
  assert.deepEqual(logged, []);
});
