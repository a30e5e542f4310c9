import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findTestFiles, type Need } from "../../scripts/testFiles.ts";
import { checkoutWith } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const allNeeds: readonly Need[] = ["emulator", "browser", "walk", "packing", "killing"];
// The words are made, since as literals they would make this file one that packs or kills servers.
const npm = JSON.stringify("npm");
const pack = "packCheckout";
const server = ["scripts", "crash/server.ts"].join("/");

/** What one test file needs, and the way there; undefined where it is kept. */
async function needOf(t: TestContext, text: string): Promise<string | undefined> {
  const checkout = checkoutWith(t, {
    "test/one.test.ts": text,
    "test/browse.ts": 'import { chromium } from "playwright-core"; export const open = () => chromium.launch();',
    "test/pages.ts":
      'import { readFileSync } from "node:fs";\nexport function readPage(path) { return readFileSync(path); }',
    "test/spawn.ts": 'import { spawn } from "node:child_process"; export const run = (...words) => spawn(...words);',
    "test/install.ts": `import { run } from "./spawn.ts"; export const install = () => run(${npm}, "install");`,
    [server]: "export const startServer = () => {};",
    "src/init.ts": `import "node:child_process"; export function ${pack}() { run(${npm}, "pack"); }`,
  });
  const { leftOut } = findTestFiles(checkout, allNeeds);
  return leftOut.map(({ need, way }) => `${need}: ${way.join(" ")}`)[0];
}

describe("findTestFiles for test:fast", () => {
  const leftOut: readonly (readonly [what: string, text: string, found: string])[] = [
    ["imports an emulator", 'import "dynalite";', "emulator: test/one.test.ts dynalite"],
    ["imports a browser", 'import "playwright-core";', "browser: test/one.test.ts playwright-core"],
    [
      "imports what opens a browser",
      'import { open } from "./browse.ts"; open();',
      "browser: test/one.test.ts test/browse.ts playwright-core",
    ],
    [
      "reads pages and starts processes",
      'import { readPage } from "./pages.ts"; import { run } from "./spawn.ts"; run(readPage("README.md"));',
      "walk: test/one.test.ts test/pages.ts pages",
    ],
    [
      "packs with npm",
      `import { run } from "./spawn.ts"; run(${npm}, "pack", "--json");`,
      "packing: test/one.test.ts npm",
    ],
    [
      "installs through another module",
      'import { install } from "./install.ts"; install();',
      "packing: test/one.test.ts test/install.ts npm",
    ],
    [
      "has the sources pack",
      `import { ${pack} } from "../src/init.ts"; ${pack}("a");`,
      "packing: test/one.test.ts npm",
    ],
    [
      "kills servers",
      `import { startServer } from "../${server}"; startServer();`,
      `killing: test/one.test.ts ${server}`,
    ],
  ];
  for (const [what, text, found] of leftOut) {
    it(`a file that ${what} is left out`, async (t) => assert.equal(await needOf(t, text), found));
  }

  const kept: readonly (readonly [what: string, text: string])[] = [
    ["needs nothing", 'import { test } from "node:test"; test("x", () => {});'],
    ["reads pages alone", 'import { readPage } from "./pages.ts"; readPage("README.md");'],
    [
      "reads pages and only calls sources that start processes",
      'import { readPage } from "./pages.ts"; import "../src/init.ts"; readPage("README.md");',
    ],
    ["starts other processes", `import { run } from "./spawn.ts"; run(${npm}, "start");`],
    ["names what packs", 'import { packCheckout } from "../src/init.ts"; const pack = packCheckout;'],
    ["says it in a comment", '// import "playwright-core";\nimport type { open } from "./browse.ts";'],
  ];
  for (const [what, text] of kept) {
    it(`a file that ${what} is kept`, async (t) => assert.equal(await needOf(t, text), undefined));
  }

  it("every file of this checkout is kept, or left out for what it needs", async () => {
    const { kept, leftOut } = findTestFiles(root, allNeeds);
    assert.equal(kept.length + leftOut.length, globSync("test/**/*.test.ts", { cwd: root }).length);
    const needOf = (file: string) => leftOut.find((each) => each.file === file)?.need;
    assert.equal(needOf("test/backend/aws.test.ts"), "emulator");
    assert.equal(needOf("test/http/docsPage/browser.test.ts"), "browser");
    assert.equal(needOf("test/docs/walk.test.ts"), "walk");
    assert.equal(needOf("test/package.test.ts"), "packing");
    assert.equal(needOf("test/scripts/crash.test.ts"), "killing");
    for (const file of [
      "test/types.test.ts",
      "test/docs.test.ts",
      "test/backend/sqlite.test.ts",
      "test/scripts/testFast.test.ts",
    ]) {
      assert.ok(kept.includes(file), `${file} needs ${needOf(file)}`);
    }
  });
});

describe("npm run test:fast", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, "scripts/testFast.ts"), ...args], { encoding: "utf8" });

  it("--list prints the files that are run, and those that are left out with the reason and the way", () => {
    const { stdout, status } = run("--list");
    assert.match(stdout, /^test\/backend\/sqlite\.test\.ts$/m);
    assert.match(stdout, /^left out: \d+ of \d+ files$/m);
    assert.match(
      stdout,
      /^\d+, since each starts an AWS emulator\n {2}test\/backend\/aws\.test\.ts → test\/backend\/aws\/emulators\.ts → dynalite$/m,
    );
    assert.match(stdout, /^\d+, since each packs or installs a package with npm$/m);
    assert.equal(status, 0);
  });

  it("an unknown flag is refused with the usage", () => {
    const { stderr, status } = run("--lst");
    assert.match(stderr, /Usage: npm run test:fast/);
    assert.equal(status, 2);
  });
});
