import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { sqlite } from "cauce/sqlite";
import { openWriter } from "../../src/backend/sqlite/writer/writer.ts";
import { fakeClock } from "../../src/testing/fakeClock.ts";

export interface StoreFacts {
  /** The tables, columns and indexes of a new store. */
  readonly names: readonly string[];
  /** The numbers that the docs must have, as the docs write them, by what they mean. */
  readonly numbers: ReadonlyMap<string, string>;
}

/** Reads the embedded backend's names and numbers from a new store. */
export async function storeFacts(): Promise<StoreFacts> {
  const directory = mkdtempSync(join(tmpdir(), "cauce-docs-"));
  try {
    const backend = await sqlite({ directory })({ workflow: "orders", delivery: "standard", clock: fakeClock() });
    const { limits } = backend;
    await backend.close();
    const file = join(directory, "orders.db");
    const writer = openWriter({ file, workflow: "orders", fifo: false });
    const pragma = (name: string) => Number(Object.values(writer.db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
    const numbers = new Map([
      ["the largest data", `${grouped(limits.dataBytesMax)} bytes`],
      ["the longest group key", `${grouped(limits.groupBytesMax)} bytes`],
      ["the concurrency", `${limits.concurrency.least} to ${grouped(limits.concurrency.most)}`],
      ["the default concurrency", `default ${limits.concurrency.default}`],
      ["the accuracy of timing", `${limits.timingSeconds * 1_000} ms`],
      ["the pages between checkpoints", `${grouped(pragma("wal_autocheckpoint"))} pages`],
      ["the bytes between checkpoints", `${(pragma("wal_autocheckpoint") * pragma("page_size")) / 1_048_576} MiB`],
      ["the cache", `${-pragma("cache_size") / 1_024} MiB`],
      ["the schema's number", `schema ${pragma("user_version")}`],
    ]);
    const names = namesOf(writer.db);
    writer.close();
    return { names, numbers };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function namesOf(db: DatabaseSync): string[] {
  const objects = db.prepare("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").all();
  const tables = objects.filter(({ type }) => type === "table").map(({ name }) => String(name));
  const columns = tables.flatMap((table) =>
    db
      .prepare(`PRAGMA table_info(${table})`)
      .all()
      .map(({ name }) => String(name)),
  );
  return [...new Set([...objects.map(({ name }) => String(name)), ...columns])];
}

/** Writes 16777216 as 16,777,216. */
function grouped(number: number): string {
  return number.toLocaleString("en-US");
}
