import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { describeJsonFault, isPlainObject, jsonFault } from "../../src/core/json.ts";

class Money {
  readonly currency = "EUR";
  readonly amount: unknown;
  constructor(amount: unknown) {
    this.amount = amount;
  }
}

class Decimal {
  readonly #digits: string;
  constructor(digits: string) {
    this.#digits = digits;
  }
  toJSON() {
    return this.#digits;
  }
}

const realm = createContext({});
const elsewhere = (source: string): unknown => runInContext(source, realm);
const throwing = (what: string) => ({
  get [what](): never {
    throw new Error("not now");
  },
});
const holdingItself: Record<string, unknown> = { name: "a" };
holdingItself.self = holdingItself;

describe("jsonFault", () => {
  const lost: [string, unknown, string, RegExp][] = [
    ["NaN", { amount: Number.NaN }, "amount", /^is NaN/],
    ["Infinity in a list", { items: [{ n: 1 }, { n: Number.POSITIVE_INFINITY }] }, "items.1.n", /^is Infinity/],
    ["a boxed NaN", { n: Object(Number.NaN) }, "n", /^is NaN/],
    ["a bigint", { n: 1n }, "n", /^is a bigint/],
    ["a boxed bigint", { n: Object(1n) }, "n", /^is a BigInt/],
    ["a symbol", { s: Symbol("x") }, "s", /^is a symbol/],
    ["a function", { f: () => 1 }, "f", /^is a function/],
    ["a class", { c: Money }, "c", /^is a function/],
    ["a method of an object", { f() {} }, "f", /^is a function/],
    ["a Map", { m: new Map([["a", 1]]) }, "m", /^is a Map/],
    ["an empty Map", { m: new Map() }, "m", /^is a Map/],
    ["a Set", { s: new Set([1]) }, "s", /^is a Set/],
    ["a WeakMap", { w: new WeakMap() }, "w", /^is a WeakMap/],
    ["a Promise", { p: Promise.resolve(1) }, "p", /^is a promise.*await it first$/],
    ["a thenable of a class", { q: Object.create({ [String("then")]() {} }) }, "q", /^is a promise/],
    ["a RegExp", { r: /x/ }, "r", /^is a RegExp/],
    ["an Error, also one with members", { e: Object.assign(new Error("no"), { code: "E" }) }, "e", /^is an Error/],
    ["an ArrayBuffer", { b: new ArrayBuffer(4) }, "b", /^is an ArrayBuffer/],
    ["search parameters", { q: new URLSearchParams("a=1") }, "q", /^is a URLSearchParams/],
    ["headers", { h: new Headers({ a: "1" }) }, "h", /^is a Headers/],
    ["a generator", { g: (function* () {})() }, "g", /^is a Generator/],
    ["a NaN in a typed list", { f: new Float64Array([1, Number.NaN]) }, "f.1", /^is NaN/],
    ["undefined in a list", { items: [1, undefined] }, "items.1", /^is undefined/],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested.
    ["a hole in a list", { items: [1, , 3] }, "items.1", /^is undefined/],
    ["an invalid Date", { at: new Date("no") }, "at", /^is an invalid date/],
    ["a Map that a toJSON gives", { m: { toJSON: () => ({ inner: new Map() }) } }, "m.inner", /^is a Map/],
    ["a NaN that a toJSON gives", { m: { toJSON: () => Number.NaN } }, "m", /^is NaN/],
    ["undefined that a toJSON gives to a list", [{ toJSON: () => undefined }], "0", /^is undefined/],
    ["a member of a class", { price: new Money(Number.NaN) }, "price.amount", /^is NaN/],
    ["a member named __proto__", JSON.parse('{"__proto__":{"n":1e999}}'), "__proto__.n", /^is Infinity/],
    ["an object that holds itself", holdingItself, "self", /^is an object that holds itself/],
    ["undefined as a whole", undefined, "", /^is undefined/],
    ["a function as a whole", () => 1, "", /^is a function/],
    ["a promise as a whole", Promise.resolve({}), "", /^is a promise/],
    ["a getter that throws", { inner: throwing("x") }, "", /^cannot be read: not now$/],
    ["a Proxy whose traps throw", { p: new Proxy({}, throwing("ownKeys")) }, "", /^cannot be read: not now$/],
    ["a Map of another realm", { m: elsewhere("new Map()") }, "m", /^is a Map/],
    ["an Error of another realm", { e: elsewhere("new Error('no')") }, "e", /^is an Error/],
    ["a promise of another realm", { p: elsewhere("Promise.resolve()") }, "p", /^is a promise/],
    ["an invalid Date of another realm", { at: elsewhere("new Date('no')") }, "at", /^is an invalid date/],
  ];
  for (const [what, value, path, message] of lost) {
    it(`finds ${what}, with its path`, () => {
      const fault = jsonFault(value);
      assert.ok(fault !== undefined, "nothing was found");
      assert.equal(fault.path, path);
      assert.match(fault.message, message);
      assert.doesNotMatch(describeJsonFault("the data", fault), /\n/);
    });
  }

  const kept: [string, unknown, unknown][] = [
    ["what JSON has", { a: [null, true, 1.5, -0, "x", {}, []] }, { a: [null, true, 1.5, 0, "x", {}, []] }],
    ["members that are undefined, which are left out", { a: undefined, b: 1 }, { b: 1 }],
    ["a Date, by its toJSON", { at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
    ["a decimal, by its toJSON", { price: new Decimal("0.10") }, { price: "0.10" }],
    ["a URL, by its toJSON", { at: new URL("http://a/b") }, { at: "http://a/b" }],
    ["a Buffer, by its toJSON", { b: Buffer.from("a") }, { b: { type: "Buffer", data: [97] } }],
    ["a member whose toJSON says that it is left out", { a: { toJSON: () => undefined } }, {}],
    ["null that a toJSON gives", { a: { toJSON: () => null } }, { a: null }],
    ["an object of a class, by its members", { price: new Money(5) }, { price: { currency: "EUR", amount: 5 } }],
    ["an object of a class without members", { a: new (class Empty {})() }, { a: {} }],
    ["an object without a prototype", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ["boxed values", { n: Object(1), s: Object("x"), b: Object(false) }, { n: 1, s: "x", b: false }],
    ["a typed list, also an empty one", { f: new Uint8Array([1]), g: new Uint8Array() }, { f: { 0: 1 }, g: {} }],
    ["one object in two places", [holdingItself.name, ...Array(2).fill({ a: 1 })], ["a", { a: 1 }, { a: 1 }]],
    ["an object of another realm", elsewhere("({ a: [{}, new Date(0)] })"), { a: [{}, "1970-01-01T00:00:00.000Z"] }],
    ["a member with a symbol as its key, which is left out", { [Symbol("x")]: 1n, a: 1 }, { a: 1 }],
  ];
  for (const [what, value, json] of kept) {
    it(`takes ${what}`, () => {
      assert.equal(jsonFault(value), undefined);
      assert.deepEqual(JSON.parse(JSON.stringify(value)), json);
    });
  }

  it("finds nothing in any JSON, and finds NaN wherever it stands", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.equal(jsonFault(JSON.parse(JSON.stringify(value))), undefined);
        assert.equal(jsonFault([{ value, last: Number.NaN }])?.path, "0.last");
      }),
    );
  });

  it("says that it cannot read what is nested until the stack ends, and does not end with it", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = { deep };
    assert.match(jsonFault(deep)?.message ?? "", /^cannot be read: /);
  });
});

describe("isPlainObject", () => {
  it("knows object literals of every realm, and nothing else", () => {
    for (const value of [{}, Object.create(null), elsewhere("({})")]) assert.ok(isPlainObject(value));
    for (const value of [null, undefined, "x", [], new Money(1), new Map(), elsewhere("[]"), elsewhere("new Map()")]) {
      assert.ok(!isPlainObject(value));
    }
  });
});
