export { type SqliteBackend, type SqliteConnection, type SqliteOptions, sqlite, sqliteClient } from "./sqlite.ts";
