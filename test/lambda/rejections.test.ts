import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";

const open = import.meta.resolve("../../src/lambda/open.ts");

/** Runs a function's process in which a rejection is left unhandled, beside the listener of Lambda's runtime. */
function run(lines: string) {
  const source = `
    process.on("unhandledRejection", () => process.exit(129));
    const { startFunction } = await import(${JSON.stringify(open)});
    const { log, metrics, rejections } = startFunction();
    ${lines}
    void Promise.reject(new Error("forgotten"));
    await new Promise(setImmediate);
    metrics.write();`;
  const conditions = process.execArgv.filter((flag) => flag.startsWith("--conditions"));
  const env = { PATH: process.env.PATH, AWS_LAMBDA_RUNTIME_API: "127.0.0.1:1", CAUCE_STAGE: "dev" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [...conditions, "--input-type=module", "-e", source], {
    ...{ env, encoding: "utf8" },
  });
  assert.equal(status, 0, stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("a rejection that nothing handled, in a function", () => {
  it("is logged and counted and does not end the function, although Lambda's runtime would end it", () => {
    const [line, metrics] = run("");
    assert.deepEqual(
      [line?.level, line?.message, line?.error],
      ["error", "a rejection was left unhandled; no handler made it", "Error: forgotten"],
    );
    assert.deepEqual([metrics?.stage, metrics?.UnhandledRejections], ["dev", 1]);
  });

  it("goes to the attempt whose handler left it", () => {
    const lines = run(`
      const { AsyncLocalStorage } = await import("node:async_hooks");
      rejections.appCode = new AsyncLocalStorage();
      const observer = { rejected: (status) => metrics.add("UnhandledRejections", 1, { workflow: "orders", status }) };
      const fail = (reason) => log.info({}, "failed with " + reason.message);
      rejections.appCode.enterWith({ own: { status: "paid", log, observer }, orderId: "o-1", visit: 2, isRunning: true, fail: (_, reason) => fail(reason) });`);
    assert.deepEqual(
      lines.slice(0, 2).map(({ message }) => message),
      ["a handler left a rejection unhandled", "failed with forgotten"],
    );
    assert.deepEqual([lines[2]?.workflow, lines[2]?.status, lines[2]?.UnhandledRejections], ["orders", "paid", 1]);
  });
});
