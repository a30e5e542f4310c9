import { main } from "../../../src/cli/main.ts";
import type { Output } from "../../../src/cli/output.ts";

export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions extends Partial<Omit<Output, "out" | "err">> {
  /** Called with all text written to standard output so far. */
  readonly onOut?: (stdout: string) => void;
}

/** Runs a command in this process against a server. */
export async function run(url: string, args: readonly string[], { onOut, ...output }: RunOptions = {}): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  const exit = await main([...args, "--url", url], {
    out(text) {
      stdout += text;
      onOut?.(stdout);
    },
    err: (text) => (stderr += text),
    ...output,
  });
  return { exit, stdout, stderr };
}

/** Splits a drawn table into the cells of its rows, without the headings. */
export function rowsOf(table: string): string[][] {
  return table
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/ {2,}/));
}
