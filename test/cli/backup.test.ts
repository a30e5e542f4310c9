import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { crashApp } from "../../scripts/crash/server.ts";
import { systemClock } from "../../src/core/clock.ts";
import { openSqlite, placeOne } from "../backend/sqlite/support.ts";
import { onSmallDisk, whyNoSmallDisk } from "../failures/disks.ts";
import { place, serve, stop, waitFor } from "../failures/support.ts";
import { cauce, temporaryDirectory } from "./support.ts";

const bin = fileURLToPath(new URL("../../bin/cauce.js", import.meta.url));

describe("cauce backup", () => {
  for (const delivery of ["standard", "fifo"] as const) {
    it(`copies the store of a server under load, and every order acknowledged before finishes in the copy (${delivery})`, async (t) => {
      const directory = temporaryDirectory(t);
      const [data, restored, copy] = ["data", "restored", "copy.db"].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ];
      const options = { app: crashApp, delivery, env: { CRASH_HANDLER_LOG: join(directory, "runs") } };
      const server = serve(t, { ...options, directory: data });
      const url = await server.address;
      const acknowledged: string[] = [];
      let loading = true;
      const load = Promise.all(
        Array.from({ length: 8 }, async (_, client) => {
          for (let n = 0; loading; n++) {
            const order = { ref: `${client}-${n}`, group: `g-${n % 5}`, flaky: n % 10 === 0 };
            acknowledged.push(await place(url, "crash", order));
          }
        }),
      );
      while (acknowledged.length < 300) await delay(5);
      const before = [...acknowledged];
      const { code, stdout, stderr } = await cauce(t, ["backup", copy, "--data", data]).ended;
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, /copy\.db holds [\d,]+ orders of "crash"\.\n\nTo restore it: stop the server, /);
      loading = false;
      await load;
      server.kill("SIGKILL");
      await server.ended;
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.includes("copy")),
        ["copy.db"],
      );

      mkdirSync(restored);
      copyFileSync(copy, join(restored, "crash.db"));
      const again = serve(t, { ...options, directory: restored });
      const there = await again.address;
      for (const path of before) {
        const order = await waitFor(there, path, ({ status }) => status === "sent");
        assert.deepEqual(
          order.history.map(({ status }) => status),
          ["received", "checked", "packed", "sent"],
        );
      }
      await stop(again);
      const db = new DatabaseSync(join(restored, "crash.db"));
      assert.deepEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
      db.close();
    });
  }

  it("refuses wrong arguments and unreadable stores in one line, and makes no file", async (t) => {
    const directory = temporaryDirectory(t);
    const data = join(directory, "data");
    for (const workflow of ["claims", "orders"]) {
      const backend = await openSqlite(data, { clock: systemClock(), workflow });
      await placeOne(backend);
      await backend.close();
    }
    writeFileSync(join(data, "broken.db"), "this is no database");
    writeFileSync(join(directory, "there.db"), "mine");
    const to = join(directory, "copy.db");
    for (const [args, exit, message] of [
      [[to], 2, /^setting_invalid: .* holds several workflows; choose one with --workflow: broken, claims, orders\n$/],
      [[to, "--workflow", "nobody"], 1, /^store_unreadable: .*nobody\.db does not exist/],
      [[to, "--workflow", "../x"], 2, /^setting_invalid: --workflow/],
      [[to, "--workflow", "broken"], 1, /^store_corrupt: /],
      [[join(directory, "there.db"), "--workflow", "orders"], 2, /^setting_invalid: .*there\.db exists already/],
      [[join(directory, "no", "copy.db"), "--workflow", "orders"], 1, /^store_unreadable: /],
      [[data, "--force", "--workflow", "orders"], 2, /^setting_invalid: .* is a directory; give the name of a file in/],
      [[], 2, /^setting_invalid: missing required argument 'file'/],
    ] as const) {
      const { code, stdout, stderr } = await cauce(t, ["backup", ...args, "--data", data]).ended;
      assert.match(stderr, message);
      assert.deepEqual([code, stdout], [exit, ""]);
    }
    assert.deepEqual(readdirSync(directory).sort(), ["data", "there.db"]);
    const forced = cauce(t, ["backup", join(directory, "there.db"), "--force", "--data", data, "--workflow", "orders"]);
    assert.match((await forced.ended).stdout, /there\.db holds 1 orders of "orders"/);
  });

  it("never replaces a store's file, to which a server would go on writing", async (t) => {
    const directory = temporaryDirectory(t);
    const [data, other] = [join(directory, "data"), join(directory, "other")];
    for (const [at, workflow] of [
      [data, "orders"],
      [data, "claims"],
      [other, "orders"],
    ] as const) {
      const backend = await openSqlite(at, { clock: systemClock(), workflow });
      await placeOne(backend);
      await backend.close();
    }
    const linked = join(directory, "linked");
    symlinkSync(data, linked);
    const filesOf = (at: string) =>
      readdirSync(at).map((name) => [name, statSync(join(at, name)).ino, statSync(join(at, name)).size]);
    const before = [filesOf(data), filesOf(other)];
    for (const to of [
      join(data, "orders.db"),
      join(data, "claims.db"),
      join(data, "new.db"),
      join(data, "orders.db-wal"),
      join(data, "orders.lock"),
      join(linked, "orders.db"),
      join(other, "orders.db"),
    ]) {
      const run = cauce(t, ["backup", to, "--force", "--data", data, "--workflow", "orders"]);
      const { code, stdout, stderr } = await run.ended;
      assert.match(stderr, /^setting_invalid: .* would be a store of a server's data; give a file elsewhere\n$/);
      assert.deepEqual([code, stdout], [2, ""], to);
    }
    assert.deepEqual([filesOf(data), filesOf(other)], before);
  });

  it("removes the partial file of a killed backup, and leaves that of a running one", async (t) => {
    const directory = temporaryDirectory(t);
    const data = join(directory, "data");
    const backend = await openSqlite(data, { clock: systemClock() });
    await placeOne(backend);
    await backend.close();
    const ended = spawnSync(process.execPath, ["--eval", ""]).pid;
    const kept = [`.copy.db.${process.pid}.partial`, `.other.db.${ended}.partial`];
    for (const name of [`.copy.db.${ended}.partial`, `.copy.db.${ended}.partial-journal`, ...kept]) {
      writeFileSync(join(directory, name), "half");
    }
    const { code, stderr } = await cauce(t, ["backup", join(directory, "copy.db"), "--data", data]).ended;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(readdirSync(directory).sort(), [...kept, "copy.db", "data"].sort());
  });

  it("leaves no half file when the disk is full", { skip: whyNoSmallDisk() }, async (t) => {
    const directory = temporaryDirectory(t);
    const data = join(directory, "data");
    const small = join(directory, "small");
    mkdirSync(small);
    const backend = await openSqlite(data, { clock: systemClock() });
    const dataJson = JSON.stringify({ padding: "p".repeat(50_000) });
    await Promise.all(Array.from({ length: 40 }, () => placeOne(backend, { dataJson })));
    await backend.close();
    const [command = "", ...args] = onSmallDisk(small, 512);
    const script = '"$@"; echo "exit $?"; ls -A "$0"';
    const run = [process.execPath, "--conditions=source", bin, "backup", join(small, "copy.db"), "--data", data];
    const { stdout, stderr } = spawnSync(command, [...args, "sh", "-c", script, small, ...run], { encoding: "utf8" });
    assert.match(stderr, /^store_full: .*copy\.db cannot grow: the disk is full/);
    assert.equal(stdout, "exit 1\n");
  });
});
