import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { CauceError } from "../../core/errors.ts";
import type { Problem, Row } from "./row.ts";

/** The file of refused lines, made with the first of them. */
export interface RefusedFile {
  add(row: Row, problem: Problem): void;
  /** Writes what was added. */
  flush(): void;
  readonly bytes: number;
  close(): void;
}

/** Keeps the first `bytes` of what an earlier run wrote. Throws `import_unreadable`. */
export function openRefused(path: string, options: { bytes: number; delimiter: string }): RefusedFile {
  const found = statSync(path, { throwIfNoEntry: false });
  // Devices and pipes are only written to: a user with the right to would take /dev/null away from everybody.
  const special = found !== undefined && !found.isFile() && !found.isDirectory();
  // Somebody may have taken it away since.
  let bytes = special ? 0 : Math.min(options.bytes, found?.size ?? 0);
  let file: number | undefined;
  let waiting = "";
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const { code = String(error) } = error as NodeJS.ErrnoException;
      throw new CauceError("import_unreadable", `${path} cannot be written (${code}); name another with --refused`);
    }
  };
  const open = (): number => {
    // Not "a": what a run that died wrote past its progress is written again.
    const opened = openSync(path, bytes === 0 ? "w" : "r+");
    if (!special) ftruncateSync(opened, bytes);
    return opened;
  };
  if (bytes > 0) file = attempt(open);
  else if (!special) attempt(() => rmSync(path, { force: true }));

  return {
    add({ line, raw }, { code, detail, errors }) {
      const text = typeof raw === "string" ? raw : csvLine(raw, options.delimiter);
      waiting += `${JSON.stringify({ line, problem: { code, detail, errors }, text })}\n`;
    },
    flush() {
      if (waiting === "") return;
      const buffer = Buffer.from(waiting);
      waiting = "";
      const to = (file ??= attempt(open));
      for (let at = 0; at < buffer.length; ) {
        at += attempt(() => writeSync(to, buffer, at, buffer.length - at, special ? null : bytes + at));
      }
      // All or nothing: after a half line the next run would go on behind it.
      bytes += buffer.length;
    },
    get bytes() {
      return bytes;
    },
    close() {
      if (file !== undefined) closeSync(file);
    },
  };
}

function csvLine(cells: readonly string[], delimiter: string): string {
  return cells
    .map((cell) => (/["\n\r]/.test(cell) || cell.includes(delimiter) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(delimiter);
}
