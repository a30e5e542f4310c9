import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findTestFiles } from "../../scripts/testFiles.ts";
import { checkoutWith } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const here = "test/scripts/testCalm.test.ts";

const support = 'import dynalite from "dynalite"; export const start = () => dynalite(); export type Started = object;';
// The words are made, since a literal before other words would make this file one that runs the command, or npm.
const emulate = JSON.stringify("emulate");
const npx = JSON.stringify("npx");
const command =
  'import { spawn } from "node:child_process"; export const run = (words) => spawn("bin/cauce.js", words);';

/** Gives the way in which a test file leads to an emulator, or undefined where the file is kept. */
async function wayOf(t: TestContext, text: string, more: Readonly<Record<string, string>> = {}) {
  const found = findTestFiles(
    checkoutWith(t, {
      "test/one.test.ts": text,
      "test/support.ts": support,
      "test/command.ts": command,
      "bin/cauce.js": "",
      "src/peers.ts": 'export const load = () => import("fauxqs");',
      "src/emulate.ts": 'import { load } from "./peers.ts"; export const emulate = load;',
      "src/cli/main.ts": 'export const main = async () => (await import("../emulate.ts")).emulate();',
      ...more,
    }),
    ["emulator"],
  );
  return found.leftOut[0]?.way.join(" ");
}

describe("findTestFiles for test:calm", () => {
  const starting: readonly (readonly [what: string, text: string, way: string])[] = [
    ["imports an emulator", 'import "fauxqs";', "test/one.test.ts fauxqs"],
    [
      "imports a file that imports an emulator",
      'import { start } from "./support.ts"; start();',
      "test/one.test.ts test/support.ts dynalite",
    ],
    ["loads such a file by import()", 'await import("./support.ts");', "test/one.test.ts test/support.ts dynalite"],
    [
      "imports sources that load an emulator",
      'import { emulate } from "../src/emulate.ts"; emulate();',
      "test/one.test.ts src/emulate.ts src/peers.ts fauxqs",
    ],
    [
      "starts a thread that imports an emulator",
      'import { Worker } from "node:worker_threads"; new Worker(new URL("./support.ts", import.meta.url));',
      "test/one.test.ts test/support.ts dynalite",
    ],
    [
      "starts a process that imports an emulator, by its path in the checkout",
      'import { spawn } from "node:child_process"; spawn("node", ["test/support.ts"]);',
      "test/one.test.ts test/support.ts dynalite",
    ],
    [
      "runs cauce emulate",
      `import { run } from "./command.ts"; run([${emulate}, app, "--public"]);`,
      "test/one.test.ts cauce emulate",
    ],
    [
      "runs cauce emulate in its own process",
      `import { main } from "../src/cli/main.ts"; main([${emulate}, "shop.app.ts"]);`,
      "test/one.test.ts cauce emulate",
    ],
  ];
  for (const [what, text, way] of starting) {
    it(`leaves out a test file that ${what}`, async (t) => assert.equal(await wayOf(t, text), way));
  }

  const calm: readonly (readonly [what: string, text: string])[] = [
    ["imports no emulator", 'import { test } from "node:test"; test("x", () => {});'],
    ["imports only a type of such a file", 'import type { Started } from "./support.ts"; const a: Started = {};'],
    ["names an emulator in a comment", '// import "dynalite";\n/* "./support.ts" */'],
    ["runs another command", 'import { run } from "./command.ts"; run(["start", app]);'],
    [
      "names the flags of cauce emulate",
      'import "../src/cli/main.ts"; const of = [["emulate", ["--port <port>"]], "emulate"];',
    ],
    [
      "runs an installed cauce emulate",
      `import "node:child_process"; run(project, ${npx}, "cauce", ${emulate}, "shop.app.js");`,
    ],
    [
      "reads the text of a file that imports an emulator",
      'import { readFileSync } from "node:fs"; readFileSync("test/support.ts");',
    ],
  ];
  for (const [what, text] of calm) {
    it(`keeps a test file that ${what}`, async (t) => assert.equal(await wayOf(t, text), undefined));
  }

  it("leaves out exactly the test files of this checkout that lead to an emulator", async () => {
    const { kept: calm, leftOut } = findTestFiles(root, ["emulator"]);
    assert.ok(calm.length > 100 && leftOut.length > 20, `${calm.length} and ${leftOut.length}`);
    for (const { file, way } of leftOut) {
      assert.ok(["dynalite", "fauxqs", "cauce emulate"].includes(way.at(-1) ?? ""), way.join(" "));
      assert.equal(way[0], file);
    }
    const left = leftOut.map(({ file }) => file);
    for (const file of ["test/backend/aws.test.ts", "test/cli/emulate.test.ts", "test/lambda/faults.test.ts"]) {
      assert.ok(left.includes(file), file);
    }
    for (const file of [here, "test/package.test.ts", "test/http/properties/wire.test.ts", "test/docs.test.ts"]) {
      assert.ok(calm.includes(file), file);
    }
    // A simple search for imports by name must find only files that are left out.
    const named = calm.filter(
      (file) =>
        file !== here && /from "(dynalite|fauxqs|.*\/emulators\.ts)"/.test(readFileSync(join(root, file), "utf8")),
    );
    assert.deepEqual(named, []);
  });
});

describe("npm run test:calm", () => {
  const run = (...args: string[]) => {
    // Within a test, node --test reports to its parent.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const words = ["--conditions=source", "scripts/testCalm.ts", ...args];
    return spawnSync(process.execPath, words, { cwd: root, env, encoding: "utf8" });
  };

  it("runs the files beside busy loops, as often as it is told, and lists the files that it leaves out", () => {
    const { status, stdout } = run("--busy", "1", "--times", "2", "test/http/openapi/version.test.ts");
    assert.match(stdout, /^left out, since they start an AWS emulator: \d+ of \d+ files$/m);
    assert.match(stdout, /^ {2}test\/backend\/aws\.test\.ts → test\/backend\/aws\/emulators\.ts → dynalite$/m);
    assert.match(stdout, /^run 1 of 2 beside 1 busy loops: 1 files passed$/m);
    assert.match(stdout, /^run 2 of 2 beside 1 busy loops: 1 files passed$/m);
    assert.equal(status, 0);
  });

  it("refuses what its flags do not take, and files that start an emulator", () => {
    for (const [args, says] of [
      [["--busy", "x"], /--busy is "x"[\s\S]*Usage: npm run test:calm/],
      [["--times", "0"], /--times is "0"/],
      [["--bussy"], /Usage/],
      [["test/backend/aws.test.ts"], /^test\/backend\/aws\.test\.ts is no test file that starts no emulator/],
    ] as const) {
      const { status, stderr } = run(...args);
      assert.match(stderr, says);
      assert.equal(status, 2);
    }
  });

  it("has busy loops that end with the process that started them", async () => {
    const loop = spawn(process.execPath, [join(root, "scripts/testCalm/busyLoop.ts")], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = once(loop, "exit");
    loop.stdin.end();
    assert.deepEqual(await ended, [0, null]);
  });
});
