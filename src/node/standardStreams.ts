import { createLines, type Lines, streamSink } from "../engine/lines.ts";
import { tellDropped } from "../engine/log.ts";

/**
 * From now on, no write to a standard stream ends this process, holds it up or fills its memory, be it a banner or a
 * handler's `console.log`. What a stream does not take is dropped and counted, and a line on the stream says how much
 * is missing once it takes lines again.
 */
export function dropWhatIsNotTaken(): Pick<Lines, "dropped" | "settled"> {
  // The log's lines of JSON are on standard error.
  const both = [boundStream(process.stdout, tellPlainly), boundStream(process.stderr, tellDropped)];
  return {
    dropped: () => both.reduce((sum, { dropped }) => sum + dropped(), 0),
    settled: async (millisecondsMax) => void (await Promise.all(both.map(({ settled }) => settled(millisecondsMax)))),
  };
}

const tellPlainly = (lines: number): string => `(${lines} lines dropped)\n`;

function boundStream(
  stream: NodeJS.WriteStream & { readonly _handle?: Handle | null },
  tell: (lines: number) => string,
): Lines {
  // What others write in other ways, such as a pipe into the stream, has its errors here.
  stream.on("error", () => {});
  // Node writes to a terminal until the terminal has taken everything. One that is stopped (Ctrl+S, a stalled
  // connection) would stop this process. A pipe is written in this way already.
  if (stream.isTTY) stream._handle?.setBlocking?.(false);
  const lines = createLines(streamSink(stream), tell);
  stream.write = (chunk: Uint8Array | string, encoding?: unknown, callback?: unknown): boolean => {
    const done = typeof encoding === "function" ? encoding : callback;
    const text =
      typeof chunk === "string" && typeof encoding === "string"
        ? Buffer.from(chunk, encoding as BufferEncoding)
        : chunk;
    lines.write(text, typeof done === "function" ? () => done() : undefined);
    return !stream.writableNeedDrain;
  };
  return lines;
}

interface Handle {
  setBlocking?(isBlocking: boolean): void;
}
