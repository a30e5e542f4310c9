import type { CauceError } from "../core/errors.ts";
import { exceedsBytes } from "../core/size.ts";
import { notUtf8, tooLarge } from "./body.ts";

/** One line of a body, or why it cannot be read. */
export interface Line {
  /** From 1; lines that are empty are counted and left out. */
  readonly number: number;
  readonly text: string | CauceError;
}

const newline = 0x0a;

/**
 * The lines of a body, in groups as they come: all those that end in one chunk. Never holds more of it than one line at
 * its limit and one chunk. Ends early, without a word, where the client hangs up: nobody would hear it.
 */
export async function* linesOf(body: ReadableStream<Uint8Array>, bytesMax: number): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 0;
  let started: Uint8Array[] = [];
  let startedBytes = 0;
  const decode = (bytes: Uint8Array): string | CauceError => {
    try {
      return decoder.decode(bytes);
    } catch {
      return notUtf8();
    }
  };
  /** The line whose end is here, with what came of it before. */
  const end = (rest: Uint8Array): string | CauceError => {
    const bytes = startedBytes + rest.byteLength;
    const text =
      bytes > bytesMax ? tooLarge(bytesMax) : decode(startedBytes === 0 ? rest : Buffer.concat([...started, rest]));
    started = [];
    startedBytes = 0;
    return text;
  };
  const keep = (rest: Uint8Array): void => {
    startedBytes += rest.byteLength;
    // Past the limit only the count goes on, until the line ends.
    if (startedBytes > bytesMax) started = [];
    else if (rest.byteLength > 0) started.push(rest);
  };
  const add = (lines: Line[], text: string | CauceError): void => {
    number++;
    if (typeof text !== "string" || text.trim() !== "") lines.push({ number, text });
  };

  const reader = body.getReader();
  try {
    for (;;) {
      const value = await chunkOf(reader);
      if (value === "gone") return;
      if (value === "ended") break;
      const last = value.lastIndexOf(newline);
      if (last < 0) {
        keep(value);
        continue;
      }
      const lines: Line[] = [];
      const first = value.indexOf(newline);
      add(lines, end(value.subarray(0, first)));
      // One decoding for all whole lines; where one of them is no UTF-8, each by itself.
      const whole = first < last ? decode(value.subarray(first + 1, last)) : undefined;
      if (typeof whole === "string") {
        for (const text of whole.split("\n")) {
          add(lines, exceedsBytes(text, bytesMax) ? tooLarge(bytesMax) : text);
        }
      } else if (whole !== undefined) {
        for (let from = first + 1; from <= last; ) {
          const to = value.indexOf(newline, from);
          add(lines, end(value.subarray(from, to)));
          from = to + 1;
        }
      }
      keep(value.subarray(last + 1));
      if (lines.length > 0) yield lines;
    }
    const lines: Line[] = [];
    if (startedBytes > 0) add(lines, end(new Uint8Array()));
    if (lines.length > 0) yield lines;
  } finally {
    // Not awaited: ending must not depend on the source agreeing to stop.
    reader.cancel().catch(() => {});
  }
}

/** A client that hangs up is no error; a TypeError is a body that something before Cauce has read: wiring. */
async function chunkOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | "ended" | "gone"> {
  try {
    const { done, value } = await reader.read();
    return done ? "ended" : value;
  } catch (error) {
    if (error instanceof TypeError) throw error;
    return "gone";
  }
}
