import { DatabaseSync } from "node:sqlite";
import { CauceError } from "../../core/errors.ts";
import { storeFault } from "./faults.ts";

const busy = 5;

/**
 * Takes the data for this process: an exclusive transaction on a database of its own, held open. The operating system
 * drops it with the process, however that ends, so no stale lock is ever left. Throws `data_in_use`.
 */
export function lockData(file: string, directory: string): { release(): void } {
  let db: DatabaseSync | undefined;
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
  const held = db;
  return { release: () => held.close() };
}
