import { accessSync, constants, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { CauceError } from "../../core/errors.ts";
import type { Input } from "./input.ts";

/** What `FILE.cauce-progress` holds. It stays after the end, to notice that the file was edited since. */
export interface Progress {
  /** What the keys of the lines are made of. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Where to, such as `http://127.0.0.1:3000/orders`. */
  readonly target: string;
  /** How the file is read: its kind and mapping. */
  readonly format: string;
  readonly complete: boolean;
  /** How far all lines have an outcome. */
  readonly bytes: number;
  readonly line: number;
  /** The bytes of a CSV file's header; 0 for others. */
  readonly headerBytes: number;
  /** The bytes of the file of refused lines. What comes after them belongs to lines that will be sent again. */
  readonly refusedBytes: number;
  readonly placed: number;
  readonly repeated: number;
  readonly refused: number;
  readonly seconds: number;
}

/** Where an import begins, and what its keys are made of. */
export interface Beginning {
  readonly source: string;
  /** Undefined: at the first line. */
  readonly from: Progress | undefined;
}

/** Undefined where there is none. Throws `import_unreadable` for what is no progress, unless that does not matter. */
export function readProgress(path: string, { restart }: { restart: boolean }): Progress | undefined {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as Progress;
    if (typeof value?.source === "string" && Number.isSafeInteger(value.bytes)) return value;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
  }
  if (restart) return undefined;
  throw new CauceError("import_unreadable", `${path} cannot be read as progress; begin anew with --restart`);
}

/** Written whole and then put in place, so that a process that dies leaves the one before. Throws `import_unreadable`. */
export function writeProgress(path: string, progress: Progress): void {
  const next = `${path}.next`;
  try {
    writeFileSync(next, `${JSON.stringify(progress, undefined, 2)}\n`);
    renameSync(next, path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** So that it is not found out after the first second. Throws `import_unreadable`. */
export function checkWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): CauceError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return new CauceError("import_unreadable", `${path} cannot be written (${code}); name another with --progress`);
}

/**
 * Goes on where the progress says, or begins. Throws `import_mismatch` where it tells of another file or another
 * import, and going on would leave lines out or place them twice.
 */
export function beginningOf(
  file: Extract<Input, { kind: "file" }>,
  progress: Progress | undefined,
  wanted: { source: string | undefined; target: string; format: string; restart: boolean },
): Beginning {
  const same = progress !== undefined && progress.sha256 === file.sha256;
  // As many bits as a UUID has; the whole of it would make every request a fifth larger.
  const own = `import-${file.sha256.slice(0, 32)}`;
  const source = wanted.source ?? (same ? progress.source : own);
  const refuse = (what: string): never => {
    throw new CauceError("import_mismatch", what);
  };
  // The same file under the keys that it had: beginning anew must not place it twice.
  if (progress === undefined || wanted.restart) return { source, from: undefined };
  if (!same) {
    if (wanted.source !== undefined) return { source, from: undefined };
    return refuse(
      `${file.path} is no longer the file whose import its progress tells of; to place only the lines that are new or corrected, give --source ${progress.source}; to import all of it as another file, give --restart`,
    );
  }
  if (progress.complete) return { source, from: undefined };
  const differs =
    (progress.target !== wanted.target && `went to ${progress.target}`) ||
    (progress.source !== source && `had --source ${progress.source}`) ||
    (progress.format !== wanted.format && "read the file in another way (--envelopes, --csv or the mapping)");
  if (differs) refuse(`the import of ${file.path} that was interrupted ${differs}; go on like that, or give --restart`);
  return { source, from: progress };
}
