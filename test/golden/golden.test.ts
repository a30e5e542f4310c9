import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { publicDeclarations } from "./declarations.ts";
import { directory, firstDifference, goldenFiles, jsonOf, mergePatch, writes } from "./golden.ts";

describe("the golden files", () => {
  it("are those that the list names", () => {
    const names = Object.keys(goldenFiles);
    for (const name of readdirSync(directory)) {
      if (writes && !names.includes(name)) rmSync(join(directory, name));
    }
    // Those that are not written yet come with the other tests.
    if (!writes) assert.deepEqual(readdirSync(directory).sort(), names.sort());
  });

  it("show the first line that differs, and what is before it", () => {
    assert.equal(firstDifference("a\nb\n", "a\nb\n"), undefined);
    assert.equal(firstDifference("a\nb\nc", "a\nx\nc"), "line 2:\n  a\n- b\n- c\n+ x\n+ c");
    assert.equal(firstDifference("a", "a\nb"), "line 2:\n  a\n+ b");
    assert.equal(firstDifference("a\nb", "a"), "line 2:\n  a\n- b");
  });

  it("show what makes of one document another", () => {
    const from = { kept: 1, gone: 2, list: [1, 2], inner: { kept: "a", other: "b" } };
    const to = { kept: 1, list: [1, 3], inner: { kept: "a", other: "c" }, added: {} };
    assert.equal(mergePatch(from, structuredClone(from)), undefined);
    assert.deepEqual(mergePatch(from, to), { gone: null, list: [1, 3], inner: { other: "c" }, added: {} });
  });

  it("have a value of DynamoDB on one line", () => {
    assert.equal(jsonOf({ id: { S: "a {" }, at: { N: "1" } }), '{\n  "id": { "S": "a {" },\n  "at": { "N": "1" }\n}\n');
  });
});

describe("the public types of an entry", () => {
  /** Writes declarations as `tsc` does, and reads those of the entry. */
  const typesOf = (t: TestContext, files: Readonly<Record<string, string>>): string => {
    const folder = mkdtempSync(join(tmpdir(), "cauce-types-"));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.d.ts`), text);
    return publicDeclarations(join(folder, "index.d.ts"));
  };
  const index = 'export { type Order, place as put } from "./orders.ts";\n';
  const orders = [
    'import type { Status } from "./status.ts";',
    'import { z } from "zod";',
    "/** An order. */",
    "export interface Order {",
    "    /** Where it stands. */",
    "    readonly status: Status;",
    '    readonly text: "Hidden";',
    "}",
    "export declare function place(data: z.ZodType): Order;",
    "export interface Hidden {",
    "    readonly no: true;",
    "}",
    "",
  ].join("\n");
  const status = 'export type Status = "received" | "sent";\n';
  const expected = `import { z } from "zod";

// Exported:

export interface Order {
    readonly status: Status;
    readonly text: "Hidden";
}

export { place as put };

// What these are made of:

type Status = "received" | "sent";

function place(data: z.ZodType): Order;
`;

  it("are what it exports and what that is made of, and nothing else", (t) => {
    assert.equal(typesOf(t, { index, orders, status }), expected);
  });

  it("are the same when declarations move to other files", (t) => {
    const moved = orders.replace('import type { Status } from "./status.ts";\n', "");
    assert.equal(typesOf(t, { index, orders: `${moved}${status.replace("export ", "")}` }), expected);
    const named = moved.replace("status: Status", 'status: import("./status.ts").Status');
    assert.equal(typesOf(t, { index, orders: named, status }), expected);
  });

  it("are refused where a statement is not understood", (t) => {
    assert.throws(() => typesOf(t, { index: "export default {};\n" }), /not understood: export default/);
  });
});
