import { isRefusal, type Run } from "../api/around.ts";
import { idempotencyKeyPattern } from "../api/fields.ts";
import { CauceError } from "../core/errors.ts";
import { exceedsBytes, type StoredOrder } from "../core/order.ts";
import { isTypeError } from "../core/reasons.ts";
import type { Who } from "../engine/engine.ts";
import { notUtf8, parseText, tooLarge } from "./body.ts";
import { errorFields, httpStatusOf, refusalFields, refusedLine } from "./problem.ts";

interface BatchOptions {
  /** Runs the operation `place`. */
  readonly place: Run;
  readonly who: Who;
  /** The largest line, in bytes. */
  readonly bytesMax: number;
  readonly requestId: string | null;
  /** Called for each line whose order is stored, now or earlier. */
  readonly onDone: () => void;
  /** Called with each error that is the server's fault. */
  readonly onError: (error: unknown) => void;
}

// One group is written, one waits for the writer, and one has its answers on their way. Measured: more do not help.
const groupsAtOnce = 3;

/**
 * Answers `POST /{workflow}/batch` with one line for each line of the body, in order. While the store writes one group
 * of lines, the next two groups are read, and no more: if a client does not read its answers, its lines are not read.
 */
export async function* resultLines(
  body: ReadableStream<Uint8Array>,
  options: BatchOptions,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const storing: Promise<string[]>[] = [];
  const oldest = async () => encoder.encode((await (storing.shift() as Promise<string[]>)).join(""));
  for await (const lines of linesOf(body, options.bytesMax)) {
    storing.push(Promise.all(lines.map((line) => resultLine(line, options))));
    // Let the store begin with this group now, and read the next group meanwhile. Both groups together would be one
    // transaction, and this thread and the writer would wait for each other in turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (storing.length === groupsAtOnce) yield await oldest();
  }
  while (storing.length > 0) yield await oldest();
}

/** Places the order of one line. Never rejects: an error is the answer of its line. */
async function resultLine({ number, text }: Line, options: BatchOptions): Promise<string> {
  try {
    if (typeof text !== "string") throw text;
    const { data, idempotencyKey } = envelopeOf(parseText(text, "invalid_data", "data"));
    const { who, requestId } = options;
    const result = await options.place(data, { who, idempotencyKey, requestId, bulk: true });
    if (isRefusal(result)) return refusedLine(number, refusalFields(result));
    options.onDone();
    const { placed, order } = result as { readonly placed: boolean; readonly order: StoredOrder };
    const { id, status, visit, version } = order;
    // Ids and names of statuses hold no character that JSON escapes.
    return `{"line":${number},"status":${placed ? 202 : 200},"order":{"id":"${id}","status":"${status}","visit":${visit},"version":${version}}}\n`;
  } catch (error) {
    const fields = errorFields(error);
    if (httpStatusOf[fields.code] >= 500) options.onError(error);
    return refusedLine(number, fields);
  }
}

const shape = 'a line must be {"data": …} with an optional "idempotencyKey"';

function envelopeOf(value: unknown): { data: unknown; idempotencyKey: string | undefined } {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new CauceError("invalid_request", `${shape}, not ${Array.isArray(value) ? "a list" : typeof value}`);
  }
  for (const name of Object.keys(value)) {
    if (name !== "data" && name !== "idempotencyKey") {
      throw new CauceError("invalid_request", `${shape}; it has "${name}" too`);
    }
  }
  const { data, idempotencyKey } = value as Record<string, unknown>;
  if (data === undefined) throw new CauceError("invalid_request", `${shape}; it has no "data"`);
  if (idempotencyKey === undefined) return { data, idempotencyKey };
  if (typeof idempotencyKey !== "string" || !idempotencyKeyPattern.test(idempotencyKey)) {
    throw new CauceError("invalid_request", "idempotencyKey must be 1 to 255 visible ASCII characters");
  }
  return { data, idempotencyKey };
}

/** One line of a body, or the error that it cannot be read with. */
interface Line {
  /** The line's number from 1. Empty lines are counted and left out. */
  readonly number: number;
  readonly text: string | CauceError;
}

const newline = 0x0a;

/**
 * Reads the lines of a body in groups: the lines that end in one chunk. It never holds more than one line of the largest
 * size and one chunk. It ends without an error if the client hangs up, since no client is left to read one.
 */
async function* linesOf(body: ReadableStream<Uint8Array>, bytesMax: number): AsyncGenerator<Line[]> {
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
  /** Ends a line: joins the parts that earlier chunks held with the rest of it. */
  const end = (rest: Uint8Array): string | CauceError => {
    const bytes = startedBytes + rest.byteLength;
    const text =
      bytes > bytesMax ? tooLarge(bytesMax) : decode(startedBytes === 0 ? rest : Buffer.concat([...started, rest]));
    started = [];
    startedBytes = 0;
    // Some editors put a byte order mark before the first line.
    return number === 0 && typeof text === "string" ? text.replace(/^\ufeff/, "") : text;
  };
  const keep = (rest: Uint8Array): void => {
    startedBytes += rest.byteLength;
    // Once a line is past the limit, only its bytes are counted.
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
      // Decode all whole lines at once. If one of them is not UTF-8, decode each by itself.
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
    // Not awaited: the end must not wait for the source to stop.
    reader.cancel().catch(() => {});
  }
}

/** Reads a chunk. A client that hangs up is no error. A TypeError is: code before Cauce has read the body already. */
async function chunkOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | "ended" | "gone"> {
  try {
    const { done, value } = await reader.read();
    return done ? "ended" : value;
  } catch (error) {
    if (isTypeError(error)) throw error;
    return "gone";
  }
}
