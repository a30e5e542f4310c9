import { CauceError, type ErrorCode } from "../../core/errors.ts";

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

/** A fault of SQLite or of the file system as an error of Cauce, on one line. */
export function storeFault(error: unknown, file: string): CauceError {
  if (error instanceof CauceError) return error;
  const errcode = (error as { errcode?: number }).errcode;
  const known = errcode === undefined ? undefined : codes[errcode & 0xff];
  const [code, what] = known ?? (["store_unavailable", "failed"] as const);
  return new CauceError(code, `${file} ${what} (${error instanceof Error ? error.message : String(error)})`, {
    cause: error,
  });
}
