import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { backupStore } from "../../../src/backend/sqlite/backup.ts";
import { openWriter } from "../../../src/backend/sqlite/writer/writer.ts";
import { fakeClock } from "../../../src/testing/fakeClock.ts";
import { copyStore, openSqlite, placeOne, temporaryDirectory } from "./support.ts";

/** Makes a backup of a store with one order, and a directory with what a kill left of that store with a second order. */
async function backedUp(t: TestContext) {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  const [data, killed, copy] = [join(directory, "data"), join(directory, "killed"), join(directory, "copy.db")];
  mkdirSync(killed);
  const backend = await openSqlite(data, { clock: fakeClock() });
  const { id } = await placeOne(backend);
  await backupStore({ directory: data, workflow: "orders", to: copy });
  const later = await placeOne(backend);
  copyStore(data, killed);
  await backend.close();
  const file = join(killed, "orders.db");
  const restore = () => copyFileSync(copy, file);
  return { directory: killed, file, copy, id, later: later.id, restore };
}

/** Opens the store, checks it, and gives the ids of its orders. */
async function idsIn(directory: string): Promise<string[]> {
  const backend = await openSqlite(directory, { clock: fakeClock() });
  const { items } = await backend.list({ limit: 10 });
  await backend.close();
  const db = new DatabaseSync(join(directory, "orders.db"));
  assert.deepEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
  db.close();
  return items.map(({ id }) => id).reverse();
}

const formatOf = (file: string) => [...readFileSync(file).subarray(18, 20)];

test("a backup that was put back beside the log of the store before is refused, and starts without that log", async (t) => {
  const { directory, file, id, restore } = await backedUp(t);
  restore();
  const before = [readFileSync(file), readFileSync(`${file}-wal`)];
  const refused = {
    code: "store_log_foreign",
    message: `${file} is a backup that was put back, and the log beside it is of the store that was there before; delete ${file}-wal, and start again`,
  };
  await assert.rejects(openSqlite(directory, { clock: fakeClock() }), refused);
  // A command that only reads would have SQLite write the log into the file, too.
  await assert.rejects(backupStore({ directory, workflow: "orders", to: join(directory, "..", "second.db") }), refused);
  assert.deepEqual([readFileSync(file), readFileSync(`${file}-wal`)], before);
  rmSync(`${file}-wal`);
  assert.deepEqual(await idsIn(directory), [id]);
});

test("an empty log beside a backup that was put back is none", async (t) => {
  const { directory, file, id, restore } = await backedUp(t);
  restore();
  writeFileSync(`${file}-wal`, "");
  assert.deepEqual(await idsIn(directory), [id]);
  assert.deepEqual(formatOf(file), [2, 2]);
});

test("a killed store keeps its log, since a store that was opened once is no backup", async (t) => {
  const { directory, id, later } = await backedUp(t);
  assert.deepEqual(await idsIn(directory), [id, later]);
});

/** Makes the journal of a transaction that changes the first page of a file, as SQLite writes it before the page. */
function journalOf(file: string): Buffer {
  const bytes = readFileSync(file);
  const [pageBytes, sectorBytes, nonce] = [4_096, 512, 7];
  const journal = Buffer.alloc(sectorBytes + 4 + pageBytes + 4);
  Buffer.from("d9d505f920a163d7", "hex").copy(journal);
  for (const [at, number] of [1, nonce, bytes.length / pageBytes, sectorBytes, pageBytes].entries())
    journal.writeUInt32BE(number, 8 + at * 4);
  journal.writeUInt32BE(1, sectorBytes);
  bytes.copy(journal, sectorBytes + 4, 0, pageBytes);
  let checksum = nonce;
  for (let at = pageBytes - 200; at > 0; at -= 200) checksum += bytes[at] as number;
  journal.writeUInt32BE(checksum, journal.length - 4);
  return journal;
}

test("a backup whose first opening left a journal starts again, the header written or not", async (t) => {
  const { directory, file, id, restore } = await backedUp(t);
  rmSync(`${file}-wal`);
  restore();
  const journal = journalOf(file);
  const unwritten = readFileSync(file);
  const written = Buffer.from(unwritten);
  written.fill(2, 18, 20);
  for (const bytes of [unwritten, written]) {
    writeFileSync(file, bytes);
    writeFileSync(`${file}-journal`, journal);
    assert.deepEqual(await idsIn(directory), [id]);
    assert.ok(!existsSync(`${file}-journal`));
  }
});

const whyNoKills = spawnSync("strace", ["true"]).status === 0 ? false : "strace kills at each point, and is not here";

test("a backup starts again after a kill at each write of its first opening", { skip: whyNoKills }, async (t) => {
  const { directory, file, id, restore } = await backedUp(t);
  rmSync(`${file}-wal`);
  const module = JSON.stringify(new URL("../../../src/backend/sqlite/writer/writer.ts", import.meta.url).href);
  const program = `import { openWriter } from ${module};
    openWriter({ file: process.argv[1], workflow: "orders", fifo: false }).db.exec("UPDATE meta SET value = value");`;
  const writes = "pwrite64,fsync,fdatasync,unlink,ftruncate";
  const node = [process.execPath, "--conditions=source", "--input-type=module", "--eval", program, file];
  const formats: number[] = [];
  for (let point = 1; ; point++) {
    restore();
    const kill = `inject=${writes}:signal=KILL:when=${point}`;
    const { status, signal } = spawnSync("strace", ["-f", "-qq", "-o", "/dev/null", "-e", kill, ...node]);
    if (status === 0) break;
    assert.equal(signal, "SIGKILL");
    formats.push(readFileSync(file)[18] as number);
    assert.deepEqual(await idsIn(directory), [id]);
  }
  // It was killed before the header was written, and after, and while it wrote its log.
  assert.ok(formats.filter((format) => format === 1).length > 3, String(formats));
  assert.ok(formats.filter((format) => format === 2).length > 3, String(formats));
});

test("a backup that was put back beside the journal of another file is refused", async (t) => {
  const { directory, file, id, restore } = await backedUp(t);
  const journal = journalOf(file);
  rmSync(`${file}-wal`);
  restore();
  writeFileSync(`${file}-journal`, journal);
  const before = readFileSync(file);
  await assert.rejects(openSqlite(directory, { clock: fakeClock() }), {
    code: "store_log_foreign",
    message: /; delete \S+-journal, and start again$/,
  });
  assert.deepEqual([readFileSync(file), readFileSync(`${file}-journal`)], [before, journal]);
  rmSync(`${file}-journal`);
  assert.deepEqual(await idsIn(directory), [id]);
});

test("a file system that gives processes no shared memory is refused", (t) => {
  const { directory, remove } = temporaryDirectory();
  t.after(remove);
  // SQLite's own layer for file systems that lack it.
  const file = `file:${join(directory, "orders.db")}?vfs=unix-dotfile`;
  assert.throws(() => openWriter({ file, workflow: "orders", fifo: false }), {
    code: "store_unreadable",
    message: /orders\.db\S* cannot have a write-ahead log, since .*; give a directory on a local disk$/,
  });
});
