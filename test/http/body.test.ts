import assert from "node:assert/strict";
import { test } from "node:test";
import { parseText } from "../../src/http/body.ts";

test("a number that no double holds is found wherever it stands, by its digits alone", () => {
  const digits = "9".repeat(16);
  for (let before = 0; before <= 48; before++) {
    const text = `{"a":"${"x1".repeat(before).slice(before)}","n":${digits}}`;
    const parsed = parseText(text, "invalid_data") as { n: number };
    assert.throws(() => parsed.n, { code: "invalid_data", message: /^n is a number that would be stored as another/ });
  }
  assert.deepEqual(parseText(`{"a":"${digits}","n":1e22}`, "invalid_data"), { a: digits, n: 1e22 });
});
