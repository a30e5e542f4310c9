import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CauceError } from "../../core/errors.ts";

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
