import { constants } from "node:os";
import { CommanderError } from "commander";
import type { CauceError } from "../core/errors.ts";

/** Where the command line writes. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
  /** Aborts when nobody reads any more what is written: `cauce list --all | head`. Its reason is why. */
  readonly closed?: AbortSignal;
  /** Resolves once the reader has taken all that was written, or is gone. A pipe that is full holds the rest back. */
  readonly taken?: () => Promise<void>;
  /** Standard output is a terminal, on which a table can be drawn again in its place. */
  readonly terminal?: boolean;
  readonly colours?: boolean;
  /** Asks the person at the terminal; not there without one. An empty answer stands for none. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** All of standard input. */
  readonly input?: () => Promise<string>;
}

/** Exit codes: 0 done, 1 a failure, 2 wrong usage (an unknown or wrong flag, argument or CAUCE_* variable). */
export const exitCodes = { done: 0, failure: 1, usage: 2 } as const;

/** Reports an error as one line, `code: message`, and gives the exit code. */
export function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    // Help and version were printed already; they are errors only when they stand in for a missing command.
    if (error.exitCode === 0) return exitCodes.done;
    if (error.code !== "commander.help") {
      output.err(`setting_invalid: ${oneLine(error.message.replace(/^error: /, ""))}\n`);
    }
    return exitCodes.usage;
  }
  if (isCauceError(error)) {
    // A server says how HTTP takes the key; here it is a flag.
    const how = error.code === "unauthorized" ? "; --key or CAUCE_API_KEY takes the key" : "";
    output.err(`${error.code}: ${oneLine(error.message)}${how}\n`);
    // As shells count it.
    if (error.code === "interrupted") return 128 + constants.signals[error.cause as NodeJS.Signals];
    return error.code === "setting_invalid" ? exitCodes.usage : exitCodes.failure;
  }
  output.err(
    `internal_error: ${oneLine(error instanceof Error ? `${error.name}: ${error.message}` : String(error))}\n`,
  );
  return exitCodes.failure;
}

// An app may have a Cauce of its own installed, whose errors are of another class than ours.
export function isCauceError(error: unknown): error is CauceError {
  return error instanceof Error && error.name === "CauceError" && "code" in error;
}

/** A message on one line, without control characters: what a server quotes may hold any, and would move a terminal's cursor. */
export function oneLine(message: string): string {
  return message
    .replace(/\s*\n\s*/g, " ")
    .replace(/\p{Cc}+/gu, " ")
    .trim();
}
