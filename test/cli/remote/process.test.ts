import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { served } from "../../client/support.ts";
import { cauce, ordersApp, temporaryDirectory } from "../support.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const data = '{"customerId":"c-1","currency":"EUR","items":[{"sku":"TEA-1","quantity":1,"unitPrice":2}]}';

/** Runs a command whose reader closes the pipe after the first bytes. */
async function leftAlone(t: TestContext, args: readonly string[], after?: (pid: number) => void) {
  const conditions = process.execArgv.filter((flag) => flag.startsWith("--conditions"));
  const child = spawn(process.execPath, [...conditions, join(root, "bin/cauce.js"), ...args], { cwd: root });
  t.after(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdout.once("data", () => {
    child.stdout.destroy();
    child.stdout.once("close", () => after?.(child.pid ?? 0));
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, stderr };
}

describe("the commands as processes", () => {
  it("place, show and list orders on a server of cauce start, with settings from variables", async (t) => {
    const env = { CAUCE_DATA: temporaryDirectory(t), CAUCE_PORT: "0", CAUCE_URL: "http://127.0.0.1:1" };
    const server = cauce(t, ["start", ordersApp], { env });
    const options = { env: { ...env, CAUCE_URL: await server.address(), CAUCE_WORKFLOW: "orders" } };
    const placed = await cauce(t, ["place", data], options).ended;
    assert.deepEqual([placed.code, placed.stderr], [0, ""]);
    const id = /^placed (\S+)\n$/.exec(placed.stdout)?.[1] ?? "";
    const shown = await cauce(t, ["show", id], options).ended;
    assert.ok(shown.stdout.startsWith(`order       ${id}\nworkflow    orders\n`), shown.stderr);
    const listed = await cauce(t, ["list", "--json"], options).ended;
    assert.equal(JSON.parse(listed.stdout).id, id);
    const retried = await cauce(t, ["retry", "--all"], options).ended;
    assert.deepEqual([retried.code, retried.stderr], [0, "No failed order matches.\n"]);
    server.kill("SIGTERM");
    assert.equal((await server.ended).code, 0);
    const gone = await cauce(t, ["list"], options).ended;
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /^unreachable: cannot reach http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED[^\n]+\n$/);
  });

  it("end without an error when their reader leaves", async (t) => {
    const { url, cauce } = await served(t);
    for (let at = 0; at < 600; at++) await cauce.place("parcels", { to: "Ada" });
    assert.deepEqual(await leftAlone(t, ["list", "--all", "--url", url]), { code: 0, stderr: "" });
    assert.deepEqual(await leftAlone(t, ["queues", "--watch", "0.05", "--url", url]), { code: 0, stderr: "" });
  });

  it("keep serving when the reader of cauce start leaves", async (t) => {
    const args = ["start", ordersApp, "--port", "0", "--data", temporaryDirectory(t)];
    assert.deepEqual(await leftAlone(t, args, (pid) => process.kill(pid, "SIGTERM")), { code: 0, stderr: "" });
  });
});
