import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CauceError } from "../core/errors.ts";

/** Makes the directory where it is missing. Throws `directory_unusable`. */
export function usableDirectory(path: string): void {
  try {
    // Node's recursive mkdir never ends where a file system answers ENOENT for what it will not make, as /proc does.
    mkdirSync(path, { recursive: existsSync(path) || !existsSync(dirname(path)) });
  } catch (cause) {
    throw directoryUnusable(path, cause);
  }
}

/** Throws `directory_unusable` where `usableDirectory` would most likely do so too, without making anything. */
export function checkUsable(path: string): void {
  let nearest = resolve(path);
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  try {
    // The dot asks for a directory.
    accessSync(`${nearest}/.`, constants.W_OK);
  } catch (cause) {
    throw directoryUnusable(path, cause);
  }
}

/** Why a directory cannot be used, as `directory_unusable`. */
export function directoryUnusable(path: string, cause: unknown): CauceError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const what =
    code === "EEXIST" || code === "ENOTDIR"
      ? "there is a file of that name; give a directory"
      : `it cannot be made, read or written (${code}); check the path and its rights`;
  return new CauceError("directory_unusable", `${path}: ${what}`, { cause });
}
