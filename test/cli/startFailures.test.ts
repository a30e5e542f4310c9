import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import type { ErrorCode } from "cauce";
import { cauce, ordersApp, temporaryDirectory, tinyAppSource } from "./support.ts";

const noProc = existsSync("/proc/self") ? false : "there is no /proc on this system";

interface Expected {
  readonly exit?: number;
  readonly code: ErrorCode;
  readonly says: RegExp;
}

/** Runs a start that must fail with one line on stderr, `code: message`, and nothing on stdout. */
async function fails(t: TestContext, args: readonly string[], expected: Expected, env: NodeJS.ProcessEnv = {}) {
  const { code, stdout, stderr } = await cauce(t, ["start", ...args], { env }).ended;
  assert.match(stderr, /^[^\n]+\n$/, "one line");
  assert.equal(stderr.slice(0, stderr.indexOf(":")), expected.code);
  assert.match(stderr, expected.says);
  assert.equal(stdout, "");
  assert.equal(code, expected.exit ?? 1);
}

/** Gives the flags of a start that would succeed. */
function working(t: TestContext): string[] {
  return ["--port", "0", "--data", temporaryDirectory(t)];
}

/** Starts and stops a server, so that its database exists, and gives the database's file. */
async function usedDatabase(t: TestContext, directory: string): Promise<string> {
  const server = cauce(t, ["start", ordersApp, "--port", "0", "--data", directory]);
  await server.address();
  server.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
  const names = readdirSync(directory, { recursive: true }) as string[];
  const name = names.find((found) => /orders[^/]*\.(db|sqlite3?)$/.test(found) && !found.includes("lock"));
  assert.ok(name, `no database among ${names}`);
  return join(directory, name);
}

describe("a start that must fail", { concurrency: 4 }, () => {
  it("cauce start refuses a module that does not load", async (t) => {
    const file = join(temporaryDirectory(t), "app.ts");
    await fails(t, [file, ...working(t)], { code: "app_not_loadable", says: /app\.ts: there is no such file/ });
    writeFileSync(file, "export default {\n  a: 1,,\n}\n");
    await fails(t, [file, ...working(t)], { code: "app_not_loadable", says: /syntax error at .*app\.ts:2\b/ });
  });

  it("cauce start refuses a module that never ends loading", async (t) => {
    const file = join(temporaryDirectory(t), "app.mjs");
    writeFileSync(file, "await new Promise(() => {});\nexport default 1;\n");
    await fails(t, [file, ...working(t)], { code: "app_not_loadable", says: /app\.mjs: it never ends loading.*await/ });
  });

  it("cauce start refuses resources that do not open", async (t) => {
    const file = join(temporaryDirectory(t), "app.ts");
    const source = tinyAppSource();
    const resources = 'resources: () => { throw new Error("no db"); }';
    writeFileSync(file, source.replace("{ handlers:", `{ ${resources}, handlers:`));
    await fails(t, [file, ...working(t)], {
      code: "resources_failed",
      says: /workflow "tiny": its `resources` did not open \(Error: no db\); see that/,
    });
  });

  it("cauce start refuses a port that is taken, and closes its data", async (t) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const data = temporaryDirectory(t);
    await fails(t, [ordersApp, "--port", String(port), "--data", data], {
      code: "port_in_use",
      says: new RegExp(`${port}`),
    });
    await usedDatabase(t, data);
  });

  it("cauce start refuses an address that is not this machine's", async (t) => {
    const keys = join(temporaryDirectory(t), "keys");
    assert.equal((await cauce(t, ["keys", "create", "--role", "read", "--file", keys]).ended).code, 0);
    // No machine has an address of TEST-NET-1 (RFC 5737).
    const args = [ordersApp, ...working(t), "--host", "192.0.2.1", "--keys", keys];
    await fails(t, args, { code: "address_unavailable", says: /192\.0\.2\.1/ });
  });

  it("cauce start refuses an address that other machines reach where there are no keys", async (t) => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await fails(t, [ordersApp, ...working(t), "--host", host], { code: "keys_required", says: /keys create/ });
    }
  });

  it("cauce start refuses keys that cannot be read", async (t) => {
    const file = join(temporaryDirectory(t), "keys");
    await fails(t, [ordersApp, ...working(t), "--keys", file], { code: "keys_invalid", says: /no such file/ });
    writeFileSync(file, "not a key\n");
    await fails(t, [ordersApp, ...working(t), "--keys", file], { code: "keys_invalid", says: /line 1/ });
    await fails(t, [ordersApp, ...working(t)], { code: "keys_invalid", says: /CAUCE_KEYS/ }, { CAUCE_KEYS: "x" });
  });

  it("cauce start refuses a data directory that is a file, or lies in one", async (t) => {
    const file = join(temporaryDirectory(t), "file");
    writeFileSync(file, "");
    for (const data of [file, join(file, "data")]) {
      const says = new RegExp(file);
      await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "store_unreadable", says });
    }
  });

  it("cauce start refuses a data directory that the system does not make, and does not try for ever", {
    skip: noProc,
  }, async (t) => {
    for (const data of ["/proc/foo", "/proc/foo/bar"]) {
      await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "store_unreadable", says: /\/proc\/foo/ });
    }
  });

  it("cauce start refuses a data directory that cannot be written", async (t) => {
    if (process.getuid?.() === 0) {
      // Root may write everywhere but where the kernel refuses.
      const says = /\/sys\/cauce/;
      await fails(t, [ordersApp, "--port", "0", "--data", "/sys/cauce"], { code: "store_unreadable", says });
      return;
    }
    const data = join(temporaryDirectory(t), "data");
    mkdirSync(data, { mode: 0o500 });
    await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "store_unreadable", says: new RegExp(data) });
  });

  it("cauce start refuses data that another process owns", async (t) => {
    const data = temporaryDirectory(t);
    const first = cauce(t, ["start", ordersApp, "--port", "0", "--data", data]);
    const address = await first.address();
    await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "data_in_use", says: new RegExp(data) });
    assert.equal((await fetch(`${address}/readyz`)).status, 200);
  });

  it("cauce start refuses a damaged database file", async (t) => {
    const data = temporaryDirectory(t);
    const database = await usedDatabase(t, data);
    // SQLite would repair the file from its write-ahead log.
    for (const end of ["-wal", "-shm"]) rmSync(`${database}${end}`, { force: true });
    writeFileSync(database, "this is no database, and never was one".repeat(100));
    const says = new RegExp(database);
    await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "store_corrupt", says });
  });

  it("cauce start refuses a database of a newer version", async (t) => {
    const data = temporaryDirectory(t);
    const database = await usedDatabase(t, data);
    const opened = new DatabaseSync(database);
    opened.exec("PRAGMA user_version = 9999");
    opened.close();
    const says = new RegExp(database);
    await fails(t, [ordersApp, "--port", "0", "--data", data], { code: "store_too_new", says });
  });
});

describe("cauce start with wrong arguments", { concurrency: 4 }, () => {
  const setting = (says: RegExp): Expected => ({ exit: 2, code: "setting_invalid", says });

  it("names the nearest flag and variable to an unknown one", async (t) => {
    await fails(t, [ordersApp, "--prot", "1"], setting(/--prot.*--port/));
    await fails(t, [ordersApp], setting(/CAUCE_DATTA.*CAUCE_DATA\?/), { CAUCE_DATTA: "x" });
  });

  it("refuses values that a setting does not take, naming the flag or the variable", async (t) => {
    await fails(t, [ordersApp, "--port", "70000"], setting(/--port.*65535.*70000/));
    await fails(t, [ordersApp], setting(/CAUCE_PORT.*65535.*"x"/), { CAUCE_PORT: "x" });
    await fails(t, [ordersApp, "--delivery", "lifo"], setting(/--delivery must be standard or fifo/));
    await fails(t, [ordersApp, "--base-path", "shop/"], setting(/--base-path/));
    await fails(t, [ordersApp, "--watched"], setting(/--watch/));
  });

  it("refuses a call without an app, and one with too many arguments", async (t) => {
    await fails(t, [], setting(/missing required argument 'app'/));
    await fails(t, [ordersApp, "more"], setting(/too many arguments/));
  });
});
