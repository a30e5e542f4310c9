import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { CauceError } from "../core/errors.ts";
import { cauceVariables } from "../runtime/env.ts";
import { readBackupSettings, settings } from "../runtime/settings.ts";
import { addOptions } from "./flags.ts";
import type { Output } from "./report.ts";

export function addBackupCommand(program: Command, output: Output): void {
  const command = program
    .command("backup")
    .description("Copies a workflow's orders into a file, while their server runs or not.")
    .argument("<file>", "the file to make");
  addOptions(command, { data: settings.data });
  command
    .option("--workflow <name>", "the workflow to copy; needed where the directory holds several (CAUCE_WORKFLOW)")
    .option("--force", "replace the file if there is one")
    .addHelpText(
      "after",
      `
Examples:
  $ cauce backup orders-backup.db
  $ cauce backup /backups/orders.db --data /var/lib/shop --workflow orders --force`,
    )
    .action((file: string, flags: BackupFlags) => backup(file, flags, output));
}

interface BackupFlags {
  readonly data?: string;
  readonly workflow?: string;
  readonly force?: boolean;
}

/** Copies, and says what the copy holds and how to restore it. */
async function backup(file: string, { force, ...flags }: BackupFlags, output: Output): Promise<void> {
  const { data, workflow: named } = readBackupSettings(flags, cauceVariables());
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
