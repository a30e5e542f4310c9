export { type SqliteBackend, type SqliteOptions, sqlite } from "./sqlite.ts";
