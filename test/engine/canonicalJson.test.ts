import assert from "node:assert/strict";
import { test } from "node:test";
import canonicalize from "canonicalize";
import fc from "fast-check";
import { canonicalJson } from "../../src/engine/canonicalJson.ts";

const outcome = (write: (content: unknown) => string | undefined, content: unknown) => {
  try {
    return { json: write(content) ?? "" };
  } catch (error) {
    return { message: (error as Error).message };
  }
};

test("content is written as `canonicalize` writes it, or refused as it refuses it", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("", "10", "9", "a", "b", "B", "é", "__proto__", "toJSON", "\ud800", "\\ud800", "-1"),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom("\ud800", "\\ud800", "😀", -0, Number.NaN, Number.POSITIVE_INFINITY, 1e21, true, null, undefined),
      fc.double(),
      fc.date({ noInvalidDate: true }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(name, tie("value")), { maxLength: 6 }).map((members) => Object.fromEntries(members)),
    ),
  }));
  fc.assert(
    fc.property(value, (content) => {
      assert.deepEqual(outcome(canonicalJson, content), outcome(canonicalize, content));
    }),
    { numRuns: 3_000 },
  );
});

test("many names, deep content and a circle are written or refused as `canonicalize` does", () => {
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`name-${(n * 7_919) % 1_000}`, n]));
  let deep: unknown = { b: 1, a: 2 };
  for (let level = 0; level < 5_000; level++) deep = { b: 1, a: [deep] };
  const circle: Record<string, unknown> = {};
  circle.itself = circle;
  for (const content of [many, deep, circle]) {
    assert.deepEqual(outcome(canonicalJson, content), outcome(canonicalize, content));
  }
});

test("content is not changed by being written", () => {
  const content = Object.freeze({ b: Object.freeze([Object.freeze({ d: 1, c: 2 })]), a: 1 });
  assert.equal(canonicalJson(content), '{"a":1,"b":[{"c":2,"d":1}]}');
  assert.deepEqual(Object.keys(content), ["b", "a"]);
});
