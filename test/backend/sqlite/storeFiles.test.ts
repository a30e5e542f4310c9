import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { backupStore } from "../../../src/backend/sqlite/backup.ts";
import { makeDirectory } from "../../../src/backend/sqlite/storeFiles.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { openSqlite, temporaryDirectory } from "./support.ts";

describe("makeDirectory", () => {
  test("makes the missing directories of a path, and leaves those that exist", (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const deep = join(directory, "a", "b", "c");
    makeDirectory(deep);
    makeDirectory(deep);
    assert.ok(statSync(deep).isDirectory());
    // A directory may be usable where its parent takes no new directory.
    mkdirSync(join(directory, "closed", "data"), { recursive: true });
    chmodSync(join(directory, "closed"), 0o555);
    makeDirectory(join(directory, "closed", "data"));
    makeDirectory("/");
  });

  test("says that a file is in the way", (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const file = join(directory, "file");
    writeFileSync(file, "");
    for (const folder of [file, join(file, "a"), join(file, "a", "b")]) {
      assert.throws(() => makeDirectory(folder), { code: "store_unreadable", message: new RegExp(`^${folder} `) });
    }
  });

  test("gives up where the system refuses to make a directory", {
    skip: existsSync("/proc/self") ? false : "no /proc here",
  }, () => {
    for (const folder of ["/proc/foo", "/proc/foo/bar"]) {
      assert.throws(() => makeDirectory(folder), { code: "store_unreadable", message: new RegExp(`^${folder} `) });
    }
  });
});

describe("what Cauce makes", { skip: process.platform === "win32" }, () => {
  const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

  test("is for its owner alone: directories, stores with their logs, locks and backups", async (t) => {
    const { directory, remove } = temporaryDirectory();
    const before = process.umask(0);
    t.after(() => {
      process.umask(before);
      remove();
    });
    const data = join(directory, "above", "data");
    const backend = await openSqlite(data, { clock: systemClock() });
    const to = join(directory, "copy.db");
    await backend.keep({ is: "probe" });
    await backupStore({ directory: data, workflow: "orders", to });
    const made = ["above", "above/data", "copy.db", ...readdirSync(data).map((name) => join("above/data", name))];
    const modes = Object.fromEntries(made.map((name) => [name, modeOf(join(directory, name))]));
    await backend.close();
    assert.deepEqual(modes, {
      above: "700",
      "above/data": "700",
      "copy.db": "600",
      "above/data/orders.db": "600",
      "above/data/orders.db-shm": "600",
      "above/data/orders.db-wal": "600",
      "above/data/orders.lock": "600",
      ...("above/data/orders.lock-journal" in modes ? { "above/data/orders.lock-journal": "600" } : {}),
    });
    assert.equal(backend.openToOthers, undefined);
  });

  test("keeps the mode that it has, and an opening names a store that others may read", async (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const file = join(directory, "orders.db");
    await (await openSqlite(directory, { clock: systemClock() })).close();
    chmodSync(file, 0o644);
    // Other users do not reach the file below a directory that is closed to them.
    for (const [mode, expected] of [
      [0o700, undefined],
      [0o755, file],
    ] as const) {
      chmodSync(directory, mode);
      const backend = await openSqlite(directory, { clock: systemClock() });
      await backend.close();
      assert.equal(backend.openToOthers, expected);
      assert.equal(modeOf(file), "644");
    }
  });
});
