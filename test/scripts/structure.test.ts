import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

function checkout(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "cauce-structure-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const files = {
    "src/index.ts": 'export * from "./store/port.ts";\n',
    "src/store/port.ts": "/** A port. */\nexport interface Port {\n  place(): void;\n}\n",
    "src/store/disk/open.ts": "// Opens it.\n\nexport function open() {\n  return {\n    place() {},\n  };\n}\n",
    "src/store/disk/writer/write.ts": "export const write = () => {\n};\n",
    "src/store/disk/writer/schema.sql": "create table a (b);\n",
    "test/a.test.ts": "a();\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "scripts/structure.ts"), ...args], { encoding: "utf8" });

describe("npm run structure", () => {
  it("prints a row for each folder of src, indented under the folder that its numbers are part of", (t) => {
    const { stdout, status } = run("--at", checkout(t));
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

  it("lists the functions that are longer than a number of lines", (t) => {
    const at = checkout(t);
    assert.match(
      run("--at", at, "--functions", "1").stdout,
      /\n\n2 functions are longer than 1 lines\nlines +function +at\n +5 +open +src\/store\/disk\/open\.ts:3\n +2 +write +src\/store\/disk\/writer\/write\.ts:1\n$/,
    );
    assert.match(run("--at", at, "--functions", "5").stdout, /\n0 functions are longer than 5 lines\n$/);
  });

  it("measures this checkout by default", () => {
    assert.match(run().stdout, /^core +\d+[\s\S]+^src +\d+/m);
  });

  it("refuses a folder without src, and what its flags do not take", () => {
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
