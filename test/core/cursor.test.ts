import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf, readCursor, readNumbers, writeCursor, writeNumbers } from "../../src/core/cursor.ts";

const asItIs = (text: string) => text;
const refused = { name: "CauceError", code: "invalid_cursor", message: /^the cursor is not one that a list returned;/ };

test("a cursor gives back the text it was made of, whatever it holds", () => {
  for (const text of ["", "after:1", "año 漢字 👩‍👩‍👧", '[["x",null],null,[]]', "\u0000"]) {
    const cursor = writeCursor(text);
    assert.match(cursor, /^[\w-]*$/);
    assert.equal(readCursor(cursor, "a list", asItIs), text);
  }
});

test("a text that was not written as a cursor is refused before its content is read", () => {
  const looked = () => assert.fail("the content was read");
  for (const cursor of [" ", "%%%", "💥", "AA=", "A", "AAAA\n", `${writeCursor("after:1")}=`, "//4"]) {
    assert.throws(() => readCursor(cursor, "a list", looked), refused, JSON.stringify(cursor));
  }
});

test("a cursor whose content cannot be read is refused, and the message names the call that returns such cursors", () => {
  assert.throws(() => readCursor(writeCursor("x"), "a list", () => undefined), refused);
  assert.throws(() => readCursor(writeCursor("x"), "a sweep", () => undefined), { message: /that a sweep returned/ });
});

test("numbers of a cursor are read only under the name and in the count that they were written with", () => {
  assert.equal(writeNumbers("after", 12, 34), writeCursor("after:12:34"));
  for (const numbers of [[0], [7, 1], [Number.MAX_SAFE_INTEGER, 0, 5]]) {
    const cursor = writeNumbers("after", ...numbers);
    assert.deepEqual(readNumbers(cursor, "a list", "after", numbers.length), numbers);
    assert.throws(() => readNumbers(cursor, "a list", "after", numbers.length + 1), refused);
    assert.throws(() => readNumbers(cursor, "a list", "before", numbers.length), refused);
  }
  for (const text of [
    "",
    "after",
    "after:",
    "after:01",
    "after:1.5",
    "after:1e3",
    "after: 1",
    "after:x",
    "after:9e99",
    "after:-1",
  ]) {
    assert.throws(() => readNumbers(writeCursor(text), "a list", "after", 1), refused, text);
  }
});

test("jsonOf reads JSON, and gives undefined for a text that is no JSON", () => {
  assert.deepEqual(jsonOf("[1,null]"), [1, null]);
  assert.equal(jsonOf("null"), null);
  for (const text of ["", "[1", "undefined"]) assert.equal(jsonOf(text), undefined, text);
});
