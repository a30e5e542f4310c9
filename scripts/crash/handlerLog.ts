import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** One run of a handler, as the handler itself has noted it. */
export interface Run {
  readonly id: string;
  readonly visit: number;
  readonly attempt: number;
  /** Which opening of the log noted it: the first is 1. Each process opens the log once for each workflow. */
  readonly life: number;
}

/** The line that an opening begins with. */
const opening = "opened";

/** Appends a line with one write. So a line is whole or missing, and outlives the process that wrote it. */
export function openHandlerLog(file: string | undefined) {
  if (file === undefined) throw new Error("no file is named for the handlers' runs");
  const descriptor = openSync(file, "a");
  writeSync(descriptor, `${opening}\n`);
  return {
    ran: ({ idempotencyKey, attempt }: { idempotencyKey: string; attempt: number }) =>
      void writeSync(descriptor, `${idempotencyKey} ${attempt}\n`),
    close: () => closeSync(descriptor),
  };
}

export type HandlerLog = ReturnType<typeof openHandlerLog>;

/** Reads the handlers' own notes, in the order in which the handlers ran. Throws on a line that is not a note. */
export function readRuns(file: string): Run[] {
  const lines = readFileSync(file, "utf8").split("\n");
  if (lines.pop() !== "") throw new Error(`${file} ends within a line`);
  let life = 0;
  return lines.flatMap((line) => {
    if (line === opening) {
      life++;
      return [];
    }
    const [, id, visit, attempt] = /^(\S+):(\d+) (\d+)$/.exec(line) ?? [];
    if (id === undefined) throw new Error(`${file} has the line ${JSON.stringify(line)}`);
    return { id, visit: Number(visit), attempt: Number(attempt), life };
  });
}
