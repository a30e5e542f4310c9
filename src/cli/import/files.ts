import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { CauceError } from "../../core/errors.ts";
import type { Problem, Row } from "./rows.ts";

/** What is imported: a file that can be read again, or a stream that comes once. */
export type Input =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly sizeBytes: number;
      readonly modifiedAt: number;
      /** Of all of its bytes, in hex: the same file is known by it wherever it lies. */
      readonly sha256: string;
    }
  | { readonly kind: "stream"; readonly stream: Readable };

const chunkBytes = 65_536;

/** Throws `import_unreadable`. A pipe that has a name is a stream too. */
export async function openInput(path: string, stdin: Readable): Promise<Input> {
  if (path === "-") return { kind: "stream", stream: stdin };
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new CauceError("import_unreadable", `${path} is a directory; give a file in it`);
    if (!found.isFile()) return { kind: "stream", stream: createReadStream(path) };
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) hash.update(chunk);
    return { kind: "file", path, sizeBytes: found.size, modifiedAt: found.mtimeMs, sha256: hash.digest("hex") };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The input's bytes: of a file those up to the size that it had, without what is cut out of its middle. */
export async function* chunksOf(input: Input, cut?: { from: number; to: number }): AsyncGenerator<Buffer> {
  if (input.kind === "stream") {
    for await (const chunk of input.stream) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    return;
  }
  const { path, sizeBytes } = input;
  const { from = 0, to = 0 } = cut ?? {};
  for (const [start, before] of [
    [0, from],
    [to, sizeBytes],
  ] as const) {
    if (start >= before) continue;
    try {
      yield* createReadStream(path, { start, end: before - 1, highWaterMark: chunkBytes });
    } catch (error) {
      throw unreadable(path, error);
    }
  }
}

/** Whether a file is no longer what it was when it was opened. */
export async function hasChanged(input: Input): Promise<boolean> {
  if (input.kind === "stream") return false;
  const now = await stat(input.path).catch(() => undefined);
  return now?.size !== input.sizeBytes || now.mtimeMs !== input.modifiedAt;
}

function unreadable(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CauceError || code === undefined) return error;
  const what = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
  return new CauceError("import_unreadable", `${path}: ${what}; check the path and its rights`);
}

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
  /** How far all lines have a result. */
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

/** The file of refused lines, made with the first of them. */
export interface RefusedFile {
  add(row: Row, problem: Problem): void;
  /** Writes what was added. */
  flush(): void;
  readonly bytes: number;
  close(): void;
}

/** Keeps the first `bytes` of what an earlier run wrote. Throws `import_unreadable`. */
export function openRefused(path: string, options: { bytes: number; delimiter: string }): RefusedFile {
  const found = statSync(path, { throwIfNoEntry: false });
  // Devices and pipes are only written to: a user with the right to would take /dev/null away from everybody.
  const special = found !== undefined && !found.isFile() && !found.isDirectory();
  // Somebody may have taken it away since.
  let bytes = special ? 0 : Math.min(options.bytes, found?.size ?? 0);
  let file: number | undefined;
  let waiting = "";
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const { code = String(error) } = error as NodeJS.ErrnoException;
      throw new CauceError("import_unreadable", `${path} cannot be written (${code}); name another with --refused`);
    }
  };
  const open = (): number => {
    // Not "a": what a run that died wrote past its progress is written again.
    const opened = openSync(path, bytes === 0 ? "w" : "r+");
    if (!special) ftruncateSync(opened, bytes);
    return opened;
  };
  if (bytes > 0) file = attempt(open);
  else if (!special) attempt(() => rmSync(path, { force: true }));

  return {
    add({ line, raw }, { code, detail, errors }) {
      const text = typeof raw === "string" ? raw : csvLine(raw, options.delimiter);
      waiting += `${JSON.stringify({ line, problem: { code, detail, errors }, text })}\n`;
    },
    flush() {
      if (waiting === "") return;
      const buffer = Buffer.from(waiting);
      waiting = "";
      const to = (file ??= attempt(open));
      for (let at = 0; at < buffer.length; ) {
        at += attempt(() => writeSync(to, buffer, at, buffer.length - at, special ? null : bytes + at));
      }
      // All or nothing: after a half line the next run would go on behind it.
      bytes += buffer.length;
    },
    get bytes() {
      return bytes;
    },
    close() {
      if (file !== undefined) closeSync(file);
    },
  };
}

function csvLine(cells: readonly string[], delimiter: string): string {
  return cells
    .map((cell) => (/["\n\r]/.test(cell) || cell.includes(delimiter) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(delimiter);
}
