import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { hasInexactNumber, isArmed, isInexact, parseArmed, readReleased } from "../../src/core/numbers.ts";

const same = (path: string): string => path;

describe("a number's text", () => {
  for (const text of ["9007199254740993", "-9007199254740993", "9007199254740993.00", "1e999", "1e-400", "-1e-400"])
    test(`${text} stands for another number than its double`, () => assert.ok(isInexact(text)));
  for (const text of [
    "12345678901234567890",
    "820982911946154508",
    "1e23",
    "1.7976931348623157e308",
    "90071992547409930e-1",
    "0.99999999999999999",
  ])
    test(`${text} does, too`, () => assert.ok(isInexact(text)));
  for (const text of ["0", "-0", "0.0", "0e9", "1", "-1.5", "0.1", "1e21", "9007199254740992", "9007199254740994"])
    test(`${text} stands for its double`, () => assert.ok(!isInexact(text)));
  for (const text of ["1e-7", "5e-324", "123456789012345.678901234567890", "+1.", ".5"])
    test(`${text} stands for its double, rounded behind the point alone`, () => assert.ok(!isInexact(text)));

  test("of a double is exact, as JSON writes it, where its whole part has no more digits than a double", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
        (number) => {
          assert.ok(!isInexact(JSON.stringify(number)));
        },
      ),
    );
  });

  test("of an integer is inexact where BigInt and Number differ", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 70n), max: 1n << 70n }), (integer) => {
        assert.equal(isInexact(String(integer)), BigInt(Number(integer)) !== integer);
      }),
    );
  });
});

describe("a JSON text", () => {
  test("has an inexact number where one stands outside of a string", () => {
    for (const text of ['{"a":[1,{"b":9007199254740993}]}', "9007199254740993", '{"":-1E+999}', '[1e-400,"x"]'])
      assert.ok(hasInexactNumber(text), text);
    for (const text of [
      '"9007199254740993"',
      '{"9007199254740993":1}',
      '["\\\\",1]',
      '["\\"9007199254740993",1e2]',
      "[]",
    ])
      assert.ok(!hasInexactNumber(text), text);
  });

  test("of many megabytes is looked through", () => {
    assert.ok(!hasInexactNumber(`["${"9".repeat(10_000_000)}\\"${"a".repeat(5_000_000)}"]`));
  });

  const text = '{"id":9007199254740993,"items":[{"sku":"a"},{"at":[1e400]}],"twice":1e400,"twice":2,"note":"kept"}';

  test("gives a value in which reading such a number throws its path", () => {
    const value = parseArmed(text, "invalid_data", same) as { id: number; items: { at: number[] }[]; twice: number };
    assert.deepEqual(Object.keys(value), ["id", "items", "twice", "note"]);
    for (const [read, path] of [
      [() => value.id, "id"],
      [() => JSON.stringify(value.items), "items.1.at.0"],
    ] as const) {
      assert.throws(read, (error: { code: string; message: string; faults: { path: string }[] }) => {
        assert.equal(error.code, "invalid_data");
        assert.match(
          error.message,
          new RegExp(`^${path} is a number that would be stored as another; send it as a string$`),
        );
        return error.faults[0]?.path === path;
      });
    }
    assert.equal(value.twice, 2);
    assert.equal(
      readReleased(value, () => value.id),
      9007199254740992,
    );
    assert.throws(() => value.id);
    assert.deepEqual([isArmed(value), isArmed({ id: 1 })], [true, false]);
  });

  test("that is such a number alone is refused at once", () => {
    assert.throws(() => parseArmed("9007199254740993", "invalid_data", same), { code: "invalid_data" });
  });

  test("in an envelope lets the data's numbers be read, too", () => {
    const { data } = parseArmed('{"data":{"id":9007199254740993}}', "invalid_data", same) as { data: { id: number } };
    assert.throws(() => data.id);
    assert.equal(
      readReleased(data, () => data.id),
      9007199254740992,
    );
  });
});
