import type { Writable } from "node:stream";

type Chunk = string | Uint8Array;

/** Where lines go. */
export interface Sink {
  /** Begins to write a chunk, and calls `done` once: with an error if the chunk was not written, or not all of it. */
  put(chunk: Chunk, done: (error?: Error | null) => void): void;
  /** How much has been put and is not written yet, in bytes or characters. */
  waiting(): number;
}

/** What writes lines and never fails: a line that cannot be written is dropped and counted. */
export interface Lines {
  /** Writes a chunk of whole lines. `done` is called once the chunk is written or dropped. */
  write(chunk: Chunk, done?: () => void): void;
  /** How many lines were dropped so far. */
  dropped(): number;
  /** Resolves once every chunk is written or dropped, or after `millisecondsMax`. Default: however long that takes. */
  settled(millisecondsMax?: number): Promise<void>;
}

/** How long the end of a process waits for a reader that is behind. One that does not read at all must not hold it up. */
export const settleMillisecondsMax = 1_000;

// More than a second of what a busy server logs. A reader that is away for longer does not cost the process its memory.
const waitingMax = 8_388_608;

/**
 * Makes what writes lines to `sink`. While more than 8 MiB wait there, further lines are dropped. Once a line can be
 * written again, the text of `tellDropped` comes before it and says how many lines are missing.
 */
export function createLines(sink: Sink, tellDropped: (lines: number) => string): Lines {
  let underWay = 0;
  let dropped = 0;
  let untold = 0;
  let onSettled: (() => void) | undefined;

  const put = (chunk: Chunk, onFailed: () => void, done?: () => void): void => {
    underWay++;
    sink.put(chunk, (error) => {
      underWay--;
      if (error) onFailed();
      done?.();
      if (underWay === 0) onSettled?.();
    });
  };
  const drop = (chunk: Chunk): void => {
    const lines = linesIn(chunk);
    dropped += lines;
    untold += lines;
  };

  return {
    write(chunk, done) {
      if (sink.waiting() + chunk.length > waitingMax) {
        drop(chunk);
        done?.();
        return;
      }
      if (untold > 0) {
        const telling = untold;
        untold = 0;
        put(tellDropped(telling), () => {
          untold += telling;
        });
      }
      put(chunk, () => drop(chunk), done);
    },
    dropped: () => dropped,
    settled(millisecondsMax) {
      if (underWay === 0) return Promise.resolve();
      return new Promise((resolve) => {
        const late = millisecondsMax === undefined ? undefined : setTimeout(resolve, millisecondsMax);
        onSettled = () => {
          clearTimeout(late);
          resolve();
        };
      });
    },
  };
}

/**
 * Makes the sink of a standard stream of the process. A stream's error is an event besides, which ends a process that
 * has no listener for it. So a listener is there while a chunk is under way, and is gone afterwards: the errors of what
 * others write to the stream are theirs.
 */
export function streamSink(stream: Writable): Sink {
  // As it is now: the process may give the stream another `write`, which puts its chunks through here.
  const { write } = stream;
  const ignore = (): void => {};
  let underWay = 0;
  const ended = (): void => {
    underWay--;
    if (underWay === 0) stream.off("error", ignore);
  };
  return {
    put(chunk, done) {
      if (underWay === 0) stream.on("error", ignore);
      underWay++;
      write.call(stream, chunk, "utf8", (error) => {
        done(error);
        // The event comes after this call.
        setImmediate(ended);
      });
    },
    waiting: () => stream.writableLength,
  };
}

function linesIn(chunk: Chunk): number {
  return typeof chunk === "string" ? Math.max(1, chunk.split("\n").length - 1) : 1;
}
