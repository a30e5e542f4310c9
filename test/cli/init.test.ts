import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { main } from "../../src/cli/main.ts";
import { description } from "../../src/cli/version.ts";
import { temporaryDirectory } from "./support.ts";

// That what it writes installs, passes its test and starts is shown by test/package.test.ts, from the packed package.
// The test that it writes is one here too.
await import("../../templates/orders.test.ts");

const templates = new URL("../../templates/", import.meta.url);

async function init(...args: string[]) {
  let stdout = "";
  let stderr = "";
  const exit = await main(["init", ...args], { out: (text) => (stdout += text), err: (text) => (stderr += text) });
  return { exit, stdout, stderr };
}

/** The text of every file in a directory, by its name. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

function newDirectory(t: TestContext, name = "Tea Shop"): string {
  return join(temporaryDirectory(t), name);
}

describe("cauce init", () => {
  it("writes the templates, which this repository checks and runs, as they are", async (t) => {
    const directory = newDirectory(t);
    const { exit, stdout, stderr } = await init(directory);
    assert.deepEqual([exit, stderr], [0, ""]);
    const { "package.json": description, ...written } = contents(directory);
    const { gitignore, ...shipped } = contents(templates.pathname);
    assert.deepEqual(written, { ...shipped, ".gitignore": gitignore });
    for (const name of [...Object.keys(written), "package.json"]) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    assert.ok(stdout.includes(`\n  cd ${JSON.stringify(directory)}\n  npm install\n`), stdout);
    assert.ok(description?.endsWith("}\n"));
  });

  it("asks for this version of Cauce, and for what Cauce is checked with", async (t) => {
    const directory = newDirectory(t);
    await init(directory, "--typescript");
    const { version, peerDependencies, devDependencies } = description();
    const written = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    assert.equal(written.name, "tea-shop");
    assert.deepEqual(written.dependencies, { cauce: version, zod: peerDependencies.zod });
    assert.deepEqual(written.devDependencies, {
      "@types/node": devDependencies["@types/node"],
      typescript: devDependencies.typescript,
    });
    assert.deepEqual(Object.keys(written.scripts), ["start", "test", "typecheck"]);
  });

  it("writes the same in JavaScript, since the templates hold no types of their own", async (t) => {
    const directory = newDirectory(t);
    assert.equal((await init(directory, "--javascript")).exit, 0);
    const written = contents(directory);
    assert.deepEqual(Object.keys(written), [
      ".gitignore",
      "README.md",
      "exec.cmd",
      "orders.app.js",
      "orders.test.js",
      "orders.workflow.js",
      "package.json",
    ]);
    for (const name of ["orders.app", "orders.test", "orders.workflow"]) {
      const typescript = readFileSync(new URL(`${name}.ts`, templates), "utf8");
      assert.equal(stripTypeScriptTypes(typescript), typescript, `templates/${name}.ts holds no types`);
      assert.equal(written[`${name}.js`], typescript.replaceAll('.ts"', '.js"').replaceAll("app.ts has", "app.js has"));
    }
    for (const [name, text] of Object.entries(written)) assert.doesNotMatch(text, /\.ts\b|typecheck|typescript/, name);
  });

  it("takes an empty directory, and one that holds only .git", async (t) => {
    const directory = newDirectory(t);
    mkdirSync(join(directory, ".git"), { recursive: true });
    assert.equal((await init(directory)).exit, 0);
    assert.equal((await init(temporaryDirectory(t))).exit, 0);
  });

  it("refuses a directory that holds anything else, in one line, and writes nothing", async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "README.md"), "mine");
    const { exit, stdout, stderr } = await init(directory);
    assert.equal(exit, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^directory_not_empty: .* \(it holds "README\.md"\); nothing was written: give [^\n]*\n$/);
    assert.deepEqual(contents(directory), { "README.md": "mine" });
  });

  it("refuses a path that is a file, or lies under one, in one line", async (t) => {
    const file = newDirectory(t, "file");
    writeFileSync(file, "mine");
    for (const path of [file, join(file, "shop"), join(file, "deeper", "shop")]) {
      const { exit, stderr } = await init(path);
      assert.equal(exit, 1);
      assert.match(stderr, /^directory_unusable: .*: there is a file of that name; give a directory\n$/);
    }
    assert.equal(readFileSync(file, "utf8"), "mine");
  });

  it("takes one language, and needs a directory", async (t) => {
    for (const args of [[newDirectory(t), "--typescript", "--javascript"], []]) {
      const { exit, stderr } = await init(...args);
      assert.equal(exit, 2);
      assert.match(stderr, /^setting_invalid: [^\n]+\n$/);
    }
  });

  const names = { "Ünïcode!": "n-code", zod: "orders", "---": "orders", "shop.2": "shop-2" };
  for (const [folder, name] of Object.entries(names)) {
    it(`calls the package in ${folder} ${name}`, async (t) => {
      const directory = newDirectory(t, folder);
      await init(directory, "--javascript");
      assert.equal(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).name, name);
    });
  }
});
