import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { begin, root } from "../package/support.ts";
import { atEnd, temporaryDirectory } from "./support.ts";

async function npmStart(t: TestContext) {
  const data = temporaryDirectory(t);
  const npm = begin(root, "npm", "start", "--", "--port", "0", "--data", data);
  atEnd(t, async () => {
    npm.killAll("SIGKILL");
    await npm.ended;
  });
  await npm.wrote(/listens on http:/);
  return npm;
}

describe("npm start", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`drains and exits with 0 when npm alone gets a ${signal}`, async (t) => {
      const npm = await npmStart(t);
      npm.kill(signal);
      const { code, stdout } = await npm.ended;
      assert.match(stdout, /Drained\.\n$/);
      assert.equal(code, 0);
    });
  }

  it("drains and exits with 0 at Ctrl+C, which the terminal sends to every process of the group", async (t) => {
    const npm = await npmStart(t);
    npm.killAll("SIGINT");
    const { code, stdout } = await npm.ended;
    assert.match(stdout, /Drained\.\n$/);
    assert.equal(code, 0);
  });

  it("has a file for its first word, `exec`, that runs the rest on cmd.exe", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    assert.match(scripts.start, /^exec node /);
    assert.equal(readFileSync(join(root, "templates/exec.cmd"), "utf8"), readFileSync(join(root, "exec.cmd"), "utf8"));
    const lines = readFileSync(join(root, "exec.cmd"), "utf8").trimEnd().split("\n");
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("@rem ")),
      ["@%*"],
    );
  });
});
