import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createDecoder, createEncoder } from "../../../../src/backend/sqlite/batch/codec.ts";

describe("the codec of batches", () => {
  it("takes back what was written since the mark, and keeps what was written before", () => {
    const encoder = createEncoder();
    encoder.mark();
    encoder.text("before");
    encoder.mark();
    encoder.number(1);
    encoder.text("gone");
    encoder.rewind();
    encoder.text("after");
    const from = createDecoder(encoder.take());
    assert.deepEqual([from.text(), from.text()], ["before", "after"]);
    from.checkEnd();
  });

  it("keeps every length of text, in characters of one and of two bytes, up to 16 MiB", () => {
    const lengths = [0, 1, 4_095, 4_096, 4_097, 65_536, 16_777_215, 16_777_216];
    const texts = lengths.flatMap((length) => [
      "x".repeat(length),
      "\u{1f600}".repeat(length / 2),
      "\ud83d".repeat(length),
    ]);
    const encoder = createEncoder();
    for (const text of texts) encoder.text(text);
    const from = createDecoder(structuredClone(encoder.take()));
    // Told by its index: a report of the text itself would be as long.
    for (const [index, text] of texts.entries()) assert.ok(from.text() === text, `text ${index}`);
    from.checkEnd();
  });

  it("refuses a batch of which a number or a character was not read, or one too many was", () => {
    const encoder = createEncoder();
    encoder.text("ab");
    encoder.number(1);
    const packed = encoder.take();
    const refused = { code: "internal_error", message: /a batch does not fit its operations: .* report this/ };
    const short = createDecoder(packed);
    short.text();
    assert.throws(short.checkEnd, refused);
    const long = createDecoder(packed);
    for (let reads = 0; reads < 4; reads++) long.number();
    assert.throws(long.checkEnd, refused);
    const unread = createDecoder({ ...packed, text: "abc" });
    assert.deepEqual([unread.text(), unread.number()], ["ab", 1]);
    assert.throws(unread.checkEnd, refused);
  });
});
