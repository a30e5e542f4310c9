import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { isatty } from "node:tty";
import { styleText } from "node:util";
import type { Output } from "./report.ts";

/** Where a command writes in a process of its own. */
export function processOutput(): Output {
  const closing = new AbortController();
  // Whoever reads may have seen enough. Without a listener that is an exception, with a stack for a message.
  process.stdout.on("error", (error) => closing.abort(error));
  process.stderr.on("error", () => {});
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    closed: closing.signal,
    taken: async () => void (await Promise.all([taken(process.stdout), taken(process.stderr)])),
    terminal: isatty(1),
    // It knows NO_COLOR, FORCE_COLOR and what is no terminal.
    colours: styleText("bold", "x", { stream: process.stdout }) !== "x",
    ask: isatty(0) && isatty(2) ? ask : undefined,
    input: () => text(process.stdin),
  };
}

function taken(stream: NodeJS.WriteStream): Promise<void> {
  // Called after what was written before, and with an error where the reader is gone.
  return new Promise((resolve) => void stream.write("", () => resolve()));
}

/** Whether writing failed because the reader is gone, and not because of the disk or device. */
export function isBrokenPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EPIPE";
}

/** Asks on standard error, so that what is written to standard output stays what was asked for. */
async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // The end of the input (Ctrl+D) answers nothing.
  const ended = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
  try {
    return await Promise.race([terminal.question(question), ended]);
  } catch {
    // Ctrl+C at the question.
    return "";
  } finally {
    terminal.close();
  }
}
