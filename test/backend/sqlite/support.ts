import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DeliveryMode, LocatedBackend, NewOrder } from "../../../src/backend/port.ts";
import { sqlite } from "../../../src/backend/sqlite/index.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { OpenedBackend } from "../../../src/testing/backendContract.ts";

export function temporaryDirectory(): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), "cauce-"));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Installs this checkout and zod in a directory, as links. */
export function linkPackages(directory: string): void {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(root, join(directory, "node_modules", "cauce"));
  symlinkSync(join(root, "node_modules", "zod"), join(directory, "node_modules", "zod"));
}

export async function openSqlite(
  directory: string,
  options: { clock: Clock; delivery?: DeliveryMode; workflow?: string },
): Promise<LocatedBackend> {
  return sqlite({ directory })({ workflow: "orders", delivery: "standard", ...options });
}

/** Copies what a killed process leaves: the files as they are now, without the shared memory, which dies with it. */
export function copyStore(from: string, to: string): void {
  for (const name of ["orders.db", "orders.db-wal"]) {
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
  }
}

/** Opens a store of its own for one case of the contract. */
export async function openForContract(options: { clock: Clock; delivery: DeliveryMode }): Promise<OpenedBackend> {
  const folders = [temporaryDirectory()];
  const directory = () => (folders.at(-1) as { directory: string }).directory;
  const opened = [await openSqlite(directory(), options)];
  const open = async () => {
    const backend = await openSqlite(directory(), options);
    opened.push(backend);
    return backend;
  };
  return {
    backend: opened[0] as LocatedBackend,
    async reopen() {
      await opened.at(-1)?.close();
      return open();
    },
    async crash() {
      const left = directory();
      folders.push(temporaryDirectory());
      copyStore(left, directory());
      return open();
    },
    async remove() {
      for (const backend of opened) await backend.close();
      for (const folder of folders) folder.remove();
    },
  };
}

export const newOrder: NewOrder = {
  status: "received",
  kind: "handled",
  dataJson: '{"n":1}',
  group: null,
  createdAt: Date.UTC(2026, 10, 24),
  expiresAt: null,
  by: { runtime: "node", name: "test", requestId: null, messageId: null },
  extrasJson: null,
  key: null,
};

export async function placeOne(backend: LocatedBackend, fields: Partial<NewOrder> = {}) {
  const placed = await backend.place({ ...newOrder, ...fields });
  if (placed.outcome !== "placed") throw new Error(`expected a new order, got ${placed.outcome}`);
  return placed.order;
}
