import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { CauceError } from "../../core/errors.ts";
import { messageOf } from "../../core/reasons.ts";

// SQLite's file format (sqlite.org/fileformat2.html, sections 1.3 and 3): the header of a database and of a rollback
// journal. Numbers are big-endian.
const headerBytes = 100;
const journalHeaderBytes = 28;
const formatOfLog = 2;

/**
 * Refuses a backup that was put back beside the log of the store that was there before: SQLite would write that log into
 * the backup. `backupStore` marks a copy by the format version in its header, 1, and the first opening writes 2 there
 * before it writes any log. So a log beside a file of version 1 belongs to another file. Throws `store_log_foreign`.
 *
 * SQLite must not have opened the file in this process: closing a file ends every lock that the process has on it.
 */
export function refuseForeignLog(file: string): void {
  const header = readStart(file, headerBytes);
  if (header === undefined || header[18] === formatOfLog) return;
  const [wal, journal] = [`${file}-wal`, `${file}-journal`];
  // SQLite takes an empty log, and a journal that begins with a zero, as none.
  const hasLog = (statSync(wal, { throwIfNoEntry: false })?.size ?? 0) > 0;
  const isHot = (readStart(journal, 1)?.[0] ?? 0) !== 0;
  if (!hasLog && !(isHot && changesFile(journal, file, header))) return;
  const left = [wal, `${file}-shm`, journal].filter((each) => existsSync(each));
  throw new CauceError(
    "store_log_foreign",
    `${file} is a backup that was put back, and the log beside it is of the store that was there before; delete ${left.join(" and ")}, and start again`,
  );
}

/**
 * Tells whether rolling the journal back would change the file. A kill during the first opening leaves a journal that
 * holds the first page as it stands, and nothing else.
 */
function changesFile(journal: string, file: string, header: Buffer): boolean {
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const start = readStart(journal, journalHeaderBytes);
  if (start === undefined || start.readUInt32BE(24) !== pageBytes) return true;
  const [pages, sectorBytes] = [start.readUInt32BE(16), start.readUInt32BE(20)];
  // A record is the number of a page, the page, and a checksum.
  const record = sectorBytes + 4;
  if (statSync(journal).size !== record + pageBytes + 4 || statSync(file).size !== pages * pageBytes) return true;
  const [page, kept] = [readStart(file, pageBytes), readStart(journal, record + pageBytes)];
  return kept?.readUInt32BE(sectorBytes) !== 1 || page?.equals(kept.subarray(record)) !== true;
}

/** Reads the first bytes of a file. Undefined: there is no such file, or it is shorter. */
function readStart(path: string, bytes: number): Buffer | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  const start = Buffer.alloc(bytes);
  const descriptor = openToRead(path);
  try {
    return readSync(descriptor, start, 0, bytes, 0) === bytes ? start : undefined;
  } finally {
    closeSync(descriptor);
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const message = `${path} cannot be read (${messageOf(cause)}); give the process permission to the directory and its files`;
    throw new CauceError("store_unreadable", message, { cause });
  }
}
