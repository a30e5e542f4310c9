import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { CauceError } from "../../core/errors.ts";
import type { Output } from "../output.ts";
import {
  type Beginning,
  beginningOf,
  checkWritable,
  hasChanged,
  type Input,
  openInput,
  openRefused,
  type Progress,
  type RefusedFile,
  readProgress,
  writeProgress,
} from "./files.ts";
import { type Format, nameOf, rowsOf } from "./lines.ts";
import { type Counts, createMeter, describeCounts, type Meter } from "./meter.ts";
import type { Row } from "./rows.ts";
import { type Batches, batchesOf, createSender, deliver, type Target } from "./sender.ts";

export interface ImportOptions {
  /** `-` for standard input. */
  readonly file: string;
  readonly target: Target;
  readonly format: Format;
  /** What the keys of the lines are made of. Default: the file's content; for a stream a new one for each run. */
  readonly source: string | undefined;
  readonly restart: boolean;
  /** Default: `FILE.cauce-progress`. */
  readonly progressFile: string | undefined;
  /** Default: `FILE.refused.ndjson`. */
  readonly refusedFile: string | undefined;
  readonly retrySeconds: number;
  readonly json: boolean;
}

export interface Surroundings {
  readonly output: Output;
  /** Where a bar can be drawn. */
  readonly terminal: NodeJS.WriteStream | undefined;
  readonly stdin: Readable;
  /** Aborts to stop early; its reason is the signal's name. */
  readonly stop: AbortSignal;
}

// The documentation of the route asks it of clients that do not read while they send: behind some proxies nobody can.
const batchMax = { rows: 10_000, characters: 4_194_304 };
const idleSeconds = 60;
const progressMilliseconds = 1_000;

/**
 * Places the lines of a file, in their order. Resolves when every line is placed. Throws `import_refused` when some
 * were refused, `interrupted` when it was stopped, `import_unreadable`, `import_mismatch`, `setting_invalid` for a
 * mapping that does not fit, `unreachable`, and what the server answers to a request as a whole.
 */
export async function importFile(options: ImportOptions, surroundings: Surroundings): Promise<void> {
  const { output, terminal, stop } = surroundings;
  const input = await openInput(options.file, surroundings.stdin);
  const paths = pathsOf(options);
  const beginning = begin(input, options, paths.progress);
  const { source, from } = beginning;
  const delimiter = options.format.kind === "csv" ? options.format.delimiter : ",";
  const refused = openRefused(paths.refused, { bytes: from?.refusedBytes ?? 0, delimiter });
  const tally = createTally(from, refused);
  const totalBytes = input.kind === "file" ? input.sizeBytes : undefined;
  const start = { bytes: from?.bytes ?? 0, lines: tally.counts().lines };
  const meter = createMeter({ output, terminal, totalBytes, start });
  let headerBytes = from?.headerBytes ?? 0;
  const batches = batchesOf(
    rowsOf(input, options.format, beginning, (bytes) => (headerBytes = bytes)),
    batchMax,
  );

  const save = (complete: boolean): void => {
    if (input.kind === "stream") return;
    const { sha256, sizeBytes } = input;
    const { lines: _, ...counts } = tally.counts();
    const { bytes, line } = tally.position();
    // The last line may lack the newline that is counted with it.
    const at = { bytes: Math.min(bytes, sizeBytes), line, headerBytes, refusedBytes: refused.bytes };
    const how = { source, target: options.target.url, format: nameOf(options.format) };
    writeProgress(paths.progress, { ...how, sizeBytes, sha256, complete, ...at, ...counts });
  };

  let failed = true;
  try {
    explainStart(meter, input, options, beginning);
    await sendAll(batches, { options, stop, tally, meter, save });
    failed = false;
  } finally {
    batches.close();
    if (input.kind === "stream") input.stream.destroy();
    meter.stop();
    refused.close();
    const counts = tally.counts();
    // What stopped before its first line leaves nothing that another run would have to agree with.
    if (counts.lines > 0 || !failed) {
      output.out(options.json ? `${JSON.stringify(counts)}\n` : `${describeCounts(counts)}\n`);
      save(!failed && !stop.aborted);
    }
  }
  if (stop.aborted) throw interrupted(input, options, tally, stop.reason);
  if (await hasChanged(input))
    output.err(`${options.file} was changed during the import; what is new in it was not read\n`);
  const { refused: refusals, lines } = tally.counts();
  if (refusals > 0) {
    throw new CauceError(
      "import_refused",
      `${refusals} of ${lines} lines were refused; ${paths.refused} has each with its problem`,
    );
  }
}

/** Sends until the input ends or it is stopped; what is under way then is answered first. */
async function sendAll(
  batches: Batches,
  {
    options,
    stop,
    tally,
    meter,
    save,
  }: { options: ImportOptions; stop: AbortSignal; tally: Tally; meter: Meter; save: (complete: boolean) => void },
): Promise<void> {
  const { target, retrySeconds } = options;
  const sender = createSender({ url: `${target.url}/batch`, key: target.key, idleSeconds });
  // Not a race with each batch: a promise that outlives them all would keep every one of them in memory.
  stop.addEventListener("abort", () => {
    batches.close();
    meter.note("stopping: waits for the answers to what was sent");
  });
  const onTrouble = (what: string) =>
    meter.note(`${target.url}: ${what}; tries again until ${retrySeconds} s have passed without an answer`);
  let savedAt = performance.now();
  try {
    while (!stop.aborted) {
      const rows = await batches.next();
      if (rows === undefined) return;
      let done = 0;
      const onResults = (): void => {
        done = tally.take(rows, done);
        meter.update(tally.position().bytes, tally.counts());
        if (performance.now() - savedAt < progressMilliseconds) return;
        savedAt = performance.now();
        save(false);
      };
      await deliver(rows, { sender, stop, retrySeconds, onTrouble, onResults });
      onResults();
    }
  } finally {
    sender.close();
  }
}

function begin(input: Input, options: ImportOptions, progressPath: string): Beginning {
  const { source, target, format, restart } = options;
  if (input.kind === "stream") return { source: source ?? `import-${randomUUID()}`, from: undefined };
  checkWritable(progressPath);
  const progress = readProgress(progressPath, { restart });
  return beginningOf(input, progress, { source, target: target.url, format: nameOf(format), restart });
}

function pathsOf({ file, progressFile, refusedFile }: ImportOptions): { progress: string; refused: string } {
  const name = file === "-" ? "stdin" : file;
  const progress = progressFile ?? `${name}.cauce-progress`;
  const refused = refusedFile ?? `${name}.refused.ndjson`;
  if (new Set([file, progress, refused].map((path) => resolve(path))).size < 3) {
    throw new CauceError("setting_invalid", "FILE, --progress and --refused must be three different files");
  }
  return { progress, refused };
}

function explainStart(meter: Meter, input: Input, { source }: ImportOptions, { from }: Beginning): void {
  if (from !== undefined) meter.note(`goes on after line ${from.line}, where the last run ended`);
  if (input.kind === "stream" && source === undefined) {
    meter.note("a stream cannot be resumed, and another run places its lines again, unless each has the same --source");
  }
}

function interrupted(input: Input, { source }: ImportOptions, tally: Tally, reason: unknown): CauceError {
  const { line } = tally.position();
  const next =
    input.kind === "file"
      ? "the same command goes on from there"
      : source === undefined
        ? "leave out the lines up to it to go on"
        : "the same command with the same input goes on, and places nothing twice";
  const message = `stopped after line ${line}, all that was sent being answered; ${next}`;
  return new CauceError("interrupted", message, { cause: reason });
}

/** How far an import is, and what came of its lines, over all of its runs. */
export interface Tally {
  /**
   * Takes the rows in their order, as far as each has an result, and gives how many. A row behind one that is still
   * open waits: a run that ends before it sends both again, and would count it twice.
   */
  take(rows: readonly Row[], from: number): number;
  counts(): Counts;
  position(): Pick<Progress, "bytes" | "line">;
}

export function createTally(from: Progress | undefined, refused: RefusedFile): Tally {
  const startedAt = performance.now();
  let { placed = 0, repeated = 0, refused: refusals = 0, bytes = 0, line = 0 } = from ?? {};
  return {
    take(rows, first) {
      let at = first;
      for (let row = rows[at]; row?.result !== undefined; row = rows[++at]) {
        if (typeof row.result !== "string") refused.add(row, row.result);
      }
      // First: a line that could not be written down must come again, so it does not count.
      refused.flush();
      for (let counted = first; counted < at; counted++) {
        const { result, end, endLine } = rows[counted] as Row;
        if (result === "placed") placed++;
        else if (result === "repeated") repeated++;
        else refusals++;
        bytes = end;
        line = endLine;
      }
      return at;
    },
    counts() {
      const seconds = (from?.seconds ?? 0) + (performance.now() - startedAt) / 1_000;
      const lines = placed + repeated + refusals;
      return { placed, repeated, refused: refusals, lines, seconds: Number(seconds.toFixed(3)) };
    },
    position: () => ({ bytes, line }),
  };
}
