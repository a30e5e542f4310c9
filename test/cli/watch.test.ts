import assert from "node:assert/strict";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { cauce, post, temporaryDirectory, tinyAppSource } from "./support.ts";

/** Prepares a watched server over a small app that imports `lib/part.ts` and prints its export. */
function watched(t: TestContext) {
  const directory = temporaryDirectory(t);
  const app = join(directory, "app.ts");
  const part = join(directory, "lib", "part.ts");
  mkdirSync(join(directory, "lib"));
  const writePart = (note: string) => writeFileSync(part, `export const note: string = ${JSON.stringify(note)};\n`);
  const writeApp = () =>
    writeFileSync(app, `import { note } from "./lib/part.ts";\nconsole.log("loaded", note);\n${tinyAppSource()}`);
  writePart("first");
  writeApp();
  const start = () =>
    cauce(t, ["start", app, "--watch", "--port", "0", "--data", join(directory, "data"), "--body-bytes-max", "5000"]);
  return { app, part, writeApp, writePart, start };
}

describe("cauce start --watch", { concurrency: 4 }, () => {
  it("restarts with the same flags and data when a file that the app imports changes", async (t) => {
    const { writePart, start } = watched(t);
    const server = start();
    await server.wrote(/loaded first/);
    const address = await server.address();
    const placed = await post(`${address}/tiny`, { name: "a" });
    assert.equal(placed.status, 202);
    const { id } = (await placed.json()) as { id: string };
    writePart("second");
    await server.wrote(/part\.ts changed: restarting\.\n[\s\S]*loaded second/);
    const [, again] = await server.wrote(/loaded second\n[\s\S]*listens on (http:\S+)/);
    assert.equal((await fetch(`${again}/tiny/${id}`)).status, 200);
    assert.equal((await post(`${again}/tiny`, { name: "a".repeat(6_000) })).status, 413);
    await server.wrote(/Drained\.\n[\s\S]*loaded second/);
    server.kill("SIGINT");
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);
    await assert.rejects(fetch(String(again)));
  });

  it("notices a file that replaces another by a rename", async (t) => {
    const { part, start } = watched(t);
    const server = start();
    await server.address();
    writeFileSync(`${part}.new`, 'export const note = "replaced";\n');
    renameSync(`${part}.new`, part);
    await server.wrote(/loaded replaced/);
  });

  it("waits for the next change while the app does not load", async (t) => {
    const { app, writeApp, start } = watched(t);
    const server = start();
    await server.address();
    writeFileSync(app, "export default {,}\n");
    await server.wrote(/app_not_loadable: [^\n]*app\.ts:1\b[^\n]*\n/);
    await server.wrote(/The server ended \(exit code 1\); waiting for a change\.\n/);
    writeApp();
    await server.wrote(/waiting for a change[\s\S]*listens on/);
  });

  it("waits for an app that does not exist yet", async (t) => {
    const { app, part, writeApp, writePart, start } = watched(t);
    renameSync(app, `${app}.away`);
    const server = start();
    await server.wrote(/app_not_loadable: [^\n]*no such file/);
    await server.wrote(/waiting for a change/);
    renameSync(part, `${part}.away`);
    writeApp();
    await server.wrote(/app_not_loadable: [^\n]*part\.ts/);
    await server.wrote(/waiting for a change[\s\S]*waiting for a change/);
    writePart("found");
    writeApp();
    await server.wrote(/loaded found/);
  });

  it("ends at a signal while it waits", async (t) => {
    const { app, start } = watched(t);
    writeFileSync(app, "export default 1;\n");
    const server = start();
    await server.wrote(/waiting for a change/);
    server.kill("SIGTERM");
    assert.equal((await server.ended).code, 0);
  });

  it("refuses wrong settings at once, without a restart", async (t) => {
    const { app } = watched(t);
    const { code, stderr } = await cauce(t, ["start", app, "--watch", "--port", "x"]).ended;
    assert.equal(code, 2);
    assert.match(stderr, /^setting_invalid: --port [^\n]+\n$/);
  });
});
