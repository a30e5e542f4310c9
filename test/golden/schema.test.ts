import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it } from "node:test";
import { fakeClock } from "../../src/testing/fakeClock.ts";
import { openSqlite, temporaryDirectory } from "../backend/sqlite/support.ts";
import { assertGolden } from "./golden.ts";

for (const delivery of ["standard", "fifo"] as const) {
  it(`a new SQLite store has its schema (${delivery})`, async (t) => {
    const { directory, remove } = temporaryDirectory();
    t.after(remove);
    const backend = await openSqlite(directory, { clock: fakeClock(), delivery });
    await backend.close();
    const db = new DatabaseSync(join(directory, "orders.db"), { readOnly: true });
    const all = (sql: string) => db.prepare(sql).all() as Record<string, string | number>[];
    const pragmas = ["user_version", "journal_mode", "encoding"].flatMap((name) => all(`PRAGMA ${name}`));
    const schema = all("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid");
    const meta = all("SELECT name, value FROM meta ORDER BY name");
    db.close();
    const lines = [
      ...pragmas.flatMap((row) => Object.entries(row).map(([name, value]) => `PRAGMA ${name} = ${value};`)),
      ...schema.map(({ sql }) => `${sql};`),
      ...meta.map(({ name, value }) => `INSERT INTO meta VALUES ('${name}', '${value}');`),
    ];
    assertGolden(`schema.${delivery}.sql`, `${lines.join("\n")}\n`);
  });
}
