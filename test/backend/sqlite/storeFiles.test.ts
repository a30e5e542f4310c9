import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeDirectory } from "../../../src/backend/sqlite/storeFiles.ts";
import { temporaryDirectory } from "./support.ts";

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
