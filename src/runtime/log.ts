import { pino } from "pino";
import type { Log } from "../core/handlers.ts";
import type { LogLevel } from "./logLevels.ts";
import { atExit } from "./node.ts";

export interface OpenLog extends Log {
  /** Writes what is still to be written. */
  close(): void;
}

// Written in large pieces, since a write for each of 30,000 lines a second would cost more than making them.
const pieceBytes = 8_192;
const flushMilliseconds = 50;

/** JSON lines to a file descriptor, by pino. A line is on its way within 50 ms, and at the end of the process at once. */
export function openLog({ level, to }: { level: LogLevel; to: number }): OpenLog {
  const stream = pino.destination({ dest: to, sync: false, minLength: pieceBytes });
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
    { level, base: null, messageKey: "message", timestamp, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
  let flushing: NodeJS.Timeout | undefined;
  const flushSoon = (): void => {
    flushing ??= setTimeout(() => {
      flushing = undefined;
      stream.flush();
    }, flushMilliseconds);
  };
  const flushNow = (): void => {
    clearTimeout(flushing);
    flushing = undefined;
    stream.flushSync();
  };
  const forgetExit = atExit(flushNow);
  const write = (name: "info" | "warn" | "error"): Log["info"] => {
    if (!logger.isLevelEnabled(name)) return () => {};
    return (fields, message) => {
      logger[name](fields, message);
      flushSoon();
    };
  };
  return {
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    close() {
      forgetExit();
      flushNow();
    },
  };
}
