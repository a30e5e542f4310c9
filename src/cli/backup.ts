/** `cauce backup`: copies a workflow's orders into a file. */
import { globSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { CauceError } from "../core/errors.ts";
import { addCommand, addSettings, givenSettings, type Output, wrongUsage } from "./output.ts";

export function addBackupCommand(program: Command, output: Output): void {
  const command = addCommand(program, "backup", {
    says: "Copies a workflow's orders into a file, while their server runs or not.",
    examples: ["backup orders-backup.db", "backup /backups/orders.db --data /var/lib/shop --workflow orders --force"],
  }).argument("<file>", "the file to make");
  addSettings(command, "backup")
    .option("--force", "replace the file if there is one")
    .action((file: string, flags: Record<string, unknown>) => backup(file, flags, output));
}

/** Copies the orders, and says what the copy contains and how to restore it. */
async function backup(file: string, { force, ...given }: Record<string, unknown>, output: Output): Promise<void> {
  const { data, workflow: named } = givenSettings("backup", given);
  const directory = resolve(data);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw wrongUsage(`${file} is a directory; give the name of a file in it`);
  if (found !== undefined && force !== true) {
    throw wrongUsage(`${file} exists already; give another name, or --force to replace it`);
  }
  const workflow = named ?? findWorkflow(directory);
  const { backupStore } = await import("../backend/sqlite/backup.ts");
  const progress = progressBar(output);
  const copying = backupStore({ directory, workflow, to: file, onProgress: progress.show });
  const { orders } = await copying.finally(progress.clear);
  output.out(`${file} holds ${orders.toLocaleString("en-US")} orders of "${workflow}".

To restore it: stop the server, delete ${workflow}.db-wal, ${workflow}.db-shm and ${workflow}.db-journal
in its data directory where they exist, put the file there as ${workflow}.db, and start the server.
`);
}

/**
 * Finds the only workflow of a data directory.
 * @throws `store_unreadable` if there is none, `setting_invalid` if there are several
 */
function findWorkflow(directory: string): string {
  // There are no files in a directory that is missing or cannot be read.
  const files = globSync("*.db", { cwd: directory });
  const names = files.flatMap((name) => /^([a-z][A-Za-z0-9]{0,39})\.db$/.exec(name)?.[1] ?? []).sort();
  const [only, ...others] = names;
  if (only === undefined) {
    const what = `${directory} holds no orders; name the server's data directory with --data`;
    throw new CauceError("store_unreadable", what);
  }
  if (others.length === 0) return only;
  throw wrongUsage(`${directory} holds several workflows; choose one with --workflow: ${names.join(", ")}`);
}

const barLength = 30;

/** A bar that is drawn again in its place, on a terminal alone. */
function progressBar({ terminal, out }: Output) {
  let shown = -1;
  return {
    show(share: number): void {
      const percent = Math.floor(share * 100);
      if (!terminal || percent === shown) return;
      shown = percent;
      const full = Math.round(share * barLength);
      out(`\r${"█".repeat(full)}${"░".repeat(barLength - full)} ${percent} %`);
    },
    clear: () => void (shown >= 0 && out("\r\x1b[K")),
  };
}
