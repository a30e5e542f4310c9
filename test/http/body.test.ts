import assert from "node:assert/strict";
import { test } from "node:test";
import { parseText } from "../../src/http/body.ts";

test("a number too large to be stored is found wherever it stands, by its digits alone", () => {
  // The exponent has two digits, so 210 digits are the fewest that make it infinite.
  const digits = "9".repeat(210);
  for (let before = 0; before <= 48; before++) {
    const text = `{"a":"${"x1".repeat(before).slice(before)}","n":${digits}e99}`;
    assert.throws(() => parseText(text, "invalid_data"), { code: "invalid_data", message: /^n is a number too large/ });
  }
  assert.deepEqual(parseText(`{"a":"${digits}","n":1e99}`, "invalid_data"), { a: digits, n: 1e99 });
});
