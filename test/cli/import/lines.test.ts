import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lineRows } from "../../../src/cli/import/rows.ts";
import type { Row } from "../../../src/cli/import/sender.ts";

const text = Buffer.from(`\ufeff{"a":1}\r\n\n \n{"é":"✓"}\n"${"x".repeat(60)}"\n"${"y".repeat(30)}"\n7`);

async function rowsOf(bytes: Buffer, chunkBytes: number, start = { bytes: 0, line: 0 }): Promise<Row[]> {
  async function* chunks() {
    for (let at = start.bytes; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const rows: Row[] = [];
  const options = { keyOf: (line: number) => `k:${line}`, start, lineBytesMax: 40 };
  for await (const group of lineRows(chunks(), "data", options)) rows.push(...group);
  return rows;
}

describe("lineRows", () => {
  it("gives the same lines, and the same end of each, however the bytes are cut", async () => {
    const expected = [
      [1, text.indexOf("\n") + 1, '{"idempotencyKey":"k:1","data":{"a":1}\r}'],
      [4, text.indexOf("\n", 16) + 1, '{"idempotencyKey":"k:4","data":{"é":"✓"}}'],
      [5, text.lastIndexOf('"y') - 31 + 1, ""],
      [6, text.length - 1, `{"idempotencyKey":"k:6","data":"${"y".repeat(30)}"}`],
    ] as const;
    for (let chunkBytes = 1; chunkBytes <= 41; chunkBytes++) {
      const rows = await rowsOf(text, chunkBytes);
      const found = rows.slice(0, 4).map(({ line, end, body }) => [line, end, body]);
      // A line past the limit is refused. The size of the chunks decides how far past the limit that happens.
      if (chunkBytes < 20) assert.deepEqual(found[2], [5, text.indexOf('\n"y') + 1, ""]);
      assert.deepEqual(
        [found[0], found[1], found[3]],
        [expected[0], expected[1], expected[3]],
        `in pieces of ${chunkBytes}`,
      );
      assert.deepEqual([rows[4]?.line, rows[4]?.body], [7, '{"idempotencyKey":"k:7","data":7}']);
    }
  });

  it("starts after a byte order mark, also where another line is no UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from('\ufeff{"a":1}\n"'), Buffer.from([0xe9]), Buffer.from('"\n')]);
    const [first, second] = await rowsOf(bytes, 1_024);
    assert.deepEqual([first?.body, first?.end], ['{"idempotencyKey":"k:1","data":{"a":1}}', 11]);
    assert.deepEqual([second?.line, second?.end, second?.body], [2, bytes.length, ""]);
  });

  it("goes on from the end of any line", async () => {
    const all = await rowsOf(text, 8);
    for (const [index, { line, end }] of all.entries()) {
      const rest = await rowsOf(text, 8, { bytes: end, line });
      assert.deepEqual(rest, all.slice(index + 1));
    }
  });
});
