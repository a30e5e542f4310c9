import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { ServerOptions } from "../../scripts/crash/server.ts";
import { onSmallDisk, whyNoSmallDisk } from "./disks.ts";
import { ordersApp, serve, temporaryDirectory } from "./support.ts";

/** Holds a start to one line on stderr, of one of these codes, that names the directory, and to exit code 1. */
async function refuses(t: TestContext, options: Omit<ServerOptions, "app">, codes: readonly string[]) {
  const { code, stdout, stderr } = await serve(t, { app: ordersApp, ...options }).ended;
  assert.match(stderr, /^[^\n]+\n$/, "one line");
  assert.ok(codes.includes(stderr.slice(0, stderr.indexOf(":"))), stderr);
  assert.ok(stderr.includes(options.directory), stderr);
  assert.equal(stdout, "");
  assert.equal(code, 1);
}

describe("a start on a disk that does not let it", { concurrency: 3 }, () => {
  // What lies in the way of a file cannot be opened for writing by root either.
  for (const name of ["orders.db", "orders.lock", "orders.db-wal"]) {
    it(`a data directory in which ${name} is a directory`, async (t) => {
      const directory = temporaryDirectory(t);
      mkdirSync(join(directory, name));
      await refuses(t, { directory }, [name === "orders.db-wal" ? "store_unavailable" : "store_unreadable"]);
    });
  }

  it("a data directory that is there and takes no file", async (t) => {
    if (process.platform !== "linux") return t.skip("/proc/self, in which nobody can make a file, is Linux's");
    await refuses(t, { directory: "/proc/self" }, ["store_unreadable"]);
  });

  it("files that may not grow", async (t) => {
    // In blocks of 512 or 1,024 bytes, by the shell: too few for an empty store.
    const through = ["sh", "-c", 'ulimit -f 8 && exec "$0" "$@"'];
    await refuses(t, { directory: temporaryDirectory(t), through }, ["store_unavailable"]);
  });

  // SQLite calls it full where its own files do not fit, and a fault where the memory that its readers share does not.
  for (const kibibytes of [4, 32, 64]) {
    it(`a disk that is full with ${kibibytes} KiB`, { skip: whyNoSmallDisk() }, async (t) => {
      const directory = temporaryDirectory(t);
      const through = onSmallDisk(directory, kibibytes);
      await refuses(t, { directory, through }, ["store_full", "store_unavailable"]);
    });
  }
});
