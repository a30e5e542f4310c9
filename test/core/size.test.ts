import assert from "node:assert/strict";
import { test } from "node:test";
import { exceedsBytes } from "../../src/core/order.ts";

test("a text exceeds a number of bytes exactly where its UTF-8 is longer", () => {
  for (const text of ["", "x", "xxxx", "ñ", "ññ", "漢", "漢字", "👩‍👩‍👧", "\ud800", "x漢", "\u0000"]) {
    const bytes = Buffer.byteLength(text);
    for (let bytesMax = 0; bytesMax <= 30; bytesMax++) {
      assert.equal(exceedsBytes(text, bytesMax), bytes > bytesMax, `${JSON.stringify(text)}, ${bytesMax}`);
    }
  }
});
