import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultExportOf } from "../../src/core/defaultExport.ts";

test("the default export of a CommonJS build is the one under its mark", () => {
  const app = { workflow: {} };
  for (const [module, exported] of [
    [{ default: app }, app],
    [{ default: { __esModule: true, default: app } }, app],
    [{ default: { __esModule: true, other: 1 } }, undefined],
    [{ default: { default: app } }, { default: app }],
    [{ default: "text" }, "text"],
    [{ default: null }, null],
    [{}, undefined],
    [undefined, undefined],
  ] as const) {
    assert.deepEqual(defaultExportOf(module), exported);
  }
});
