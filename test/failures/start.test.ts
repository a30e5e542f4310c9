import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { ServerOptions } from "../../scripts/crash/server.ts";
import { onSmallDisk, whyNoSmallDisk } from "./disks.ts";
import { ordersApp, serve, temporaryDirectory } from "./support.ts";

/** Asserts that a start ends with exit code 1 and one line on stderr that has one of the codes and the directory. */
async function refuses(t: TestContext, options: Omit<ServerOptions, "app">, codes: readonly string[]) {
  const { code, stdout, stderr } = await serve(t, { app: ordersApp, ...options }).ended;
  assert.match(stderr, /^[^\n]+\n$/, "one line");
  assert.ok(codes.includes(stderr.slice(0, stderr.indexOf(":"))), stderr);
  assert.ok(stderr.includes(options.directory), stderr);
  assert.equal(stdout, "");
  assert.equal(code, 1);
}

describe("a start that the disk does not allow", { concurrency: 3 }, () => {
  // Root cannot open a directory for writing either.
  for (const name of ["orders.db", "orders.lock", "orders.db-wal"]) {
    it(`ends with one line where ${name} in the data directory is a directory`, async (t) => {
      const directory = temporaryDirectory(t);
      mkdirSync(join(directory, name));
      await refuses(t, { directory }, [name === "orders.db-wal" ? "store_unavailable" : "store_unreadable"]);
    });
  }

  it("ends with one line where the data directory takes no file", async (t) => {
    if (process.platform !== "linux") return t.skip("/proc/self, in which no process can make a file, is Linux's");
    await refuses(t, { directory: "/proc/self" }, ["store_unreadable"]);
  });

  it("ends with one line where files may not grow", async (t) => {
    // The shell counts 8 blocks of 512 or 1,024 bytes: too few for an empty store.
    const through = ["sh", "-c", 'ulimit -f 8 && exec "$0" "$@"'];
    await refuses(t, { directory: temporaryDirectory(t), through }, ["store_unavailable"]);
  });

  // SQLite reports a full disk where its files do not fit, and a fault where the readers' shared memory does not fit.
  for (const kibibytes of [4, 32, 64]) {
    it(`ends with one line where the disk is full with ${kibibytes} KiB`, { skip: whyNoSmallDisk() }, async (t) => {
      const directory = temporaryDirectory(t);
      const through = onSmallDisk(directory, kibibytes);
      await refuses(t, { directory, through }, ["store_full", "store_unavailable"]);
    });
  }
});
