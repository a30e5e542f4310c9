import { accessSync, constants, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { CauceError } from "../core/errors.ts";
import { addSettings, givenSettings, type Output } from "./output.ts";

export function addBackupCommand(program: Command, output: Output): void {
  const command = program
    .command("backup")
    .description("Copies a workflow's orders into a file, while their server runs or not.")
    .argument("<file>", "the file to make");
  addSettings(command, "backup");
  command
    .option("--force", "replace the file if there is one")
    .addHelpText(
      "after",
      `
Examples:
  $ cauce backup orders-backup.db
  $ cauce backup /backups/orders.db --data /var/lib/shop --workflow orders --force`,
    )
    .action((file: string, flags: Record<string, unknown>) => backup(file, flags, output));
}

/** Copies, and says what the copy holds and how to restore it. */
async function backup(file: string, { force, ...given }: Record<string, unknown>, output: Output): Promise<void> {
  const { data, workflow: named } = givenSettings("backup", given);
  const directory = resolve(data);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new CauceError("setting_invalid", `${file} is a directory; give the name of a file in it`);
  }
  if (existsSync(file) && force !== true) {
    throw new CauceError("setting_invalid", `${file} exists already; give another name, or --force to replace it`);
  }
  const workflow = named ?? onlyWorkflow(directory);
  const { backupStore } = await import("../backend/sqlite/backup.ts");
  const progress = progressBar(output);
  const { orders } = await backupStore({ directory, workflow, to: file, onProgress: progress.show }).finally(
    progress.clear,
  );
  output.out(`${file} holds ${orders.toLocaleString("en-US")} orders of "${workflow}".

To restore it: stop the server, put the file into its data directory as
${workflow}.db, with no ${workflow}.db-wal or ${workflow}.db-shm beside it, and start the server.
`);
}

function onlyWorkflow(directory: string): string {
  let names: string[] = [];
  try {
    names = readdirSync(directory).flatMap((name) => /^([a-z][A-Za-z0-9]{0,39})\.db$/.exec(name)?.[1] ?? []);
  } catch {
    // Told below: whatever keeps it from being read, no orders are found in it.
  }
  const [only, ...others] = names.sort();
  if (only === undefined) {
    throw new CauceError(
      "store_unreadable",
      `${join(directory, "")} holds no orders; name the server's data directory with --data`,
    );
  }
  if (others.length === 0) return only;
  throw new CauceError(
    "setting_invalid",
    `${directory} holds several workflows; choose one with --workflow: ${names.join(", ")}`,
  );
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

/** Makes the directory where it is missing. Throws `directory_unusable`. */
export function usableDirectory(path: string): void {
  try {
    // Node's recursive mkdir never ends where a file system answers ENOENT for what it will not make, as /proc does.
    mkdirSync(path, { recursive: existsSync(path) || !existsSync(dirname(path)) });
  } catch (cause) {
    throw directoryUnusable(path, cause);
  }
}

/** Throws `directory_unusable` where `usableDirectory` would most likely do so too, without making anything. */
export function checkUsable(path: string): void {
  let nearest = resolve(path);
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  try {
    // The dot asks for a directory.
    accessSync(`${nearest}/.`, constants.W_OK);
  } catch (cause) {
    throw directoryUnusable(path, cause);
  }
}

/** Why a directory cannot be used, as `directory_unusable`. */
export function directoryUnusable(path: string, cause: unknown): CauceError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const what =
    code === "EEXIST" || code === "ENOTDIR"
      ? "there is a file of that name; give a directory"
      : `it cannot be made, read or written (${code}); check the path and its rights`;
  return new CauceError("directory_unusable", `${path}: ${what}`, { cause });
}
