import { fstatSync, write as writeDescriptor, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { pino } from "pino";
import type { Log } from "../core/handlers.ts";
import { createLines, type Sink, settleMillisecondsMax, streamSink } from "../engine/lines.ts";
import { type CountingLog, stackTraceOf, tellDropped } from "../engine/log.ts";
import { onProcess } from "./server.ts";
import type { LogLevel } from "./settings.ts";

interface OpenLog extends CountingLog {
  /** Resolves once every line is written or dropped; for a pipe or a terminal at the latest after a second. */
  close(): Promise<void>;
}

// Lines are written in large pieces: a write for each of 30,000 lines a second would cost more than making the lines.
const pieceCharacters = 65_536;
const flushMilliseconds = 50;

const standardError = 2;

/**
 * Writes JSON lines to a file descriptor. Default: standard error. A line is on its way within 50 ms, and at once when
 * the process ends. A line that cannot be written is dropped and counted; a log throws nothing and waits for nothing.
 */
export function openLog({ level, to = standardError }: { level: LogLevel; to?: number }): OpenLog {
  const sink = sinkOf(to);
  const { write: writeLines, dropped, settled } = createLines(sink, tellDropped);
  let piece = "";
  const writePiece = (): void => {
    if (piece === "") return;
    writeLines(piece);
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
    }, flushMilliseconds);
  };
  const forgetExit = onProcess("exit", () => {
    writePiece();
    sink.atExit();
  });
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
    dropped,
    async close() {
      clearTimeout(flushing);
      writePiece();
      await settled(sink.closeMilliseconds);
      forgetExit();
    },
  };
}

interface LogSink extends Sink {
  /** Writes now what waits, as far as that needs no wait. */
  atExit(): void;
  /** How long a close waits at most. Undefined: every write ends by itself. */
  readonly closeMilliseconds?: number;
}

/**
 * Chooses how a descriptor is written. A file takes each write, or refuses it, so a thread of Node's pool writes it and
 * this one goes on. A pipe or a terminal may take nothing for ever, and a thread that waits there would keep the process
 * from its end. Node's own stream writes to those when they are ready and waits in no thread.
 */
function sinkOf(descriptor: number): LogSink {
  const kind = fstatSync(descriptor);
  const isPlain = kind.isFile() || (kind.isCharacterDevice() && !isatty(descriptor));
  if (isPlain || descriptor !== standardError) return fileSink(descriptor);
  return { ...streamSink(process.stderr), atExit() {}, closeMilliseconds: settleMillisecondsMax };
}

/** Makes the sink of a file: one write at a time, each until all of it is written or a write fails. */
function fileSink(descriptor: number): LogSink {
  const queue: { rest: Uint8Array; readonly done: (error?: Error | null) => void }[] = [];
  let waiting = 0;
  const writeNext = (): void => {
    const [next] = queue;
    if (next === undefined) return;
    writeDescriptor(descriptor, next.rest, (error, written) => {
      waiting -= error === null ? written : next.rest.length;
      next.rest = next.rest.subarray(written);
      if (error === null && next.rest.length > 0) return writeNext();
      queue.shift();
      next.done(error);
      writeNext();
    });
  };
  return {
    put(chunk, done) {
      const rest = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      waiting += rest.length;
      queue.push({ rest, done });
      if (queue.length === 1) writeNext();
    },
    waiting: () => waiting,
    atExit() {
      // The pool still ends what it has begun, which is the first.
      for (const { rest, done } of queue.splice(1)) {
        try {
          writeSync(descriptor, rest);
        } catch (error) {
          done(error as Error);
        }
      }
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
