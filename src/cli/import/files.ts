/** The files of an import: what is imported, how far it is, and the lines that were refused. */
import { createHash, randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { CauceError } from "../../core/errors.ts";
import { systemCode } from "../output.ts";
import type { Problem, Row } from "./sender.ts";

/** What is imported: a file that can be read again, or a stream that comes once. */
export type Input = InputFile | Readable;

interface InputFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedAt: number;
  /** Of all of its bytes, in hex: the same file is known by it wherever it lies. */
  readonly sha256: string;
}

const chunkBytes = 65_536;

/**
 * Opens what is imported. `-` and named pipes are streams.
 * @throws `import_unreadable`
 */
export async function openInput(path: string, stdin: Readable): Promise<Input> {
  if (path === "-") return stdin;
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new CauceError("import_unreadable", `${path} is a directory; give a file in it`);
    if (!found.isFile()) return fs.createReadStream(path);
    const hash = createHash("sha256");
    for await (const chunk of fs.createReadStream(path, { highWaterMark: chunkBytes })) hash.update(chunk);
    return { path, sizeBytes: found.size, modifiedAt: found.mtimeMs, sha256: hash.digest("hex") };
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Reads the input's bytes: of a file those up to the size that it had, without what is `skipped` in its middle. */
export async function* readChunks(input: Input, skipped = { from: 0, to: 0 }): AsyncGenerator<Buffer> {
  if (input instanceof Readable) return yield* input;
  const { path, sizeBytes } = input;
  for (const [start, before] of [
    [0, skipped.from],
    [skipped.to, sizeBytes],
  ] as const) {
    if (start >= before) continue;
    try {
      yield* fs.createReadStream(path, { start, end: before - 1, highWaterMark: chunkBytes });
    } catch (error) {
      throw unreadable(path, error);
    }
  }
}

/** Whether a file is no longer what it was when it was opened. */
export async function hasChanged(input: Input): Promise<boolean> {
  if (input instanceof Readable) return false;
  const now = await stat(input.path).catch(() => undefined);
  return now?.size !== input.sizeBytes || now.mtimeMs !== input.modifiedAt;
}

function unreadable(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof CauceError || code === undefined) return error;
  const what = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
  return new CauceError("import_unreadable", `${path}: ${what}; check the path and its rights`);
}

/** How far an import is and what came of its lines, over all of its runs. */
export interface ImportResult {
  placed: number;
  repeated: number;
  refused: number;
  seconds: number;
  /** The bytes of the input up to the last line that counts. Every line before it has a result. */
  bytes: number;
  line: number;
  /** The bytes of a CSV file's header; 0 for others. */
  headerBytes: number;
  /** The bytes of the file of refused lines. What comes after them belongs to lines that will be sent again. */
  refusedBytes: number;
}

/** Contents of `FILE.cauce-progress`. The file stays after the end, to notice that what was imported was edited since. */
interface Progress extends Readonly<ImportResult> {
  /** What the keys of the lines are made of. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Where to, such as `http://127.0.0.1:3000/orders`. */
  readonly target: string;
  /** How the file is read: its kind and mapping. */
  readonly format: string;
  readonly complete: boolean;
}

/** Where an import begins, and what its keys are made of. */
export interface Beginning {
  readonly source: string;
  /** Undefined at the first line. */
  readonly from: Progress | undefined;
}

/**
 * Goes on where the progress of an earlier run says, or begins.
 * @throws `import_mismatch` if the progress tells of another file or another import: going on would leave lines out or
 * place them twice; `import_unreadable`
 */
export function begin(
  input: Input,
  progressFile: string,
  wanted: Pick<Progress, "target" | "format"> & {
    readonly source?: string | undefined;
    readonly restart?: boolean | undefined;
  },
): Beginning {
  if (input instanceof Readable) return { source: wanted.source ?? `import-${randomUUID()}`, from: undefined };
  // Checked before the first line is sent.
  writing(progressFile, "--progress", () => fs.accessSync(dirname(progressFile), fs.constants.W_OK));
  const progress = readProgress(progressFile, wanted.restart === true);
  const isSame = progress?.sha256 === input.sha256;
  // As many bits as a UUID has. All of them would make every request a fifth larger.
  const own = `import-${input.sha256.slice(0, 32)}`;
  // The same file keeps its keys: with --restart it must not be placed twice.
  const source = wanted.source ?? (isSame ? progress.source : own);
  if (progress === undefined || wanted.restart) return { source, from: undefined };
  const refuse = (what: string): never => {
    throw new CauceError("import_mismatch", what);
  };
  if (!isSame) {
    if (wanted.source !== undefined) return { source, from: undefined };
    return refuse(
      `${input.path} has changed since the import that ${progressFile} tells of; to place only the lines that are new or corrected, give --source ${progress.source}; to import the whole file as another one, give --restart`,
    );
  }
  if (progress.complete) return { source, from: undefined };
  const differs =
    (progress.target !== wanted.target && `went to ${progress.target}`) ||
    (progress.source !== source && `had --source ${progress.source}`) ||
    (progress.format !== wanted.format && "read the file in another way (--envelopes, --csv or the mapping)");
  if (differs) refuse(`the interrupted import of ${input.path} ${differs}; go on in the same way, or give --restart`);
  return { source, from: progress };
}

/** Reads the progress of an earlier run; undefined if there is none. With `restart`, a file that is no progress is none. */
function readProgress(path: string, restart: boolean): Progress | undefined {
  try {
    const value = JSON.parse(fs.readFileSync(path, "utf8")) as Progress;
    if (typeof value?.source === "string" && Number.isSafeInteger(value.bytes)) return value;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
  }
  if (restart) return undefined;
  throw new CauceError(
    "import_unreadable",
    `${path} cannot be read as progress; begin at the first line with --restart`,
  );
}

// Refused lines hold what orders hold.
const ownerOnly = 0o600;

/**
 * Replaces the progress in one step: a process that dies meanwhile leaves the earlier progress.
 * @throws `import_unreadable`
 */
export function writeProgress(path: string, progress: Progress): void {
  writing(path, "--progress", () => {
    fs.writeFileSync(`${path}.next`, `${JSON.stringify(progress, undefined, 2)}\n`, { mode: ownerOnly });
    fs.renameSync(`${path}.next`, path);
  });
}

/** Writes a file. What the system refuses becomes `import_unreadable`, with the flag that names another file. */
function writing<T>(path: string, flag: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const what = `${path} cannot be written (${systemCode(error)}); name another file with ${flag}`;
    throw new CauceError("import_unreadable", what);
  }
}

export type RefusedFile = ReturnType<typeof openRefused>;

/**
 * Opens the file of refused lines, which is made with the first of them. Keeps the first `keptBytes` of what an earlier
 * run wrote.
 * @throws `import_unreadable`
 */
export function openRefused(path: string, delimiter: string, keptBytes: number) {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  // Devices and pipes are only written to. Removing one, such as /dev/null, would take it from every process.
  const isSpecial = found !== undefined && !found.isFile() && !found.isDirectory();
  // The file may have been removed or cut since.
  let bytes = isSpecial ? 0 : Math.min(keptBytes, found?.size ?? 0);
  let file: number | undefined;
  const attempt = <T>(work: () => T): T => writing(path, "--refused", work);
  const open = (): number => {
    // Not "a": what a run that died wrote past its progress is written again.
    const opened = fs.openSync(path, bytes === 0 ? "w" : "r+", ownerOnly);
    if (!isSpecial) fs.ftruncateSync(opened, bytes);
    return opened;
  };
  if (bytes > 0) file = attempt(open);
  else if (!isSpecial) attempt(() => fs.rmSync(path, { force: true }));

  return {
    /** Appends those of the rows that were refused. Returns the bytes of the file. */
    write(rows: readonly Row[]): number {
      const lines = rows.flatMap(({ line, raw, result }) =>
        typeof result === "object" ? [refusedLine(line, raw, result, delimiter)] : [],
      );
      if (lines.length === 0) return bytes;
      const buffer = Buffer.from(lines.join(""));
      const to = (file ??= attempt(open));
      for (let at = 0; at < buffer.length; ) {
        at += attempt(() => fs.writeSync(to, buffer, at, buffer.length - at, isSpecial ? null : bytes + at));
      }
      // All or nothing: after a half line the next run would go on behind it.
      bytes += buffer.length;
      return bytes;
    },
    close(): void {
      if (file !== undefined) fs.closeSync(file);
    },
  };
}

function refusedLine(line: number, raw: Row["raw"], { code, detail, errors }: Problem, delimiter: string): string {
  const text = typeof raw === "string" ? raw : raw.map((cell) => quoted(cell, delimiter)).join(delimiter);
  return `${JSON.stringify({ line, problem: { code, detail, errors }, text })}\n`;
}

/** Puts a cell into quotes where CSV needs them. */
function quoted(cell: string, delimiter: string): string {
  return /["\n\r]/.test(cell) || cell.includes(delimiter) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
