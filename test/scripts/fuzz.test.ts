import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../../scripts/fuzz.ts", import.meta.url));
const run = (...args: string[]) =>
  spawnSync(process.execPath, ["--conditions=source", script, ...args], { encoding: "utf8" });

describe("npm run fuzz", () => {
  it("finds no fault: what is written arrives whole, once and in order, and what fails leaves nothing", () => {
    const { stdout, stderr, status } = run("--runs", "300");
    assert.equal(stdout, "fuzz: 300 runs, 0 faults\n", stderr);
    assert.equal(status, 0);
  });

  it("refuses what its flags do not take", () => {
    for (const args of [
      ["--runs", "0"],
      ["--runs", "x"],
      ["--seed", "-1"],
      ["--run", "3"],
    ]) {
      const { stdout, stderr, status } = run(...args);
      assert.deepEqual([stdout, status], ["", 2]);
      assert.match(stderr, /Usage: npm run fuzz/);
    }
  });
});
