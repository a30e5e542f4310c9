import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../../bin/cauce.js", import.meta.url));

// Imitates Node 20: another version, and modules without the exports that came later.
const node20 = `
  import { registerHooks } from "node:module";
  Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.0.0" } });
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "node:module"
        ? { url: "data:text/javascript,export default {}", shortCircuit: true }
        : next(specifier, context),
  });
`;

describe("cauce on a Node that is too old", () => {
  it("says so in one line and exits with 1", () => {
    const hooks = `data:text/javascript,${encodeURIComponent(node20)}`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", hooks, bin, "--version"], {
      encoding: "utf8",
    });
    assert.match(stderr, /^node_too_old: Cauce needs Node 24 or newer .*\n$/);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
  });
});
