import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { bundleFunction } from "../../src/deploy/bundle.ts";
import { bundleFile, type FunctionPlan, topologyOf } from "../../src/deploy/topology.ts";
import { apps } from "./support.ts";

const statuses = ["received", "paid", "packed"];

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "cauce-bundle-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

describe("a function's bundle", () => {
  const planOf = (name: string, processors: "shared" | "per-status") =>
    topologyOf(apps.wider.app.workflow, { processors }).functions.find((each) => each.name === name) as FunctionPlan;
  const bundled = (t: TestContext, name: string, processors: "shared" | "per-status" = "per-status") => {
    const directory = folder(t);
    bundleFunction({ ...apps.wider, plan: planOf(name, processors), directory });
    return join(directory, bundleFile);
  };
  const handlersIn = (file: string) => {
    const code = readFileSync(file, "utf8");
    return statuses.filter((status) => code.includes(`marker-of-${status}`));
  };

  it("leaves out the lazy handlers of other statuses, and keeps the modules that all handlers share", (t) => {
    const file = bundled(t, "orders-processing-paid-dev");
    assert.deepEqual(handlersIn(file), ["paid"]);
    assert.ok(readFileSync(file, "utf8").includes("marker-of-what-is-shared"));
    assert.deepEqual(handlersIn(bundled(t, "orders-request-dev")), []);
    assert.deepEqual(handlersIn(bundled(t, "orders-processing-dev", "shared")), statuses);
  });

  it("is one small module that a function loads", async (t) => {
    const file = bundled(t, "orders-request-dev");
    assert.ok(statSync(file).size < 2_000_000);
    process.env.CAUCE_PUBLIC = "true";
    t.after(() => delete process.env.CAUCE_PUBLIC);
    const { handler } = await import(pathToFileURL(file).href);
    assert.equal(typeof handler, "function");
  });

  it("is refused, with its place, where a module cannot be bundled", (t) => {
    const module = join(folder(t), "broken.app.ts");
    writeFileSync(module, 'import { nothing } from "./missing.ts";\nexport default nothing;\n');
    assert.throws(
      () =>
        bundleFunction({ ...apps.wider, module, plan: planOf("orders-request-dev", "shared"), directory: folder(t) }),
      { code: "bundle_failed", message: /orders-request-dev cannot be bundled at broken\.app\.ts:1: .*missing\.ts/ },
    );
  });
});
