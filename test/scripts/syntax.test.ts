import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countCodeLines, countLines, findFunctions, findImports, parseSource } from "../../scripts/syntax.ts";

const parse = (text: string) => parseSource("a.ts", text);

describe("parseSource", () => {
  it("a syntax error is thrown with the name of the file", () => {
    assert.throws(() => parse("const = 1;"), /^Error: a\.ts: /);
  });
});

describe("countCodeLines", () => {
  const cases: readonly (readonly [what: string, text: string, lines: number])[] = [
    ["leaves blank lines out", "a;\n\n  \t\nb;\n", 2],
    ["leaves line comments out", "// a\na;\n  // b\n", 1],
    ["leaves block comments out, over lines too", "/* a */\n/**\n * b\n */\na;", 1],
    ["counts a line with code and a comment once", "a; // a\n/* b */ b;", 2],
    ["counts code on both sides of a comment over lines", "a /*\n\n*/ + b;", 2],
    ["takes nothing in a string or template for a comment", 'const a = "// a";\nconst b = `\n/* b */\n// c\n`;', 5],
    ["takes nothing in a regular expression for a comment", "const a = /[/*]/;\nb;\nconst c = /\\*\\//;", 3],
    ["finds nothing in an empty text", "", 0],
  ];
  for (const [what, text, lines] of cases)
    it(`countCodeLines ${what}`, () => assert.equal(countCodeLines(parse(text)), lines));
});

describe("countLines", () => {
  it("every line is counted, and no line break at the end", () => {
    assert.equal(countLines("a\n\n// b\n"), 3);
    assert.equal(countLines("\n"), 0);
  });
});

describe("findFunctions", () => {
  const cases: readonly (readonly [what: string, text: string, found: string])[] = [
    ["names a declaration", "async function* a() {\n}", "a 2"],
    ["names a constant's arrow", "const a = () => 1;", "a 1"],
    ["names a constant's arrow within a cast", "const a = (() => 1) as never;", "a 1"],
    ["names methods, getters and properties", "a({ b() {}, get c() { return 1; }, d: () => 1 });", "b 1, c 1, d 1"],
    ["names what a class holds", "class A { b() {}\n#c = () => 1;\nconstructor() {} }", "b 1, c 1, constructor 1"],
    ["names what is assigned", "a.b = function () {\n};", "b 2"],
    ["names a callback by its call", "a.b(1, () => {});\nnew C(() => {});", "callback of b 1, callback of C 1"],
    ["names what a function returns", "function a() { return () => {}; }", "a 1, returned by a 1"],
    ["names what an arrow returns", "const a = () => () => 1;", "a 1, returned by a 1"],
    ["names a default export", "export default () => 1;", "default 1"],
    [
      "leaves signatures without a body out",
      "declare function a(): void;\nfunction b(): void;\nfunction b() {}",
      "b 1",
    ],
    ["counts a factory as a whole", "function a() {\n  return {\n    b() {\n    },\n  };\n}", "a 6, b 2"],
  ];
  for (const [what, text, found] of cases) {
    it(`findFunctions ${what}`, () => {
      const functions = findFunctions(parse(text));
      assert.equal(functions.map(({ name, lines }) => `${name} ${lines}`).join(", "), found);
    });
  }

  it("findFunctions gives the line on which a function begins", () => {
    assert.deepEqual(findFunctions(parse("a;\n\nfunction b() {}")), [{ name: "b", lines: 1, line: 3 }]);
  });
});

describe("findImports", () => {
  it("findImports finds every kind of import and nothing else", () => {
    const text = `
      import { a } from "1";
      import type * as b from "2";
      import "3";
      export { c } from "4";
      export * from "5";
      export type { d } from "6";
      const e = await import("7"), f = require("8"), g = import.meta.resolve("9"), h = require.resolve("10");
      type I = import("11").I;
      import j = require("12");
      await import(path); other.resolve("13"); Array.from("14"); export const k = "15"; // import "16";
    `;
    assert.deepEqual(
      findImports(parse(text)).map(({ specifier, kind }) => `${specifier} ${kind}`),
      [
        ...["1 static", "2 type", "3 static", "4 static", "5 static", "6 type", "7 dynamic", "8 static"],
        ...["9 resolved", "10 resolved", "11 type", "12 static"],
      ],
    );
  });
});
