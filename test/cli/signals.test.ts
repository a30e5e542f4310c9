import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../examples/support.ts";
import { atEnd, cauce, freePort, heldApp, post, temporaryDirectory, tinyAppSource } from "./support.ts";

/** Writes a small app whose `resources` are this source. */
function appWith(t: TestContext, resources: string): string {
  const file = join(temporaryDirectory(t), "app.ts");
  writeFileSync(file, tinyAppSource().replace("{ handlers:", `{ resources: ${resources}, handlers:`));
  return file;
}

/** Resolves to the first answer of a server that is about to listen. */
async function firstAnswer(url: string): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await delay(20);
    }
  }
}

function change(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

const neverOpens = `async () => {
  console.log("opening");
  setInterval(() => {}, 1_000);
  return new Promise(() => {});
}`;

/** Writes a module that prints a line and never ends loading. */
function loadingApp(t: TestContext): string {
  const file = join(temporaryDirectory(t), "app.mjs");
  writeFileSync(file, 'setInterval(() => {}, 1_000);\nconsole.log("loading");\nawait new Promise(() => {});\n');
  return file;
}

describe("a signal ends, while the app's module loads,", { concurrency: 2 }, () => {
  for (const [signal, exit, args] of [
    ["SIGTERM", 143, ["sweep", "--backend", "aws"]],
    ["SIGINT", 130, ["sweep", "--backend", "aws"]],
    ["SIGTERM", 0, ["emulate", "--public", "--port", "0"]],
  ] as const) {
    const [command, ...flags] = args;
    it(`cauce ${command} with ${exit} at ${signal}`, async (t) => {
      const running = cauce(t, [command, loadingApp(t), ...flags], { env: { AWS_REGION: "eu-west-1" } });
      await running.wrote(/loading/);
      running.kill(signal);
      assert.equal((await running.ended).code, exit);
    });
  }
});

describe("a signal ends cauce start", { concurrency: 4 }, () => {
  it("while the app's module loads, with 0", async (t) => {
    const file = loadingApp(t);
    const server = cauce(t, ["start", file, "--port", "0", "--data", temporaryDirectory(t)]);
    await server.wrote(/loading/);
    server.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /^Stopped before it processed anything\.$/m);
  });

  it("while the store changes its delivery, as it ends any program, and the next start changes it", async (t) => {
    const data = temporaryDirectory(t);
    const args = ["start", appWith(t, "() => ({})"), "--port", "0", "--data", data];
    const first = cauce(t, args);
    const placed = await post(`${await first.address()}/tiny`, { name: "a" });
    const { id } = (await placed.json()) as { id: string };
    first.kill("SIGTERM");
    await first.ended;
    const file = join(data, "tiny.db");
    change(
      file,
      `CREATE TABLE many AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) SELECT x FROM n;
      CREATE TRIGGER slow BEFORE UPDATE ON meta WHEN NEW.name = 'delivery' BEGIN
        SELECT count(*) FROM many a, many b, many c;
      END`,
    );
    const server = cauce(t, [...args, "--delivery", "fifo"]);
    await server.wrote(/"step":"\S+tiny\.db changes to fifo delivery","seconds":\d+,"message":"opening"/);
    server.kill("SIGTERM");
    const { code, signal } = await server.ended;
    assert.deepEqual([code, signal], [null, "SIGTERM"]);

    change(file, "DROP TRIGGER slow; DROP TABLE many");
    const again = cauce(t, [...args, "--delivery", "fifo"]);
    const address = await again.address();
    await waitFor(new URL(`${address}/tiny/${id}`), ({ status }) => status === "done");
  });

  it("while resources open, with 0; until then it takes orders and is not ready", async (t) => {
    const data = temporaryDirectory(t);
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const args = ["--port", String(port), "--data", data];
    const server = cauce(t, ["start", appWith(t, neverOpens), ...args]);
    await server.wrote(/opening/);
    assert.equal((await firstAnswer(`${address}/readyz`)).status, 503);
    const placed = await post(`${address}/tiny`, { name: "a" });
    assert.equal(placed.status, 202);
    const { id } = (await placed.json()) as { id: string };
    await server.wrote(/"seconds":60,"message":"waiting for the resources to open"/);
    server.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);
    assert.doesNotMatch(stdout, /listens on/);

    const again = cauce(t, ["start", appWith(t, "() => ({})"), ...args]);
    await again.address();
    await waitFor(new URL(`${address}/tiny/${id}`), ({ status }) => status === "done");
    assert.equal((await fetch(`${address}/readyz`)).status, 200);
  });

  it("while the resources do not close, with 0 after ten seconds, and names what it waits for", async (t) => {
    const app = appWith(t, '() => ({ first: {}, "db": { close: () => new Promise(() => {}) } })');
    const server = cauce(t, ["start", app, "--port", "0", "--data", temporaryDirectory(t)]);
    await server.address();
    server.kill("SIGTERM");
    await server.wrote(/"resource":"db","seconds":10,"message":"waiting for a resource to close"/);
    const { code, stdout, stderr } = await server.ended;
    assert.equal(code, 0);
    assert.match(stdout, /Drained\.\n$/);
    assert.match(stderr, /"resource":"db","error":"it did not close within 10 s","message":"resources not closed"/);
  });
});

it("cauce start says which handlers it waits for, and for how long at most", async (t) => {
  // It takes the handler's request, and never answers.
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const asked = once(silent, "connection");
  atEnd(t, () => silent.close());
  const server = cauce(t, ["start", heldApp, "--port", "0", "--data", temporaryDirectory(t)]);
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  await post(`${await server.address()}/held`, { url });
  const [socket] = await asked;
  server.kill("SIGTERM");
  const line =
    /\{[^\n]+"workflow":"held","status":"(\w+)","running":1,"secondsMax":(\d+),"message":"waiting for handlers to end"/;
  const [, , seconds] = await server.wrote(line);
  assert.ok(Number(seconds) > 0, String(seconds));
  socket.destroy();
});

it("cauce start gives up resources that take longer than --start-seconds to open", async (t) => {
  const data = temporaryDirectory(t);
  const app = appWith(t, neverOpens);
  const server = cauce(t, ["start", app, "--port", "0", "--data", data, "--start-seconds", "1"]);
  const { code, stderr } = await server.ended;
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^resources_failed: workflow "tiny": its `resources` did not open within 1 s; see that .*--start-seconds/m,
  );
  const again = cauce(t, ["start", appWith(t, "() => ({})"), "--port", "0", "--data", data]);
  await again.address();
});
