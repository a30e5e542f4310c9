import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { checkoutWith } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const checkout = {
  "src/index.ts": 'export * from "./store/port.ts";\n',
  "src/store/port.ts": "/** A port. */\nexport interface Port {\n  place(): void;\n}\n",
  "src/store/disk/open.ts": "// Opens it.\n\nexport function open() {\n  return {\n    place() {},\n  };\n}\n",
  "src/store/disk/writer/write.ts": "export const write = () => {\n};\n",
  "src/store/disk/writer/schema.sql": "create table a (b);\n",
  "test/a.test.ts": "a();\n",
};

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "scripts/structure.ts"), ...args], { encoding: "utf8" });

describe("npm run structure", () => {
  it("each folder of src has a row, indented under the folder that its numbers are part of", (t) => {
    const { stdout, status } = run("--at", checkoutWith(t, checkout));
    assert.equal(
      stdout,
      `\
room             files  code  lines     longest file     longest function
store                3    10     13  7  open.ts       5  open
  disk               2     7      9  7  open.ts       5  open
    writer           1     2      2  2  write.ts      2  write
(in src itself)      1     1      1  1  index.ts
src                  4    11     14  7  open.ts       5  open
`,
    );
    assert.equal(status, 0);
  });

  it("--functions lists the functions that are longer than a number of lines", (t) => {
    const at = checkoutWith(t, checkout);
    assert.match(
      run("--at", at, "--functions", "1").stdout,
      /\n\n2 functions are longer than 1 lines\nlines +function +at\n +5 +open +src\/store\/disk\/open\.ts:3\n +2 +write +src\/store\/disk\/writer\/write\.ts:1\n$/,
    );
    assert.match(run("--at", at, "--functions", "5").stdout, /\n0 functions are longer than 5 lines\n$/);
  });

  it("without --at, this checkout is measured", () => {
    assert.match(run().stdout, /^core +\d+[\s\S]+^src +\d+/m);
  });

  it("a folder without src and a flag with a wrong value are refused", () => {
    for (const [args, says] of [
      [["--at", tmpdir()], /^--at is ".+"; give a checkout[\s\S]*Usage: npm run structure/],
      [["--functions", "many"], /^--functions is "many"/],
      [["--funtions", "3"], /Usage/],
    ] as const) {
      const { status, stderr } = run(...args);
      assert.match(stderr, says);
      assert.equal(status, 2);
    }
  });
});
