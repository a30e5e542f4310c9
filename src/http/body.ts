import { CauceError, type ErrorCode, type Fault } from "../core/errors.ts";
import { endOfString, hasInexactNumber, parseArmed } from "../core/numbers.ts";
import { isTypeError } from "../core/reasons.ts";

/** What the server underneath may offer for a request, besides the `Request`. */
export interface ServerBindings {
  /**
   * Reads a body's bytes without the stream and the copy that a `Request` makes of them. Undefined once there are more
   * than `bytesMax`. Rejects when the client hangs up before the end.
   */
  readonly readBody?: (bytesMax: number) => Promise<Uint8Array | undefined>;
  /** Takes the time limit from a body of any length. The server still cuts it off once no more of it comes. */
  readonly disableTimeout?: () => void;
}

/** Reads JSON bodies, and refuses what is no JSON or could not be stored unchanged. */
export interface BodyReader {
  /**
   * Reads the value of a body. Rejects with `invalid_json`, `body_too_large`, `unsupported_media_type`,
   * `invalid_request`, or with `faultCode` for a value that JSON allows and Cauce refuses.
   */
  required(request: Request, server: ServerBindings, faultCode: ErrorCode): Promise<unknown>;
  /** Does the same for a body that may be left out, which counts as `{}`. */
  optional(request: Request, server: ServerBindings, faultCode: ErrorCode): Promise<unknown>;
}

/** The largest body, in bytes, where no setting says otherwise: 256 KiB. */
export const bodyBytesMaxDefault = 262_144;

// Schemas, JSON.stringify and hashing recurse. The stack holds more than 1,000 levels, so 256 leave room.
const depthMax = 256;

export function createBodyReader(bytesMax: number): BodyReader {
  // `fatal` refuses bytes that are not UTF-8. Without it they would be stored as other characters.
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const parse = (bytes: Uint8Array, faultCode: ErrorCode): unknown => {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw notUtf8();
    }
    return parseText(text, faultCode);
  };

  return {
    async required(request, server, faultCode) {
      checkType(request);
      return parse(await read(request, server, bytesMax), faultCode);
    },
    async optional(request, server, faultCode) {
      const bytes = await read(request, server, bytesMax);
      if (bytes.byteLength === 0) return {};
      checkType(request);
      return parse(bytes, faultCode);
    },
  };
}

function checkType(request: Request): void {
  checkEncoding(request.headers);
  const type = request.headers.get("content-type");
  if (type === null || type === "application/json" || isJson(type)) return;
  throw new CauceError("unsupported_media_type", "the body must be JSON; send it with Content-Type: application/json");
}

/** Throws `unsupported_media_type` for a compressed body, which Cauce does not decompress. */
export function checkEncoding(headers: Headers): void {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  throw new CauceError(
    "unsupported_media_type",
    "the body has a Content-Encoding; send it as it is, without compressing it",
  );
}

function isJson(type: string): boolean {
  const essence = (type.split(";", 1)[0] as string).trim().toLowerCase();
  return essence === "" || essence === "application/json" || /^[^/\s]+\/[^/\s]+\+json$/.test(essence);
}

async function read(request: Request, { readBody }: ServerBindings, bytesMax: number): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > bytesMax) throw tooLarge(bytesMax);
  try {
    const bytes = await (readBody === undefined ? readCounting(request, bytesMax) : readBody(bytesMax));
    if (bytes === undefined) throw tooLarge(bytesMax);
    return bytes;
  } catch (cause) {
    // A TypeError means that code before Cauce has read the body already. That is a fault of the wiring, not of the client.
    if (cause instanceof CauceError || isTypeError(cause)) throw cause;
    throw new CauceError("invalid_request", "the body ended before all of it came; send it again", { cause });
  }
}

/** Reads a body of unknown length. It never holds more than the limit and one chunk. */
async function readCounting({ body }: Request, bytesMax: number): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array();
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, count);
    count += value.byteLength;
    if (count > bytesMax) {
      // Not awaited: the answer must not wait for the source to stop.
      reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
}

export function tooLarge(bytesMax: number): CauceError {
  return new CauceError("body_too_large", `the body is larger than the ${bytesMax} bytes that this server takes`);
}

export function notUtf8(): CauceError {
  return new CauceError("invalid_json", "the body is not valid UTF-8; send JSON encoded as UTF-8");
}

/**
 * Parses JSON text. Throws `invalid_json`, or `faultCode` for a value that JSON allows and Cauce refuses. `above`: what is
 * left out of the fault's path, since paths are relative to an order's data. A number that a double cannot hold throws
 * `faultCode` once it is read.
 */
export function parseText(text: string, faultCode: ErrorCode, above = ""): unknown {
  if (text.length > depthMax * 2 && isDeeper(text, depthMax)) {
    throw fault(faultCode, { path: "", message: `is nested more than ${depthMax} levels deep` });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (text.trim() === "") throw new CauceError("invalid_json", "the body is empty; send JSON");
    const reason = (cause as Error).message.replace(/\s+/g, " ");
    throw new CauceError("invalid_json", `the body is not JSON: ${reason}`);
  }
  if (mayBeUnstorable(text)) {
    const found = findUnstorable(value, "");
    if (found !== undefined) throw fault(faultCode, { ...found, path: below(above, found.path) });
  }
  return hasInexactNumber(text) ? parseArmed(text, faultCode, (path) => below(above, path)) : value;
}

function below(above: string, path: string): string {
  if (path === above) return "";
  return path.startsWith(`${above}.`) ? path.slice(above.length + 1) : path;
}

function fault(code: ErrorCode, found: Fault): CauceError {
  const where = found.path === "" ? "the body" : found.path;
  return new CauceError(code, `${where} ${found.message}`, { faults: [found] });
}

/** Whether JSON text nests deeper than `levelsMax`: counts brackets outside strings. */
function isDeeper(text: string, levelsMax: number): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) {
      index = endOfString(text, index);
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > levelsMax) return true;
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return false;
}

/**
 * Whether `findUnstorable` must look at the text; almost no text needs it. Half a surrogate pair can only be written with
 * an escape.
 */
function mayBeUnstorable(text: string): boolean {
  return text.includes("\\u") || text.includes("__proto__");
}

/**
 * Finds a value that could not be stored unchanged. UTF-8 has no half of a surrogate pair, and schemas drop `__proto__`
 * without an error.
 */
function findUnstorable(value: unknown, path: string): Fault | undefined {
  if (typeof value === "string") {
    return value.isWellFormed()
      ? undefined
      : { path, message: "has half of a surrogate pair, which no UTF-8 can hold" };
  }
  if (value === null || typeof value !== "object") return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const at = path === "" ? key : `${path}.${key}`;
    if (key === "__proto__") return { path: at, message: "is a key that is not taken; rename it" };
    if (!key.isWellFormed())
      return { path, message: "has a key with half of a surrogate pair, which no UTF-8 can hold" };
    const found = findUnstorable(inner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}
