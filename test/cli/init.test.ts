import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { OwnPackage } from "../../src/cli/init.ts";
import { type InitOptions, init as writeProject } from "../../src/cli/init.ts";
import { main } from "../../src/cli/main.ts";
import { description, report } from "../../src/cli/output.ts";
import { CauceError } from "../../src/core/errors.ts";
import { temporaryDirectory } from "./support.ts";

// test/package.test.ts shows that a written project installs, passes its test and starts, from the packed package.
// test/docs/firstScreen.test.ts shows the same from a checkout. The project's own test runs here, too.
await import("../../templates/orders.test.ts");

const templates = new URL("../../templates/", import.meta.url);

const { version } = description();
const file = `cauce-${version}.tgz`;
const published: OwnPackage = { version, directory: "/opt/cauce", file: undefined, pack: undefined };
const installed: OwnPackage = { ...published, file };
/** A checkout whose packing takes no time. */
const checkout: OwnPackage = {
  ...installed,
  async pack(directory) {
    const tarball = join(directory, file);
    writeFileSync(tarball, "packed");
    return tarball;
  },
};

/** Runs the command with the given package. */
async function init(directory: string, options: Partial<InitOptions> = {}) {
  let stdout = "";
  let stderr = "";
  const say = { out: (text: string) => (stdout += text), err: (text: string) => (stderr += text) };
  let exit = 0;
  try {
    say.out(await writeProject(directory, { language: "typescript", own: published, ...options }));
  } catch (error) {
    exit = report(error, say);
  }
  return { exit, stdout, stderr };
}

/** Reads every file of a directory, by its name. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

/** Gives the project's dependency on Cauce. */
function cauceOf(directory: string): string {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).dependencies.cauce;
}

function newDirectory(t: TestContext, name = "Tea Shop"): string {
  return join(temporaryDirectory(t), name);
}

describe("cauce init", () => {
  it("writes the templates unchanged, as this repository checks and runs them", async (t) => {
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

  it("asks for this version of Cauce, and for the versions of packages that Cauce is checked with", async (t) => {
    const directory = newDirectory(t);
    await init(directory);
    const { peerDependencies, devDependencies } = description();
    const written = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
    assert.equal(written.name, "tea-shop");
    assert.deepEqual(written.dependencies, { cauce: version, zod: peerDependencies.zod });
    assert.deepEqual(written.devDependencies, {
      "@types/node": devDependencies["@types/node"],
      typescript: devDependencies.typescript,
    });
    assert.deepEqual(Object.keys(written.scripts), ["start", "test", "typecheck"]);
  });

  it("writes the same files in JavaScript, since the templates have no types to strip", async (t) => {
    const directory = newDirectory(t);
    assert.equal((await init(directory, { language: "javascript" })).exit, 0);
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

  it("refuses two languages, and a call without a directory", async (t) => {
    for (const args of [[newDirectory(t), "--typescript", "--javascript"], []]) {
      let stderr = "";
      const output = { out: (text: string) => assert.fail(text), err: (text: string) => void (stderr += text) };
      assert.equal(await main(["init", ...args], output), 2);
      assert.match(stderr, /^setting_invalid: [^\n]+\n$/);
    }
  });

  it("takes a relative path from the directory of the shell", async (t) => {
    const from = temporaryDirectory(t);
    const { stdout } = await init("shop", { from });
    assert.ok(existsSync(join(from, "shop/orders.app.ts")));
    assert.match(stdout, /\n {2}cd shop\n/);
  });

  it("packs a checkout into the project, and says so first", async (t) => {
    const directory = newDirectory(t);
    const steps: string[] = [];
    const { exit, stdout } = await init(directory, { own: checkout, onStep: (text) => void steps.push(text) });
    assert.equal(exit, 0);
    assert.deepEqual(steps, [`Packing Cauce ${version} from /opt/cauce, which takes some seconds …`]);
    assert.equal(readFileSync(join(directory, file), "utf8"), "packed");
    assert.equal(cauceOf(directory), `file:${file}`);
    assert.match(stdout, new RegExp(`^  ${file} +Cauce itself`, "m"));
    assert.doesNotMatch(stdout, /npm pack/);
  });

  it("says how a project gets the file, where the package was installed from one", async (t) => {
    const directory = newDirectory(t);
    const { exit, stdout } = await init(directory, { own: { ...installed, directory: "/opt/My Shop/cauce" } });
    assert.equal(exit, 0);
    assert.equal(cauceOf(directory), `file:${file}`);
    assert.ok(!existsSync(join(directory, file)));
    assert.match(
      stdout,
      new RegExp(`^Cauce ${version} is not on the npm registry, so package.json asks for ${file} `, "m"),
    );
    assert.match(stdout, /^ {2}npm pack --ignore-scripts "\/opt\/My Shop\/cauce"\n {2}npm install\n/m);
  });

  it("leaves no file where the packing or the copying of the package fails", async (t) => {
    const failing = {
      ...checkout,
      pack: () => Promise.reject(new CauceError("package_not_packed", "npm ended with 1")),
    };
    const losing = { ...checkout, pack: async (directory: string) => join(directory, "gone.tgz") };
    for (const [own, code] of [
      [failing, "package_not_packed"],
      [losing, "directory_unusable"],
    ] as const) {
      const directory = newDirectory(t);
      const { exit, stdout, stderr } = await init(directory, { own });
      assert.deepEqual([exit, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`^${code}: [^\\n]+\\n$`));
      assert.ok(!existsSync(directory), code);
    }
    const repository = newDirectory(t);
    mkdirSync(join(repository, ".git"), { recursive: true });
    await init(repository, { own: losing });
    assert.deepEqual(readdirSync(repository), [".git"]);
  });

  it("refuses a directory before it packs", async (t) => {
    const full = temporaryDirectory(t);
    writeFileSync(join(full, "mine"), "");
    const own = { ...checkout, pack: () => assert.fail("it packs") };
    for (const path of [full, join(full, "mine"), join(full, "mine", "shop")]) {
      assert.match((await init(path, { own })).stderr, /^directory_/);
    }
    assert.deepEqual(contents(full), { mine: "" });
  });

  const names = { "Ünïcode!": "n-code", zod: "orders", "---": "orders", "shop.2": "shop-2" };
  for (const [folder, name] of Object.entries(names)) {
    it(`calls the package in ${folder} ${name}`, async (t) => {
      const directory = newDirectory(t, folder);
      await init(directory, { language: "javascript" });
      assert.equal(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).name, name);
    });
  }
});
