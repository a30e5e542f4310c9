import { pino } from "pino";
import type { Log } from "../core/handlers.ts";
import { stackTraceOf } from "../engine/log.ts";
import { onProcess } from "./server.ts";
import type { LogLevel } from "./settings.ts";

interface OpenLog extends Log {
  /** Resolves once everything is written, in its order. */
  close(): Promise<void>;
}

// Lines are written in large pieces: a write for each of 30,000 lines a second would cost more than making the lines.
const pieceCharacters = 65_536;
const flushMilliseconds = 50;

const standardError = 2;

/** Writes JSON lines to a file descriptor, by pino. Default: standard error. A line is on its way within 50 ms, and at once when the process ends. */
export function openLog({ level, to = standardError }: { level: LogLevel; to?: number }): OpenLog {
  const destination = pino.destination({
    dest: to,
    sync: false,
    minLength: pieceCharacters,
    maxWrite: 4 * pieceCharacters,
  });
  // The piece is gathered here. The destination would count the bytes of all that it holds again for each line, which
  // takes longer than making the line.
  let piece = "";
  const writePiece = (): void => {
    if (piece === "") return;
    destination.write(piece);
    piece = "";
  };
  const lines = {
    write(line: string) {
      piece += line;
      if (piece.length >= pieceCharacters) writePiece();
    },
  };
  let lastAt = 0;
  let lastTime = "";
  const timestamp = (): string => {
    const now = Date.now();
    if (now !== lastAt) {
      lastAt = now;
      lastTime = `,"time":"${new Date(now).toISOString()}"`;
    }
    return lastTime;
  };
  const logger = pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp,
      formatters: { level: (label) => ({ level: label }), log: withStacks },
    },
    lines,
  );
  let flushing: NodeJS.Timeout | undefined;
  const flushSoon = (): void => {
    flushing ??= setTimeout(() => {
      flushing = undefined;
      writePiece();
      destination.flush();
    }, flushMilliseconds);
  };
  const flushNow = (): void => {
    clearTimeout(flushing);
    flushing = undefined;
    writePiece();
    destination.flushSync();
  };
  const forgetExit = onProcess("exit", flushNow);
  const write = (name: "info" | "warn" | "error"): Log["info"] => {
    if (!logger.isLevelEnabled(name)) return () => {};
    return (fields, message) => {
      const plain = typeof message === "string" ? plainJson(fields) : undefined;
      if (plain === undefined) logger[name](fields, message);
      else lines.write(`{"level":"${name}"${timestamp()},${plain},"message":${JSON.stringify(message)}}\n`);
      flushSoon();
    };
  };
  return {
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    async close() {
      forgetExit();
      writePiece();
      // What a thread is writing ends first: the rest would come before it, or in the middle of a line. A write that
      // failed ends the wait too.
      await new Promise<void>((resolve) => destination.flush(() => resolve()));
      flushNow();
    },
  };
}

/** Puts the stacks of an error and of its causes in the place of each error. pino writes `err` so by itself, and else `{}`. */
function withStacks(fields: Record<string, unknown>): Record<string, unknown> {
  const texts = Object.entries(fields).map(([key, value]) => [
    key,
    key === "err" ? value : (stackTraceOf(value) ?? value),
  ]);
  return Object.fromEntries(texts);
}

/**
 * Gives the fields as they stand in a line if each is a string, a number, a boolean or null, as those of an attempt
 * are; else undefined. JSON.stringify takes a third of the time of pino's serializer, which writes everything else.
 */
function plainJson(fields: Record<string, unknown>): string | undefined {
  for (const key in fields) {
    const value = fields[key];
    const type = typeof value;
    if (type !== "string" && type !== "number" && type !== "boolean" && value !== null && value !== undefined) {
      return undefined;
    }
  }
  const json = JSON.stringify(fields);
  return json === "{}" ? undefined : json.slice(1, -1);
}
