import { closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CauceError, type ErrorCode } from "../../core/errors.ts";
import { messageOf } from "../../core/reasons.ts";

const ownerOnly = { directory: 0o700, file: 0o600 } as const;

/**
 * Makes a directory, and the directories above it, where they are missing. No other user may look into what it makes:
 * orders hold personal data. Throws `store_unreadable`.
 */
export function makeDirectory(folder: string): void {
  try {
    makeFrom(folder);
  } catch (cause) {
    throw new CauceError(
      "store_unreadable",
      `${folder} cannot be made a directory (${messageOf(cause)}); give another one`,
      {
        cause,
      },
    );
  }
}

/**
 * Goes one step up for each part of the path, and no further. Node's own `recursive` never ends where a directory exists
 * and answers that a new directory in it has no parent, as `/proc` does.
 */
function makeFrom(folder: string): void {
  try {
    makeOne(folder);
  } catch (error) {
    const parent = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === folder) throw error;
    makeFrom(parent);
    makeOne(folder);
  }
}

function makeOne(folder: string): void {
  try {
    mkdirSync(folder, ownerOnly.directory);
  } catch (error) {
    // The directory may exist already, in a place where nothing can be made.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/**
 * Makes a file that no other user may read, where it is missing. SQLite gives the files beside it the same mode. It does
 * not open a file that is there: closing that would end the locks that this process has on it.
 */
export function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", ownerOnly.file));
  } catch {
    // It is there, or cannot be made. SQLite opens it next, and its error says what is wrong.
  }
}

/** Whether other users of the machine may read the file: its mode and that of its directory let them. Not on Windows. */
export function isOpenToOthers(file: string): boolean {
  if (process.platform === "win32") return false;
  const [mode, above] = [file, dirname(file)].map((path) => statSync(path, { throwIfNoEntry: false })?.mode ?? 0);
  return isGroupAllowed(mode, above) || isWorldAllowed(mode, above);
}

const isGroupAllowed = (mode = 0, above = 0): boolean => (mode & 0o040) !== 0 && (above & 0o010) !== 0;
const isWorldAllowed = (mode = 0, above = 0): boolean => (mode & 0o004) !== 0 && (above & 0o001) !== 0;

const busy = 5;

/**
 * Locks the data for this process: keeps an exclusive transaction open on a database of its own. The operating system
 * drops the lock with the process, however the process ends, so no stale lock is ever left. Throws `data_in_use`.
 */
export function lockData(file: string, directory: string): { release(): void } {
  let db: DatabaseSync | undefined;
  makeFile(file);
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    if ((error as { errcode?: number }).errcode === busy) {
      throw new CauceError(
        "data_in_use",
        `${directory} is in use by another process; stop that one first, or give this one another directory`,
      );
    }
    throw storeFault(error, file);
  }
  const lock = db;
  return { release: () => lock.close() };
}

// SQLite's primary result codes (sqlite.org/rescode.html).
const codes: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ["store_unavailable", "is locked by another program; close whatever else has it open"],
  6: ["store_unavailable", "is locked by another program; close whatever else has it open"],
  8: ["store_unreadable", "is read-only; give the process write permission to the directory and its files"],
  10: ["store_unavailable", "could not be read or written; look at the disk"],
  11: ["store_corrupt", "is damaged; restore it from a backup"],
  13: ["store_full", "cannot grow: the disk is full; free some space"],
  14: ["store_unreadable", "cannot be opened; check that the directory exists and can be written"],
  26: ["store_corrupt", "is no SQLite database; restore it from a backup, or give another directory"],
};

/** Makes an error of Cauce, on one line, from a fault of SQLite or of the file system. */
export function storeFault(error: unknown, file: string): CauceError {
  if (error instanceof CauceError) return error;
  const errcode = (error as { errcode?: number }).errcode;
  const known = errcode === undefined ? undefined : codes[errcode & 0xff];
  const [code, what] = known ?? (["store_unavailable", "failed"] as const);
  return new CauceError(code, `${file} ${what} (${messageOf(error)})`, {
    cause: error,
  });
}
