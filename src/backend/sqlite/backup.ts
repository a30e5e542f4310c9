import { closeSync, existsSync, fsyncSync, openSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { CauceError } from "../../core/errors.ts";
import { refuseForeignLog } from "./restored.ts";
import { readMeta } from "./schema.ts";
import { makeFile, storeFault } from "./storeFiles.ts";

interface BackupOptions {
  /** The directory that holds the data. */
  readonly directory: string;
  readonly workflow: string;
  /** The file of the copy. A file that is there already is replaced. */
  readonly to: string;
  /** Called with the share that is copied, from 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

// 8 MiB a step: few enough steps that they cost nothing, enough steps that the disk is shared fairly.
const pagesAtOnce = 2_048;

/**
 * Copies a workflow's store as it is at this moment, while its server runs and writes. Gives how many orders the copy
 * holds. The copy is checked and on the disk before it gets its name. Rejects with `store_unreadable`, `store_corrupt`,
 * `store_mismatch`, `store_log_foreign`, `store_full`, `store_unavailable`, or with `setting_invalid` where the copy
 * would take a store's place; then it leaves nothing behind.
 */
export async function backupStore({ directory, workflow, to, onProgress }: BackupOptions): Promise<{ orders: number }> {
  const file = join(resolve(directory), `${workflow}.db`);
  if (!existsSync(file)) {
    throw new CauceError("store_unreadable", `${file} does not exist; name the server's data directory with --data`);
  }
  const target = resolve(to);
  refuseStore(target, directory);
  refuseForeignLog(file);
  const partial = join(dirname(target), `.${basename(target)}.${process.pid}.partial`);
  removeAbandoned(target);
  try {
    makeFile(partial);
    await copy(file, partial, onProgress);
    const orders = check(partial, workflow);
    sync(partial);
    renameSync(partial, target);
    sync(dirname(target));
    return { orders };
  } catch (error) {
    throw storeFault(error, target);
  } finally {
    for (const end of ["", "-journal", "-wal", "-shm"]) rmSync(partial + end, { force: true });
  }
}

/**
 * Refuses a target that is a store. A server whose store's name is taken by another file goes on writing to the old
 * file, and loses with that file all that it acknowledges from then on. A server that runs or ran has its lock beside its
 * store.
 */
function refuseStore(target: string, directory: string): void {
  const [, name] = /^(.*)\.(?:db|db-wal|db-shm|lock|lock-journal)$/.exec(basename(target)) ?? [];
  const folder = dirname(target);
  if (name === undefined || !existsSync(folder)) return;
  const isData = realpathSync(folder) === realpathSync(directory) || existsSync(join(folder, `${name}.lock`));
  if (!isData) return;
  throw new CauceError("setting_invalid", `${target} would be a store of a server's data; give a file elsewhere`);
}

/** Removes what killed backups to the same file left: each is as large as the store, and nothing else removes it. */
function removeAbandoned(target: string): void {
  const folder = dirname(target);
  if (!existsSync(folder)) return;
  const start = `.${basename(target)}.`;
  for (const name of readdirSync(folder)) {
    const [, pid] =
      (name.startsWith(start) && /^(\d+)\.partial(?:-journal|-wal|-shm)?$/.exec(name.slice(start.length))) || [];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

async function copy(file: string, partial: string, onProgress: BackupOptions["onProgress"]): Promise<void> {
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    // The open read transaction sees one moment. Without it, each commit of the server would make the copying start
    // again, and under load the copying would never end.
    source.exec("BEGIN");
    source.prepare("SELECT count(*) FROM meta").get();
  } catch (error) {
    source?.close();
    throw storeFault(error, file);
  }
  try {
    await backup(source, partial, {
      rate: pagesAtOnce,
      progress: ({ totalPages, remainingPages }) => onProgress?.(1 - remainingPages / Math.max(1, totalPages)),
    });
  } finally {
    source.close();
  }
}

/**
 * Checks that the copy is whole and of this workflow, and makes it one file that needs no log beside it. That is in its
 * header, so `refuseForeignLog` knows the copy where it is put back.
 */
function check(partial: string, workflow: string): number {
  const db = new DatabaseSync(partial);
  try {
    db.exec("PRAGMA journal_mode = DELETE");
    const [row] = db.prepare("PRAGMA quick_check(1)").all();
    if (row?.quick_check !== "ok") {
      throw new CauceError(
        "store_corrupt",
        `the store of "${workflow}" is damaged (${row?.quick_check}); the backup was not kept`,
      );
    }
    const owner = readMeta(db, "workflow");
    if (owner !== workflow) {
      throw new CauceError("store_mismatch", `${workflow}.db holds the workflow "${owner}"; the backup was not kept`);
    }
    return Number(db.prepare("SELECT count(*) AS n FROM orders").get()?.n);
  } finally {
    db.close();
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
