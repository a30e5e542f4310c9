import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileMapping, parseMap, parseMapping } from "../../../src/cli/import/mapping.ts";

const refused = (message: RegExp) => ({ code: "setting_invalid", message });

describe("a mapping", () => {
  it("puts cells at its paths, with their types, and leaves out empty cells", () => {
    const maps = ["who=customer.id", "a:b=note", "qty:number=items.0.quantity", "sku=items.0.sku", "sku 2=items.1.sku"];
    const headers = ["who", "a:b", "qty", "sku", "sku 2", "other", "now", "more"];
    const columns = [...maps, "now:boolean=urgent", "more:json=extra"].map(parseMap);
    const dataOf = compileMapping(headers, columns);
    assert.deepEqual(dataOf(["c-1", " x ", " 2.50 ", "TEA", "MUG", "left out", "TRUE", '{"a":[1]}']), {
      data: {
        customer: { id: "c-1" },
        note: " x ",
        items: [{ quantity: 2.5, sku: "TEA" }, { sku: "MUG" }],
        urgent: true,
        extra: { a: [1] },
      },
      faults: [],
    });
    assert.deepEqual(dataOf(["", "", "", "", "MUG", "", "", ""]), { data: { items: [{ sku: "MUG" }] }, faults: [] });
    assert.deepEqual(dataOf(["", "", "", "", "", "", "", ""]), { data: {}, faults: [] });
  });

  it("takes the headers for paths where it has no columns", () => {
    const dataOf = compileMapping(["customer", "items.0.quantity:number"], undefined);
    assert.deepEqual(dataOf(["c-1", "3"]), { data: { customer: "c-1", items: [{ quantity: 3 }] }, faults: [] });
  });

  it("names the path of each cell that is not of its type", () => {
    const dataOf = compileMapping(["n", "b", "j"], ["n:number=a.n", "b:boolean=b", "j:json=j"].map(parseMap));
    assert.deepEqual(dataOf(["1,5", "yes", "{"]).faults, [
      { path: "a.n", message: '"1,5" is not of the type number' },
      { path: "b", message: '"yes" is not of the type boolean' },
      { path: "j", message: '"{" is not of the type json' },
    ]);
    for (const [column, cell] of [
      [0, "9007199254740993.00"],
      [0, "1e-400"],
      [2, '{"id":[9007199254740993]}'],
      [2, "1e999"],
    ] as const) {
      const cells = ["", "", ""].with(column, cell);
      const message = `"${cell}" is a number that would be stored as another; send it as a string`;
      assert.equal(dataOf(cells).faults[0]?.message, message);
    }
    for (const name of ["constructor", "__proto__", "toString"]) {
      assert.equal(dataOf(["", name, ""]).faults[0]?.path, "b", name);
    }
    for (const cell of ["0x1F", "1e999", "12345678901234567890", "Infinity", "1 000"]) {
      assert.equal(dataOf([cell, "", ""]).faults.length, 1, cell);
    }
    for (const [cell, n] of [
      ["-1", -1],
      ["1e3", 1_000],
      [".5", 0.5],
      ["007", 7],
    ] as const) {
      assert.deepEqual(dataOf([cell, "", ""]), { data: { a: { n } }, faults: [] });
    }
  });

  it("refuses columns that the file does not have, and paths that exclude each other", () => {
    const compile = (headers: string[], ...maps: string[]) => compileMapping(headers, maps.map(parseMap));
    assert.throws(() => compile(["a", "b"], "c=x"), refused(/names the header "c"; the file has "a", "b"$/));
    assert.throws(() => compile(["a", "a"], "a=x"), refused(/the header "a" twice/));
    assert.doesNotThrow(() => compile(["a", "a", "b"], "b=x"));
    for (const path of ["x.", ".x", "x..y", "__proto__.x", "x.__proto__"]) {
      assert.throws(() => compile(["a"], `a=${path}`), refused(/which is not a path/), path);
    }
    for (const [first, second] of [
      ["x", "x"],
      ["x", "x.y"],
      ["x.y", "x"],
      ["x.0", "x.y"],
      ["x.y", "x.0"],
    ]) {
      assert.throws(() => compile(["a", "b"], `a=${first}`, `b=${second}`), refused(/exclude each other/));
    }
  });

  it("is read from text, and a wrong text is refused with the reason", () => {
    assert.deepEqual(parseMap("a=b:number=c"), { header: "a=b", type: "number", path: "c" });
    assert.deepEqual(parseMap("qty:numbr=q"), { header: "qty:numbr", type: "string", path: "q" });
    for (const text of ["a", "=a", "a="]) assert.throws(() => parseMap(text), refused(/--map must be/));
    const mapping = '{"sku":"items.0.sku","qty:number":{"path":"q","type":"number"},"x":{"path":"y"}}';
    assert.deepEqual(parseMapping(mapping, "m.json"), [
      { header: "sku", path: "items.0.sku", type: "string" },
      { header: "qty:number", path: "q", type: "number" },
      { header: "x", path: "y", type: "string" },
    ]);
    assert.throws(() => parseMapping("", "m.json"), refused(/^--mapping m\.json is not JSON: /));
    for (const text of [
      "[]",
      "null",
      '{"a":1}',
      '{"a":null}',
      '{"a":{"path":"x","type":"date"}}',
      '{"a":{"path":"x","to":1}}',
    ]) {
      assert.throws(() => parseMapping(text, "m.json"), refused(/^--mapping m\.json: /), text);
    }
  });
});
