import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("../../bench/run.ts", import.meta.url));

async function runBench(args: readonly string[]) {
  const child = spawn(process.execPath, ["--conditions=source", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code: code as number | null };
}

describe("npm run bench", () => {
  it("refuses what its options do not take", async () => {
    for (const args of [
      ["--only", "d"],
      ["--stored", "0"],
      ["--seconds", "x"],
      ["--pairs", "9"],
      ["--agianst", "b025ead"],
    ]) {
      const { stdout, stderr, code } = await runBench(args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, /Usage: npm run bench/);
    }
  });

  it("ends at once and says why if there is nothing to measure against", async () => {
    const { stdout, stderr, code } = await runBench(["--only", "none", "--against", "no-such-commit"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^the benchmark stopped: --against no-such-commit/m);
  });
});
