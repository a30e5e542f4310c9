/** What all commands share: where they write, how they report errors, their flags for settings, and plain text. */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { isatty } from "node:tty";
import { styleText } from "node:util";
import { type Command, CommanderError, Option } from "commander";
import { CauceError } from "../core/errors.ts";
import { hasInexactNumber, parseArmed } from "../core/numbers.ts";
import { textOf } from "../core/reasons.ts";
import { settleMillisecondsMax } from "../engine/lines.ts";
import { cauceVariables, type Flags, readSettings } from "../node/readSettings.ts";
import { type CommandKind, rowsOf, type Setting, type Settings } from "../node/settings.ts";
import { dropWhatIsNotTaken } from "../node/standardStreams.ts";

/** Where a command writes, and whom it can ask. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
  /** Aborts when the reader of standard output is gone, as in `cauce list --all | head`. Its reason is the error. */
  readonly closed?: AbortSignal;
  /** Resolves once the reader has taken all that was written, or is gone. A pipe that is full holds the rest back. */
  readonly taken?: () => Promise<void>;
  /**
   * For a command that serves until it is stopped: from now on, what is not taken is dropped, and `taken` waits for a
   * second at most. Gives how many lines were dropped so far.
   */
  readonly serve?: () => () => number;
  /** Standard output is a terminal, on which a table can be drawn again in its place. */
  readonly terminal?: boolean;
  readonly colours?: boolean;
  /** Asks the person at the terminal; undefined without a terminal. An empty answer stands for none. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Reads all of standard input. */
  readonly input?: () => Promise<string>;
}

/** Makes the output of a process: its standard streams. */
export function processOutput(): Output {
  const closing = new AbortController();
  let serving: ReturnType<typeof dropWhatIsNotTaken> | undefined;
  // The reader may have seen enough. Without a listener its end would be an exception, with a stack for a message.
  process.stdout.on("error", (error) => serving ?? closing.abort(error));
  process.stderr.on("error", () => {});
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    closed: closing.signal,
    async taken() {
      await (serving?.settled(settleMillisecondsMax) ?? Promise.all([taken(process.stdout), taken(process.stderr)]));
    },
    serve() {
      serving ??= dropWhatIsNotTaken();
      return serving.dropped;
    },
    terminal: isatty(1),
    // styleText knows NO_COLOR, FORCE_COLOR and what is no terminal.
    colours: styleText("bold", "x", { stream: process.stdout }) !== "x",
    ask: isatty(0) && isatty(2) ? ask : undefined,
    input: () => text(process.stdin),
  };
}

function taken(stream: NodeJS.WriteStream): Promise<void> {
  // The callback comes after what was written before; or with an error, when the reader is gone.
  return new Promise((resolve) => void stream.write("", () => resolve()));
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

/** Exit codes: 0 done, 1 a failure, 2 wrong usage (an unknown or wrong flag, argument or CAUCE_* variable). */
export const exitCodes = { done: 0, failure: 1, usage: 2 } as const;

/** Reports an error as one line, `code: message`, and returns the exit code. */
export function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) {
    // Help and version are printed already. Help that was printed for lack of a command is wrong usage.
    if (error.exitCode === 0) return exitCodes.done;
    if (error.code !== "commander.help") {
      output.err(`setting_invalid: ${oneLine(error.message.replace(/^error: /, ""))}\n`);
    }
    return exitCodes.usage;
  }
  if (error instanceof CauceError) {
    // The server's message says how HTTP takes the key. On the command line the key is a flag.
    const how = error.code === "unauthorized" ? "; --key or CAUCE_API_KEY takes the key" : "";
    output.err(`${error.code}: ${oneLine(error.message)}${how}\n`);
    // Shells report a signal in this way.
    if (error.code === "interrupted") return 128 + constants.signals[error.cause as NodeJS.Signals];
    return error.code === "setting_invalid" ? exitCodes.usage : exitCodes.failure;
  }
  output.err(`internal_error: ${oneLine(textOf(error))}\n`);
  return exitCodes.failure;
}

/** An error of what was typed: `setting_invalid`, exit code 2. */
export function wrongUsage(message: string): CauceError {
  return new CauceError("setting_invalid", message);
}

/** The operating system's code of an error, such as `ENOENT`; else the error as text. */
export function systemCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? textOf(error);
}

/**
 * Parses JSON that was typed or read from `where`.
 * @throws `code` for a text that is no JSON, or has a number that a double cannot hold.
 */
export function parseJson(text: string, where: string, code: "invalid_json" | "setting_invalid"): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CauceError(code, `${where} is not JSON: ${(error as Error).message}`);
  }
  // Reading the first such number throws its path.
  if (hasInexactNumber(text)) JSON.stringify(parseArmed(text, code, (path) => path));
  return value;
}

/**
 * Reads the file that a flag names.
 * @throws `setting_invalid`
 */
export function readFlagFile(flag: string, file: string): string {
  try {
    // Some editors put a byte order mark before the text.
    return readFileSync(file, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    throw wrongUsage(`${flag} ${file} cannot be read (${systemCode(error)}); check the path and its rights`);
  }
}

/** A message on one line, without control characters: what a server quotes may contain any. */
export function oneLine(message: string): string {
  return plain(message.replace(/\s*\n\s*/g, " ")).trim();
}

/** Text on one line, without the control characters that could move a terminal's cursor or colour it. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").toWellFormed();
}

export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** `1 order`, `2 orders`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a command does, and what its help shows after its flags. */
interface Help {
  readonly says: string;
  /** Stands before the examples. */
  readonly notes?: string;
  /** Command lines, without the leading `cauce`. */
  readonly examples: readonly string[];
}

/** Adds a command with its help. */
export function addCommand(program: Command, usage: string, { says, notes, examples }: Help): Command {
  const lines = ["Examples:", ...examples.map((example) => `  $ cauce ${example}`)];
  const text = `\n${notes === undefined ? "" : `${notes}\n\n`}${lines.join("\n")}`;
  return program.command(usage).description(says).addHelpText("after", text);
}

/** Gives a command a flag for each setting that it reads and that has one, and returns the command. */
export function addSettings(command: Command, kind: CommandKind): Command {
  for (const { flag, variable, default: fallback, meaning, repeatable } of Object.values<Setting>(rowsOf(kind))) {
    if (flag === null) continue;
    const notes = [...(fallback === undefined || !flag.includes("<") ? [] : [`default: ${fallback}`]), variable];
    const option = new Option(flag, `${meaning.replaceAll("`", "")} (${notes.join("; ")})`);
    if (repeatable) option.argParser((value, before) => (before === undefined ? value : `${before},${value}`));
    command.addOption(option);
  }
  return command;
}

/** The settings of a command out of the flags as commander gives them, and the environment. Throws `setting_invalid`. */
export function givenSettings<C extends CommandKind>(kind: C, given: Readonly<Record<string, unknown>>): Settings<C> {
  const flags: Partial<Record<string, string>> = {};
  for (const [name, { flag }] of Object.entries<Setting>(rowsOf(kind))) {
    const value = flag === null ? undefined : given[new Option(flag).attributeName()];
    if (value !== undefined) flags[name] = String(value);
  }
  return readSettings(kind, flags as Flags<C>, cauceVariables());
}

/** Reads a package.json. Default: Cauce's own, two floors up from here, in the sources and in `dist` alike. */
export function description(file: string | URL = new URL("../../package.json", import.meta.url)): {
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
  readonly private?: boolean;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(file, "utf8"));
}
