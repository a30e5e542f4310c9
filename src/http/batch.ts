import type { Run } from "../api/around.ts";
import { idempotencyKeyPattern } from "../api/fields.ts";
import { isRefusal } from "../api/operation.ts";
import { CauceError } from "../core/errors.ts";
import type { StoredOrder } from "../core/order.ts";
import type { Who } from "../engine/call.ts";
import { parseText } from "./body.ts";
import { type Line, linesOf } from "./lines.ts";
import { errorFields, httpStatusOf, oneLine, type ProblemFields, refusalFields } from "./problem.ts";

export interface BatchOptions {
  /** Runs the operation `place`. */
  readonly place: Run;
  readonly who: Who;
  /** The largest line, in bytes. */
  readonly bytesMax: number;
  readonly requestId: string | null;
  /** Told of each line whose order is stored, now or before. */
  readonly onDone: () => void;
  /** Told of what went wrong with a line and is the server's fault. */
  readonly onError: (error: unknown) => void;
}

// One that is written, one that waits for the writer, and one whose answers are on their way: measured.
const groupsAtOnce = 3;

/**
 * `POST /{workflow}/batch`: a line out for each line in, in order. While one group of lines is being written, a few
 * more are read and wait for the writer, and no more than that: a client that does not read its answers is not read
 * from either.
 */
export async function* answersOf(body: ReadableStream<Uint8Array>, options: BatchOptions): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const storing: Promise<string[]>[] = [];
  const oldest = async () => encoder.encode((await (storing.shift() as Promise<string[]>)).join(""));
  for await (const lines of linesOf(body, options.bytesMax)) {
    storing.push(Promise.all(lines.map((line) => answerLine(line, options))));
    // Now the store hears of this group by itself, and writes it while the next is read: together they would be one
    // transaction, and one thread would wait for the other.
    await new Promise((resolve) => setImmediate(resolve));
    if (storing.length === groupsAtOnce) yield await oldest();
  }
  while (storing.length > 0) yield await oldest();
}

/** Never rejects: whatever happens to a line is its own answer. */
async function answerLine({ number, text }: Line, options: BatchOptions): Promise<string> {
  try {
    if (typeof text !== "string") throw text;
    const { data, idempotencyKey } = envelopeOf(parseText(text, "invalid_data"));
    const { who, requestId } = options;
    const result = await options.place(data, { who, idempotencyKey, requestId });
    if (isRefusal(result)) return refused(number, refusalFields(result));
    options.onDone();
    const { placed, order } = result as { readonly placed: boolean; readonly order: StoredOrder };
    const { id, status, visit, version } = order;
    // What an id and a status's name are made of needs no escapes.
    return `{"line":${number},"status":${placed ? 202 : 200},"order":{"id":"${id}","status":"${status}","visit":${visit},"version":${version}}}\n`;
  } catch (error) {
    const fields = errorFields(error);
    if (httpStatusOf[fields.code] >= 500) options.onError(error);
    return refused(number, fields);
  }
}

function refused(line: number, { code, detail, errors }: ProblemFields): string {
  return `${JSON.stringify({ line, status: httpStatusOf[code], problem: { code, detail: oneLine(detail), errors } })}\n`;
}

const shape = 'a line must be {"data": …} with an optional "idempotencyKey"';

function envelopeOf(value: unknown): { data: unknown; idempotencyKey: string | undefined } {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new CauceError("invalid_request", `${shape}, not ${Array.isArray(value) ? "a list" : typeof value}`);
  }
  const { data, idempotencyKey, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new CauceError("invalid_request", `${shape}; it has "${other}" too`);
  if (data === undefined) throw new CauceError("invalid_request", `${shape}; it has no "data"`);
  if (idempotencyKey === undefined) return { data, idempotencyKey };
  if (typeof idempotencyKey !== "string" || !idempotencyKeyPattern.test(idempotencyKey)) {
    throw new CauceError("invalid_request", "idempotencyKey must be 1 to 255 visible ASCII characters");
  }
  return { data, idempotencyKey };
}
