import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { CauceError } from "../../core/errors.ts";

/** Makes a directory, and those above it, where they are missing. Throws `store_unreadable`. */
export function makeDirectory(folder: string): void {
  try {
    makeFrom(folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CauceError("store_unreadable", `${folder} cannot be made a directory (${reason}); give another one`, {
      cause,
    });
  }
}

/**
 * One step up for each part of the path, and no further. Node's own `recursive` goes up and down for ever where a
 * directory is there and says that a new one in it has no parent, as `/proc` does.
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
    mkdirSync(folder);
  } catch (error) {
    // It may be there already and lie where nothing can be made.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
