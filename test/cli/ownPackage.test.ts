import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { ownPackage, packCheckout } from "../../src/cli/init.ts";
import { description } from "../../src/cli/output.ts";
import { cauce, temporaryDirectory } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Makes a checkout that has only what packing needs, with the given script as its compiler. */
function checkoutOf(t: TestContext, compiler?: string): string {
  const checkout = temporaryDirectory(t);
  writeFileSync(join(checkout, "package.json"), JSON.stringify({ name: "cauce", version: "0.0.1", files: ["dist"] }));
  if (compiler === undefined) return checkout;
  const typescript = join(checkout, "node_modules/typescript");
  mkdirSync(join(typescript, "bin"), { recursive: true });
  writeFileSync(join(typescript, "package.json"), "{}");
  writeFileSync(join(typescript, "bin/tsc"), compiler);
  return checkout;
}

describe("Cauce's own package", () => {
  it("is packed from a checkout, and marked so that npm never publishes it", () => {
    const own = ownPackage();
    assert.equal(own.file, `cauce-${description().version}.tgz`);
    assert.ok(own.pack !== undefined);
    // npm publishes no private package, so an installed package with this mark did not come from the registry.
    assert.equal(description().private, true);
  });

  it("is not packed where npm ci has not run", async (t) => {
    const checkout = checkoutOf(t);
    await assert.rejects(packCheckout(checkout, temporaryDirectory(t)), {
      code: "package_missing",
      message: `packing Cauce needs typescript, which is not installed in ${checkout}; run npm ci there`,
    });
  });

  it("is not packed where it does not compile", async (t) => {
    const checkout = checkoutOf(t, "console.log('src/x.ts(1,1): error TS1: no'); process.exit(2)");
    await assert.rejects(packCheckout(checkout, temporaryDirectory(t)), {
      code: "package_not_packed",
      message: /: the compiler ended with 2 \(src\/x\.ts\(1,1\): error TS1: no\); /,
    });
    assert.deepEqual(readdirSync(checkout).sort(), ["node_modules", "package.json"]);
  });

  it("is not packed where there is no npm: one line, and no folder", async (t) => {
    const directory = join(temporaryDirectory(t), "shop");
    const { code, stdout, stderr } = await cauce(t, ["init", directory], { env: { PATH: "/nowhere" } }).ended;
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^Packing Cauce [^\n]+\npackage_not_packed: [^\n]+ npm ended with 127 [^\n]+\n$/);
    assert.ok(!existsSync(directory));
  });

  it("says in one line what to run where nothing is installed", (t) => {
    const checkout = temporaryDirectory(t);
    for (const name of ["bin", "package.json"]) cpSync(join(root, name), join(checkout, name), { recursive: true });
    for (const main of ["src/cli/main.ts", "dist/cli/main.js"]) {
      mkdirSync(dirname(join(checkout, main)), { recursive: true });
      writeFileSync(join(checkout, main), 'import "commander";\n');
    }
    const project = join(temporaryDirectory(t), "node_modules/cauce");
    cpSync(checkout, project, { recursive: true });
    for (const [directory, flags, how] of [
      [checkout, ["--conditions=source"], `npm ci in ${checkout}`],
      [project, [], "npm install in your project"],
    ] as const) {
      const args = [...flags, join(directory, "bin/cauce.js"), "init", "shop"];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: directory, encoding: "utf8" });
      assert.equal(stderr, `package_missing: Cauce needs commander, which is not installed; run ${how}\n`);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
      assert.ok(!existsSync(join(directory, "shop")));
    }
  });
});
