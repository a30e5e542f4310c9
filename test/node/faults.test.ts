import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { cauce, post, temporaryDirectory, tinyAppSource } from "../cli/support.ts";

/** Starts a server whose handler does what the order's name says. SIGUSR2 makes a rejection that is of no handler. */
async function serving(t: TestContext) {
  const directory = temporaryDirectory(t);
  const file = join(directory, "app.ts");
  const handler = `async ({ data }) => {
    if (data.name === "rejects") {
      setImmediate(() => void Promise.reject(new Error("forgotten")));
      await new Promise(() => {});
    }
    if (data.name === "throws") {
      setImmediate(() => { throw new Error("out of a timer"); });
      await new Promise((resolve) => setTimeout(resolve, 300));
      console.log("the handler ended");
    }
    if (data.name === "hangs") {
      setImmediate(() => { throw new Error("out of a timer"); });
      await new Promise(() => {});
    }
    return "done";
  }`;
  const resources = `() => { process.on("SIGUSR2", () => void Promise.reject(new Error("of the host"))); return {}; }`;
  const source = tinyAppSource()
    .replace('{ open: () => "done" }', `{ open: ${handler} }, resources: ${resources}`)
    .replace('to: ["done"]', 'to: ["done"], timeoutSeconds: 60, retry: { attempts: 1 }');
  writeFileSync(file, source);
  const server = cauce(t, ["start", file, "--port", "0", "--data", join(directory, "data")]);
  const address = await server.address();
  const place = async (name: string) => {
    const response = await post(`${address}/tiny`, { name });
    assert.equal(response.status, 202);
    return ((await response.json()) as { id: string }).id;
  };
  return { server, address, place };
}

describe("an error that nothing handled", { concurrency: 2 }, () => {
  it("ends nothing of cauce start where it is a rejection, and is logged and counted by its handler", async (t) => {
    const { server, address, place } = await serving(t);
    const id = await place("rejects");
    await server.wrote(/"order failed"|order failed/);
    const order = (await (await fetch(`${address}/tiny/${id}`)).json()) as {
      failure: { code: string; message: string };
    };
    assert.deepEqual([order.failure.code, order.failure.message], ["handler_failed", "forgotten"]);
    server.kill("SIGUSR2");
    await server.wrote(/a rejection was left unhandled; no handler made it/);
    const metrics = await (await fetch(`${address}/metrics`)).text();
    assert.match(metrics, /cauce_unhandled_rejections_total\{workflow="tiny",status="open"\} 1\n/);
    assert.match(metrics, /cauce_unhandled_rejections_total 1\n/);
    server.kill("SIGTERM");
    assert.equal((await server.ended).code, 0);
  });

  it("lets the handlers of cauce start end where it is an exception, and then the exit code is 1", async (t) => {
    const { server, place } = await serving(t);
    await place("throws");
    const { code, stdout, stderr } = await server.ended;
    assert.equal(code, 1, stderr);
    assert.match(stderr.split("\n")[0] ?? "", /"error":"Error: out of a timer".*uncaught exception/);
    assert.match(stdout, /the handler ended/);
    assert.match(stderr, /^internal_error: an exception was not caught \(Error: out of a timer\)/m);
  });

  it("is logged where it comes while the app loads, and ends cauce start in one line where it is an exception", async (t) => {
    const directory = temporaryDirectory(t);
    const starting = (name: string, source: string) => {
      const file = join(directory, name);
      writeFileSync(file, `${source}\nawait new Promise((resolve) => setTimeout(resolve, 300));\n${tinyAppSource()}`);
      return cauce(t, ["start", file, "--port", "0", "--data", join(directory, "data")]);
    };
    const thrown = await starting("throws.ts", 'setTimeout(() => { throw new Error("out of a timer"); });').ended;
    assert.equal(thrown.code, 1, thrown.stderr);
    assert.match(thrown.stderr, /^internal_error: an exception was not caught \(Error: out of a timer\)/m);
    assert.equal(thrown.stderr.trimEnd().split("\n").length, 2, thrown.stderr);

    const rejecting = starting("rejects.ts", 'void Promise.reject(new Error("of the module"));');
    await rejecting.address();
    rejecting.kill("SIGTERM");
    const { code, stderr } = await rejecting.ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /"error":"Error: of the module".*a rejection was left unhandled; no handler made it/);
  });

  it("ends cauce start after 10 s where a handler does not end", async (t) => {
    const { server, place } = await serving(t);
    await place("hangs");
    const { code, stderr } = await server.ended;
    assert.equal(code, 1, stderr);
  });
});
