/** `cauce import`: places the lines of a file, and goes on where an earlier run was interrupted. */
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { CauceError } from "../../core/errors.ts";
import { jsonLine, type Output, wrongUsage } from "../output.ts";
import {
  begin,
  hasChanged,
  type ImportResult,
  openInput,
  openRefused,
  type RefusedFile,
  writeProgress,
} from "./files.ts";
import { countLines, createMeter, describeResult } from "./meter.ts";
import { type Format, readRows } from "./rows.ts";
import { createSender, deliver, type Row, readAhead, type Target } from "./sender.ts";

export interface ImportOptions {
  /** `-` for standard input. */
  readonly file: string;
  readonly target: Target;
  readonly format: Format;
  /** What the keys of the lines are made of. Default: the file's content; for a stream a new one for each run. */
  readonly source?: string | undefined;
  readonly restart?: boolean | undefined;
  /** Default: `FILE.cauce-progress`. */
  readonly progress?: string | undefined;
  /** The file of refused lines. Default: `FILE.refused.ndjson`. */
  readonly refused?: string | undefined;
  readonly retrySeconds: number;
  readonly json?: boolean | undefined;
}

interface Surroundings {
  readonly output: Output;
  /** Where a bar can be drawn. */
  readonly terminal: NodeJS.WriteStream | undefined;
  readonly stdin: Readable;
  /** Aborts to stop early; its reason is the signal's name. */
  readonly stop: AbortSignal;
}

// The route's documentation asks for small requests from clients that do not read while they send. Behind some proxies
// no client can read before it has sent everything.
const requestMax = { rows: 10_000, characters: 4_194_304 };
const progressMilliseconds = 1_000;

const nothing: ImportResult = {
  ...{ placed: 0, repeated: 0, refused: 0, seconds: 0 },
  ...{ bytes: 0, line: 0, headerBytes: 0, refusedBytes: 0 },
};

/**
 * Places the lines of a file, in their order. Resolves when every line is placed.
 * @throws `import_refused` if lines were refused; `interrupted` if it was stopped; `import_unreadable`;
 * `import_mismatch`; `setting_invalid` for a mapping that does not fit; `unreachable`; what the server answers to a
 * request as a whole.
 */
export async function importFile(options: ImportOptions, surroundings: Surroundings): Promise<void> {
  const { file, target, retrySeconds } = options;
  const { output, stop } = surroundings;
  const input = await openInput(file, surroundings.stdin);
  const knownFile = input instanceof Readable ? undefined : input;
  const paths = choosePaths(options);
  const delimiter = options.format.kind === "csv" ? options.format.delimiter : ",";
  const format = JSON.stringify(options.format);
  const beginning = begin(input, paths.progress, { ...options, target: target.url, format });
  const { source, from } = beginning;
  const refusedFile = openRefused(paths.refused, delimiter, from?.refusedBytes ?? 0);
  const result: ImportResult = { ...nothing, ...from };
  const meter = createMeter(surroundings, knownFile?.sizeBytes, result);
  const rows = readRows(input, options.format, beginning, (bytes) => (result.headerBytes = bytes));

  const startedAt = performance.now();
  const secondsSoFar = () => Number(((from?.seconds ?? 0) + (performance.now() - startedAt) / 1_000).toFixed(3));
  let savedAt = startedAt;
  const save = (complete: boolean): void => {
    if (knownFile === undefined) return;
    savedAt = performance.now();
    const { sha256, sizeBytes } = knownFile;
    // The last line may lack the newline that is counted with it.
    const bytes = Math.min(result.bytes, sizeBytes);
    const identity = { source, sizeBytes, sha256, target: target.url, format };
    writeProgress(paths.progress, { ...result, seconds: secondsSoFar(), bytes, ...identity, complete });
  };
  stop.addEventListener("abort", () => meter.note("stopping: waiting for the answers to the lines that were sent"));
  const onTrouble = (what: string) =>
    meter.note(`${target.url}: ${what}; trying again until ${retrySeconds} s have passed without an answer`);

  let failed = true;
  const sender = createSender({ ...target, url: `${target.url}/batch` });
  try {
    if (from !== undefined) meter.note(`going on after line ${from.line}, where the last run ended`);
    if (knownFile === undefined && options.source === undefined) {
      meter.note(
        "a stream cannot be resumed; another run places its lines again, unless both runs have the same --source",
      );
    }
    for await (const batch of readAhead(rows, requestMax, stop)) {
      let taken = 0;
      const onResults = (): void => {
        taken = takeResults(result, batch, taken, refusedFile);
        meter.update(result);
        if (performance.now() - savedAt >= progressMilliseconds) save(false);
      };
      await deliver(batch, sender, { stop, retrySeconds, onTrouble, onResults });
    }
    failed = false;
  } finally {
    sender.close();
    if (input instanceof Readable) input.destroy();
    meter.stop();
    refusedFile.close();
    // A run that failed before its first line leaves no progress that another run would have to agree with.
    if (countLines(result) > 0 || !failed) {
      const seconds = secondsSoFar();
      const { placed, repeated, refused } = result;
      const counts = { placed, repeated, refused, lines: countLines(result), seconds };
      output.out(options.json ? jsonLine(counts) : `${describeResult({ ...result, seconds })}\n`);
      save(!failed && !stop.aborted);
    }
  }
  if (stop.aborted) throw interrupted(knownFile !== undefined, options.source, result.line, stop.reason);
  if (await hasChanged(input)) output.err(`${file} changed during the import, which has not read what is new in it\n`);
  if (result.refused > 0) {
    const what = `${result.refused} of ${countLines(result)} lines were refused`;
    throw new CauceError("import_refused", `${what}; ${paths.refused} has each with its problem`);
  }
}

/**
 * Takes the results of rows in their order, from the index `first` up to the first row without a result, and returns
 * that row's index. A row behind one without a result waits: a run that ends before would send both again, and count it
 * twice.
 */
function takeResults(result: ImportResult, rows: readonly Row[], first: number, refusedFile: RefusedFile): number {
  let end = first;
  while (rows[end]?.result !== undefined) end++;
  const taken = rows.slice(first, end);
  // Written first: a line that could not be written down must come again, so it does not count.
  result.refusedBytes = refusedFile.write(taken);
  for (const row of taken) {
    result[typeof row.result === "string" ? row.result : "refused"]++;
    result.bytes = row.end;
    result.line = row.endLine;
  }
  return end;
}

/** Chooses the files of progress and of refused lines. */
function choosePaths({ file, progress, refused }: ImportOptions): { progress: string; refused: string } {
  const name = file === "-" ? "stdin" : file;
  const paths = { progress: progress ?? `${name}.cauce-progress`, refused: refused ?? `${name}.refused.ndjson` };
  if (new Set([file, paths.progress, paths.refused].map((path) => resolve(path))).size === 3) return paths;
  throw wrongUsage("FILE, --progress and --refused must be three different files");
}

function interrupted(isFile: boolean, source: string | undefined, line: number, reason: unknown): CauceError {
  const next = isFile
    ? "the same command goes on from there"
    : source === undefined
      ? "to go on, leave out the lines up to that one"
      : "the same command with the same input goes on, and places nothing twice";
  const message = `stopped after line ${line}, with an answer to every line that was sent; ${next}`;
  return new CauceError("interrupted", message, { cause: reason });
}
