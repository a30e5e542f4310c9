import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { transformSync } from "esbuild";
import { loadApp } from "../../src/cli/loadApp.ts";
import { main } from "../../src/cli/main.ts";
import { linkPackages } from "../backend/sqlite/support.ts";
import { ordersApp, temporaryDirectory, tinyAppSource } from "./support.ts";

/** Runs a command on an app, and gives its stderr and exit code. */
async function said(file: string) {
  let stderr = "";
  const exit = await main(["diagram", file], { out: () => {}, err: (text) => (stderr += text) });
  return { exit, stderr };
}

describe("loadApp", () => {
  it("gives the app that a module exports, or each of several", async (t) => {
    const names = async (file: string) => (await loadApp(file)).map(({ workflow }) => workflow.name);
    assert.deepEqual(await names(ordersApp), ["orders"]);
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "tiny.ts"), tinyAppSource());
    const orders = new URL(`file://${ordersApp}`).href;
    const source = `import tiny from "./tiny.ts"; import orders from "${orders}"; export default [tiny, orders];`;
    writeFileSync(join(directory, "both.ts"), source);
    assert.deepEqual(await names(join(directory, "both.ts")), ["tiny", "orders"]);
  });

  it("gives the app of a CommonJS build, whether TypeScript or esbuild made it", async (t) => {
    const directory = temporaryDirectory(t);
    linkPackages(directory);
    const source = tinyAppSource()
      .replace(/from "\S*\/zod\/\S*"/, 'from "zod"')
      .replace(/from "file:\S+"/, 'from "cauce"');
    writeFileSync(join(directory, "bundled.cjs"), transformSync(source, { format: "cjs", platform: "node" }).code);
    const imports = 'const { defineWorkflow, final, implement } = require("cauce"); const { z } = require("zod");';
    const body = source.replaceAll(/import .*;/g, "").replace("export default", "exports.default =");
    const mark = 'Object.defineProperty(exports, "__esModule", { value: true });';
    writeFileSync(join(directory, "compiled.cjs"), `"use strict"; ${mark} ${imports} ${body}`);
    for (const name of ["bundled.cjs", "compiled.cjs"]) {
      const [app, ...others] = await loadApp(join(directory, name));
      assert.deepEqual([app?.workflow.name, others], ["tiny", []]);
    }
  });

  for (const [what, source, says] of [
    ["a syntax error in TypeScript", "export default {\n  a: 1,,\n}\n", /syntax error at .*app\.ts:2\b/],
    ["syntax that cannot be stripped", "enum A { b }\nexport default A;\n", /app\.ts:1\b.*strip/],
    ["a missing import", 'import x from "./gone.ts";\nexport default x;\n', /gone\.ts.*imported from/],
    ["a missing package", 'import x from "not-installed";\nexport default x;\n', /not-installed.*imported from/],
    ["a missing export of an import", 'import { gone } from "node:fs";\nexport default gone;\n', /app\.ts:1\b.*gone/],
    ["a module that throws", "\nexport default undefined.gone;\n", /app\.ts:2\b.*gone/],
    ["a module that throws a string", 'throw "no";\n', /"no"/],
    ["no default export", "export const app = 1;\n", /no default export.*implement/],
    ["a default export that is no app", "export default { name: 1 };\n", /no app.*implement/],
    ["a workflow without handlers", "export default { name: 'a', statuses: {} };\n", /without its handlers.*implement/],
    ["an empty array", "export default [];\n", /empty array/],
    ["an array with something else in it", "export default [1, 2];\n", /index 0.*number/],
  ] as const) {
    it(`says in one line that it cannot load ${what}`, async (t) => {
      const file = join(temporaryDirectory(t), "app.ts");
      writeFileSync(file, source);
      const { exit, stderr } = await said(file);
      assert.equal(exit, 1);
      assert.match(stderr, /^app_not_loadable: [^\n]+\n$/);
      assert.ok(stderr.includes(file));
      assert.match(stderr, says);
    });
  }

  it("says how to find a syntax error in JavaScript, whose line Node does not tell", async (t) => {
    const file = join(temporaryDirectory(t), "app.mjs");
    writeFileSync(file, "export default {\n  a: 1,,\n}\n");
    assert.match((await said(file)).stderr, /^app_not_loadable: [^\n]+syntax error[^\n]+node --check[^\n]+\n$/);
  });

  it("says that a file is missing, is a directory, or is no module", async (t) => {
    const directory = temporaryDirectory(t);
    const text = join(directory, "app.txt");
    writeFileSync(text, "");
    for (const [file, says] of [
      [join(directory, "gone.ts"), /no such file/],
      [directory, /a directory/],
      [text, /Unknown file extension/],
    ] as const) {
      const { exit, stderr } = await said(file);
      assert.equal(exit, 1);
      assert.match(stderr, /^app_not_loadable: [^\n]+\n$/);
      assert.match(stderr, says);
    }
  });

  it("passes on a workflow's own error with its code", async (t) => {
    const file = join(temporaryDirectory(t), "app.ts");
    writeFileSync(file, tinyAppSource().replace('["done"]', '["gone"]'));
    assert.match((await said(file)).stderr, /^workflow_invalid: [^\n]*"open"[^\n]*"gone"[^\n]*\n$/);
  });
});
